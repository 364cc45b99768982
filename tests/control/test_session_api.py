"""Signing in: who gets a session, what it is good for, and how it is kept from others."""

from __future__ import annotations

import pytest
from tests.control.conftest import PASSWORD

from weighbridge.auth.sign_in_rules import SignInRules
from weighbridge.control.sessions import COOKIE, IDLE_NS, LIFETIME_NS
from weighbridge.core.clock import NS_PER_S


@pytest.fixture
async def browser(anyone, make_key):
    """A client that has signed in; its admin key and its token."""
    anyone.admin_key = make_key("root", is_admin=True)
    reply = await anyone.post("/session", json={"admin_key": anyone.admin_key})
    assert reply.status_code == 200
    anyone.token = reply.json()["csrf_token"]
    return anyone


def attributes(reply):
    return {part.strip().partition("=")[0].lower() for part in reply.headers["set-cookie"].split(";")}


async def test_an_admin_key_opens_a_session_that_opens_the_api(browser):
    assert (await browser.get("/status")).status_code == 200
    told = (await browser.get("/session")).json()
    assert {"read_spend", "manage_gateway"} <= set(told["user"].pop("may"))
    assert told == {
        "csrf_token": browser.token,
        "user": {"name": "root", "role": "owner", "email": None, "organisation": "", "team": ""},
    }


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(anyone, make_key):
    reply = await anyone.post("/session", json={"admin_key": make_key("root", is_admin=True)})
    assert {"httponly", "samesite", "max-age"} <= attributes(reply)
    assert "samesite=strict" in reply.headers["set-cookie"].lower()
    assert "secure" not in attributes(reply)
    anyone.base_url = "https://gateway/admin/v1"
    secure = await anyone.post("/session", json={"admin_key": make_key("other", is_admin=True)})
    assert "secure" in attributes(secure)


@pytest.mark.parametrize("is_admin", [False, None])
async def test_no_other_key_opens_one(anyone, make_key, is_admin):
    key = "wb-" + "x" * 43 if is_admin is None else make_key("app")
    reply = await anyone.post("/session", json={"admin_key": key})
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "invalid_api_key")
    assert "set-cookie" not in reply.headers


async def test_nobody_is_signed_in_without_a_cookie(anyone):
    for cookie in (None, "forged"):
        anyone.cookies.clear()
        if cookie:
            anyone.cookies.set(COOKIE, cookie)
        reply = await anyone.get("/session")
        assert (reply.status_code, reply.json()["error"]["code"]) == (401, "missing_session")
        assert (await anyone.get("/status")).status_code == 401


@pytest.mark.parametrize("token", [None, "", "another"])
async def test_a_change_without_the_sessions_token_is_refused(browser, token):
    headers = {} if token is None else {"x-csrf-token": token}
    reply = await browser.post("/keys", json={"name": "forged"}, headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "csrf")
    assert (await browser.post("/keys", json={"name": "ours"}, headers={"x-csrf-token": browser.token})).status_code == 201


async def test_signing_in_again_gives_another_cookie_and_ends_the_old_one(browser):
    old = browser.cookies[COOKIE]
    await browser.post("/session", json={"admin_key": browser.admin_key})
    assert browser.cookies[COOKIE] != old
    browser.cookies.set(COOKIE, old)
    assert (await browser.get("/status")).status_code == 401


async def test_a_cookie_that_somebody_planted_is_not_taken_over(anyone, make_key):
    planted = {"cookie": f"{COOKIE}=planted"}
    reply = await anyone.post("/session", json={"admin_key": make_key("root", is_admin=True)}, headers=planted)
    assert reply.status_code == 200
    assert "planted" not in reply.headers["set-cookie"]
    anyone.cookies.clear()
    assert (await anyone.get("/status", headers=planted)).status_code == 401


async def test_a_session_ends_with_signing_out(browser):
    token = browser.cookies[COOKIE]
    assert (await browser.delete("/session", headers={"x-csrf-token": browser.token})).status_code == 204
    browser.cookies.set(COOKIE, token)
    assert (await browser.get("/status")).status_code == 401


async def test_a_session_ends_with_its_key(anyone, make_key, clock):
    key = make_key("root", is_admin=True, expires=clock.wall + 60 * NS_PER_S)
    await anyone.post("/session", json={"admin_key": key})
    assert (await anyone.get("/status")).status_code == 200
    clock.wall += 61 * NS_PER_S
    assert (await anyone.get("/status")).status_code == 401


@pytest.mark.parametrize(("pause_ns", "times"), [(IDLE_NS + 1, 1), (LIFETIME_NS // 20, 21)])
async def test_a_session_ends_when_it_was_idle_or_there_too_long(browser, clock, pause_ns, times):
    for _ in range(times):
        clock.wall += pause_ns
        last = await browser.get("/status")
    assert last.status_code == 401


async def test_whoever_guesses_has_to_wait_longer_and_longer(anyone, make_key, clock):
    right = make_key("root", is_admin=True)
    for _ in range(5):
        assert (await anyone.post("/session", json={"admin_key": "wrong"})).status_code == 401
    locked = await anyone.post("/session", json={"admin_key": right})
    assert (locked.status_code, locked.json()["error"]["code"], locked.headers["retry-after"]) == (429, "locked_out", "1")
    clock.wall += NS_PER_S
    assert (await anyone.post("/session", json={"admin_key": "wrong"})).status_code == 401
    assert (await anyone.post("/session", json={"admin_key": right})).headers["retry-after"] == "2"
    clock.wall += 2 * NS_PER_S
    assert (await anyone.post("/session", json={"admin_key": right})).status_code == 200
    assert (await anyone.post("/session", json={"admin_key": "wrong"})).status_code == 401  # and the count begins anew


async def test_where_passwords_are_off_none_is_taken_and_keys_go_on(as_user, anyone, make_key, gateway):
    as_user("admin")
    asked = {"email": "admin@everywhere", "password": PASSWORD}
    assert (await anyone.post("/session", json=asked)).status_code == 200
    gateway.sign_in = SignInRules(takes_passwords=False)
    assert (await anyone.get("/session")).status_code == 401  # who came in by one is out as well
    refused = await anyone.post("/session", json=asked)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "no_passwords")
    assert (await anyone.post("/session", json={"admin_key": make_key("root", is_admin=True)})).status_code == 200


async def test_a_key_in_the_header_needs_no_token(admin):
    assert (await admin.post("/keys", json={"name": "by-key"})).status_code == 201
