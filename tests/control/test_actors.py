from __future__ import annotations

import pytest
from tests.control.conftest import PASSWORD

from weighbridge.auth.people import Place, Role
from weighbridge.auth.permissions import Actor
from weighbridge.auth.sign_in_rules import SignInRules
from weighbridge.control.actors import Actors
from weighbridge.control.sessions import COOKIE, Session
from weighbridge.core.errors import GatewayError
from weighbridge.core.terms import VirtualKey
from weighbridge.storage.people_store import UserChange
from weighbridge.storage.transactions import Act

ANY = {"if-match": "*"}


@pytest.fixture
def actors(people, clock) -> Actors:
    class NoKeys:
        async def find(self, digest):
            return None

    return Actors(NoKeys(), people.people, clock, SignInRules)


async def test_an_admin_key_of_nobody_may_everything(actors):
    assert await actors.of_key(VirtualKey("key_1", "root", b"", is_admin=True)) == Actor("key:root")


async def test_an_admin_key_of_the_configuration_is_the_operators_whoever_it_names(actors):
    assert (await actors.of_key(VirtualKey("file:root", "root", b"", is_admin=True, user="nobody"))).role is Role.OWNER


async def test_a_users_admin_key_may_what_the_user_may(as_user, actors):
    as_user("billing", team="search")
    actor = await actors.of_key(VirtualKey("key_1", "k", b"", is_admin=True, user="billing@search"))
    assert actor == Actor("key:k", Role.BILLING, Place("acme", "search"), "billing@search")


async def test_a_key_of_somebody_who_is_gone_opens_nothing(actors):
    with pytest.raises(GatewayError) as refused:
        await actors.of_key(VirtualKey("key_1", "k", b"", is_admin=True, user="gone@example.org"))
    assert refused.value.code == "blocked_user"


@pytest.mark.parametrize("change", [UserChange(is_blocked=True), UserChange(password_hash="another")])
async def test_a_session_ends_when_its_user_is_blocked_or_gets_another_password(as_user, actors, people, change):
    as_user("viewer")
    user, stored_hash = people.people.credentials_of("viewer@everywhere")
    session = Session("Viewer", 0, login=user.login, password_hash=stored_hash)
    assert (await actors.of_session(session)).name == "user:viewer@everywhere"
    people.people.change_user(user.id, change, Act("test"), None)
    with pytest.raises(GatewayError) as over:
        await actors.of_session(session)
    assert over.value.code == "missing_session"


async def test_whoever_knows_the_password_is_in_with_the_role(as_user, anyone):
    as_user("admin", team="search")
    reply = await anyone.post("/session", json={"email": "Admin@Search", "password": PASSWORD})
    told = reply.json()
    assert (reply.status_code, told["user"]["role"], told["user"]["team"]) == (200, "admin", "search")
    assert [each["name"] for each in (await anyone.get("/teams")).json()["data"]] == ["search"]
    assert (await anyone.get("/status")).status_code == 403
    unsafe = await anyone.post("/keys", json={"name": "x", "team": "search"})
    assert (unsafe.status_code, unsafe.json()["error"]["code"]) == (403, "csrf")
    made = await anyone.post("/keys", json={"name": "x", "team": "search"}, headers={"x-csrf-token": told["csrf_token"]})
    assert made.status_code == 201


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "admin@search", "password": "wrong horse battery"},
        {"email": "nobody@search", "password": PASSWORD},
        {"email": "admin@search", "password": ""},
        {"email": "admin@search"},
        {"email": "admin@search", "password": PASSWORD, "admin_key": "x"},
        {},
    ],
)
async def test_whoever_does_not_is_out_and_learns_nothing(as_user, anyone, wrong):
    as_user("admin", team="search")
    reply = await anyone.post("/session", json=wrong)
    assert reply.status_code in (400, 401)
    assert COOKIE not in reply.cookies
    if reply.status_code == 401:
        assert reply.json()["error"]["message"] == "no user has this e-mail address and password"


async def test_guessing_at_one_account_has_to_wait_from_anywhere(as_user, anyone):
    as_user("admin", team="search")
    for _ in range(5):
        await anyone.post("/session", json={"email": "admin@search", "password": "wrong horse battery"})
    locked = await anyone.post("/session", json={"email": "ADMIN@search", "password": PASSWORD})
    assert (locked.status_code, locked.json()["error"]["code"]) == (429, "locked_out")


async def test_one_changes_the_own_password_and_stays_while_other_sessions_end(as_user, anyone):
    as_user("viewer", team="search")
    told = {"email": "viewer@search", "password": PASSWORD}
    await anyone.post("/session", json=told)
    other = anyone.cookies[COOKIE]
    anyone.cookies.clear()
    token = (await anyone.post("/session", json=told)).json()["csrf_token"]
    wrong = {"old_password": "wrong", "new_password": "another horse battery"}
    headers = {"x-csrf-token": token}
    assert (await anyone.post("/session/password", json=wrong, headers=headers)).status_code == 403
    right = {**wrong, "old_password": PASSWORD}
    assert (await anyone.post("/session/password", json=right, headers=headers)).status_code == 204
    assert (await anyone.get("/users")).status_code == 200
    anyone.cookies.set(COOKIE, other)
    assert (await anyone.get("/users")).status_code == 401
