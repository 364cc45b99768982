from __future__ import annotations

import pytest
from tests.control.conftest import PASSWORD

from weighbridge.auth.identities import Identity
from weighbridge.auth.people import Role
from weighbridge.auth.sign_in_rules import RoleRule
from weighbridge.storage.transactions import Act

ANN = {"name": "Ann", "email": "Ann@Example.org", "role": "admin", "team": "search", "password": PASSWORD}
ANY = {"if-match": "*"}


async def test_a_user_is_made_and_shown_without_the_password(admin, people):
    reply = await admin.post("/users", json=ANN)
    made = reply.json()
    assert reply.status_code == 201
    assert {
        name: made[name] for name in ("name", "email", "role", "organisation", "team", "has_password", "is_service_account")
    } == {
        "name": "Ann",
        "email": "ann@example.org",
        "role": "admin",
        "organisation": "acme",
        "team": "search",
        "has_password": True,
        "is_service_account": False,
    }
    assert PASSWORD not in reply.text
    assert "argon2" not in reply.text
    assert (await admin.get(f"/users/{made['id']}")).json() == made
    assert made in (await admin.get("/users")).json()["data"]


async def test_a_service_account_has_no_address_and_no_password(admin):
    made = (await admin.post("/users", json={"name": "ci", "role": "member"})).json()
    assert (made["email"], made["is_service_account"], made["has_password"]) == (None, True, False)
    reply = await admin.post("/users", json={"name": "cd", "password": PASSWORD})
    assert reply.status_code == 400


@pytest.mark.parametrize("password", ["short", "************"])
async def test_a_password_that_is_none_is_refused_and_not_repeated(admin, people, password):
    reply = await admin.post("/users", json={**ANN, "password": password})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "password")
    assert password not in reply.text


async def test_a_change_needs_the_version_that_it_changes(admin, people):
    made = await admin.post("/users", json=ANN)
    path = f"/users/{made.json()['id']}"
    missing = await admin.patch(path, json={"role": "viewer"})
    assert (missing.status_code, missing.json()["error"]["code"]) == (428, "precondition_required")
    changed = await admin.patch(path, json={"role": "viewer"}, headers={"if-match": made.headers["etag"]})
    assert (changed.json()["role"], changed.json()["team"]) == ("viewer", "search")
    late = await admin.patch(path, json={"role": "owner"}, headers={"if-match": made.headers["etag"]})
    assert (late.status_code, late.json()["error"]["code"]) == (412, "changed_meanwhile")
    assert (await admin.patch(path, json={"role": "owner"}, headers={"if-match": "W/nonsense"})).status_code == 412


@pytest.mark.parametrize(
    ("told", "place"),
    [
        ({"team": "ads"}, ("acme", "ads")),
        ({"team": "labs"}, ("other", "labs")),
        ({"team": ""}, ("acme", "")),
        ({"organisation": "other"}, ("other", "")),
        ({"organisation": "", "team": ""}, ("", "")),
        ({"name": "Anna"}, ("acme", "search")),
    ],
)
async def test_a_user_moves(admin, people, told, place):
    path = f"/users/{(await admin.post('/users', json=ANN)).json()['id']}"
    moved = (await admin.patch(path, json=told, headers=ANY)).json()
    assert (moved["organisation"], moved["team"]) == place


async def test_a_teams_admin_has_its_users_and_nobody_else(as_user):
    boss = as_user("admin", team="search")
    stranger = as_user("viewer", team="labs")
    assert stranger.headers
    everybody = (await as_user("owner").get("/users")).json()["data"]
    [outside] = [each for each in everybody if each["email"] == "viewer@labs"]
    path = f"/users/{outside['id']}"
    replies = [await boss.get(path), await boss.patch(path, json={"role": "viewer"}, headers=ANY), await boss.delete(path)]
    assert [reply.status_code for reply in replies] == [404, 404, 404]
    assert [each["email"] for each in (await boss.get("/users")).json()["data"]] == ["admin@search"]
    assert (await boss.post("/users", json={**ANN, "role": "member"})).status_code == 201
    for elsewhere in ({**ANN, "email": "b@b.c", "team": "ads"}, {"name": "B", "email": "b@b.c"}):
        assert (await boss.post("/users", json=elsewhere)).status_code == 403


