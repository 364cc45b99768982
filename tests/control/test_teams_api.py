from __future__ import annotations

import pytest


async def test_a_team_is_made_in_its_organisation_and_blocked(admin, people):
    reply = await admin.post("/teams", json={"name": "new", "organisation": "acme"})
    made = reply.json()
    assert (reply.status_code, made["organisation"]) == (201, "acme")
    path = f"/teams/{made['id']}"
    assert (await admin.patch(path, json={"is_blocked": True}, headers={"if-match": '"1"'})).json()["is_blocked"]
    assert (await admin.get(path)).json()["is_blocked"]
    assert (await admin.delete(path, headers={"if-match": '"1"'})).status_code == 412
    assert (await admin.delete(path, headers={"if-match": '"2"'})).status_code == 204


async def test_a_team_of_an_organisation_that_is_not_there_is_refused(admin):
    reply = await admin.post("/teams", json={"name": "new", "organisation": "nowhere"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "invalid_field")


async def test_a_team_that_is_used_stays(admin, people):
    [team] = [each for each in (await admin.get("/teams")).json()["data"] if each["name"] == "search"]
    await admin.post("/keys", json={"name": "k", "team": "search"})
    reply = await admin.delete(f"/teams/{team['id']}")
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "in_use")
    assert "1 keys" in reply.json()["error"]["message"]


async def test_a_create_sent_twice_with_one_key_makes_one_team(admin):
    headers = {"idempotency-key": "0c9f3a5e-made-once"}
    first, second = [await admin.post("/teams", json={"name": "new"}, headers=headers) for _ in range(2)]
    assert (second.status_code, second.json()) == (201, first.json())
    other = await admin.post("/teams", json={"name": "newer"}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
    short = await admin.post("/teams", json={"name": "newer"}, headers={"idempotency-key": "1"})
    assert short.status_code == 400


async def test_an_organisations_admin_has_its_teams_and_no_others(as_user):
    boss = as_user("admin", organisation="acme")
    assert {each["name"] for each in (await boss.get("/teams")).json()["data"]} == {"search", "ads"}
    made = await boss.post("/teams", json={"name": "new", "organisation": "acme"})
    assert made.status_code == 201
    blocked = await boss.patch(f"/teams/{made.json()['id']}", json={"is_blocked": True}, headers={"if-match": "*"})
    assert blocked.status_code == 200
    for elsewhere in ({"name": "x", "organisation": "other"}, {"name": "x"}):
        assert (await boss.post("/teams", json=elsewhere)).status_code == 403


@pytest.mark.parametrize("team", ["labs", "lone", "ads"])
async def test_another_team_is_not_there_for_a_teams_admin(as_user, team):
    [theirs] = [each for each in (await as_user("owner").get("/teams")).json()["data"] if each["name"] == team]
    boss, path = as_user("admin", team="search"), f"/teams/{theirs['id']}"
    replies = [
        await boss.get(path),
        await boss.patch(path, json={"is_blocked": True}, headers={"if-match": "*"}),
        await boss.delete(path),
    ]
    assert [reply.status_code for reply in replies] == [404, 404, 404]
    assert [each["name"] for each in (await boss.get("/teams")).json()["data"]] == ["search"]


async def test_a_team_does_not_lift_its_own_block(as_user):
    boss = as_user("owner", team="search")
    [own] = (await boss.get("/teams")).json()["data"]
    reply = await boss.patch(f"/teams/{own['id']}", json={"is_blocked": False}, headers={"if-match": "*"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "outside_your_place")
