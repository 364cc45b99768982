from __future__ import annotations

import pytest

from weighbridge.auth.sign_in_rules import SignInRules
from weighbridge.control.sessions import COOKIE


@pytest.mark.parametrize(
    ("rules", "is_secure"),
    [(SignInRules(public_url="https://gateway.test"), True), (SignInRules(has_tls=True), True), (SignInRules(), False)],
)
async def test_behind_whatever_ends_tls_the_cookie_is_for_https_alone(anyone, make_key, gateway, rules, is_secure):
    # As it comes from a worker: always over a plain socket.
    gateway.sign_in = rules
    given = await anyone.post("/session", json={"admin_key": make_key("root", is_admin=True)})
    assert ("; secure" in given.headers["set-cookie"].lower()) is is_secure
    anyone.cookies.set(COOKIE, given.cookies[COOKIE])
    taken = await anyone.delete("/session", headers={"x-csrf-token": given.json()["csrf_token"]})
    assert ("; secure" in taken.headers["set-cookie"].lower()) is is_secure