async def test_nobody_makes_anybody_mightier_than_the_own_role(as_user):
    boss, owner = as_user("admin", team="search"), as_user("owner", team="search")
    assert (await boss.post("/users", json={**ANN, "role": "owner"})).status_code == 403
    users = {each["email"]: each for each in (await owner.get("/users")).json()["data"]}
    own, mightier = (f"/users/{users[email]['id']}" for email in ("admin@search", "owner@search"))
    assert (await boss.patch(own, json={"role": "owner"}, headers=ANY)).status_code == 403
    # Whoever sets a password could sign in with it.
    assert (await boss.patch(mightier, json={"password": PASSWORD + "!"}, headers=ANY)).status_code == 403
    assert (await boss.patch(own, json={"team": "", "organisation": ""}, headers=ANY)).status_code == 403
    assert (await boss.delete(mightier)).status_code == 403


@pytest.mark.parametrize("role", ["member", "viewer", "billing"])
async def test_who_only_looks_on_changes_nobody(as_user, role):
    looker = as_user(role, team="search")
    [own] = (await looker.get("/users")).json()["data"]
    assert (await looker.patch(f"/users/{own['id']}", json={"role": "admin"}, headers=ANY)).status_code == 403
    assert (await looker.post("/users", json=ANN)).status_code == 403


async def test_a_user_who_is_blocked_or_gone_opens_nothing_any_more(as_user):
    owner, victim = as_user("owner"), as_user("viewer", team="search")
    assert (await victim.get("/users")).status_code == 200
    [user] = [each for each in (await owner.get("/users")).json()["data"] if each["email"] == "viewer@search"]
    await owner.patch(f"/users/{user['id']}", json={"is_blocked": True}, headers=ANY)
    reply = await victim.get("/users")
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "blocked_user")


async def test_a_role_by_hand_stays_and_a_word_hands_it_to_the_groups(admin, people, as_user):
    path = f"/users/{(await admin.post('/users', json=ANN)).json()['id']}"
    found = (await admin.get(path)).json()
    assert (found["role_by_groups"], found["issuer"]) == (False, None)
    handed = await admin.patch(path, json={"role_by_groups": True}, headers=ANY)
    assert (handed.json()["role_by_groups"], handed.json()["role"]) == (True, "admin")
    assert (await admin.patch(path, json={"role": "admin", "name": "Anna"}, headers=ANY)).json()["role_by_groups"] is True
    assert (await admin.patch(path, json={"role": "viewer"}, headers=ANY)).json()["role_by_groups"] is False
    # What groups give is the configuration's: not for a team's admin to let in.
    refused = await as_user("admin", team="search").patch(path, json={"role_by_groups": True}, headers=ANY)
    assert refused.status_code == 403


async def test_an_account_at_a_provider_is_forgotten_on_request(admin, people):
    ann = Identity("https://id.test", "1", "ann@example.org", "Ann")
    made = people.identities.admit(ann, RoleRule(Role.VIEWER), Act("sign-in"), creates=True)
    path = f"/users/{made.id}"
    assert (await admin.get(path)).json()["issuer"] == "https://id.test"
    assert (await admin.patch(path, json={"forget_account": True}, headers=ANY)).json()["issuer"] is None


async def test_who_has_no_role_sees_and_changes_nothing(as_user):
    nobody = as_user("none")
    for path in ("/users", "/keys", "/usage", "/status", "/ledger/accounts"):
        assert (await nobody.get(path)).status_code == 403
    assert (await nobody.post("/keys", json={"name": "x"})).status_code == 403
