from __future__ import annotations

import pytest

LIMIT = {"scope": {"kind": "key", "name": "*"}, "measure": "requests", "amount": 100, "per_ns": 60_000_000_000}
ANY = {"if-match": "*"}


async def test_a_limit_is_made_changed_and_deleted(admin):
    reply = await admin.post("/limits", json={**LIMIT, "burst": 10})
    made = reply.json()
    assert (reply.status_code, made["measure"], made["burst"], made["source"]) == (201, "requests", 10, "store")
    path = f"/limits/{made['id']}"
    changed = await admin.patch(path, json={"amount": 7, "burst": None}, headers={"if-match": reply.headers["etag"]})
    assert (changed.json()["amount"], changed.json()["burst"], changed.json()["per_ns"]) == (7, None, 60_000_000_000)
    assert (await admin.get("/limits")).json()["data"] == [changed.json()]
    assert (await admin.get(path)).json() == changed.json()
    assert (await admin.delete(path, headers={"if-match": '"1"'})).status_code == 412
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(path)).json()["error"]["code"] == "limit_not_found"


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": 0},
        {"per_ns": 86_400_000_000_001},
        {"measure": "smiles"},
        {"measure": "usd", "burst": 5},
        {"measure": "concurrent", "burst": 5},
        {"scope": {"kind": "key", "name": " x"}},
    ],
)
async def test_what_no_limit_can_be_is_refused(admin, wrong):
    assert (await admin.post("/limits", json={**LIMIT, **wrong})).status_code == 400


async def test_a_teams_admin_limits_its_users_and_not_the_team(as_user):
    boss = as_user("admin", team="search")
    mine = await boss.post("/limits", json={**LIMIT, "scope": {"kind": "user", "name": "admin@search"}})
    assert mine.status_code == 201
    assert (await boss.post("/limits", json={**LIMIT, "scope": {"kind": "team", "name": "search"}})).status_code == 403
    other = as_user("admin", team="labs")
    path = f"/limits/{mine.json()['id']}"
    assert [
        (await other.get(path)).status_code,
        (await other.patch(path, json={"amount": 1}, headers=ANY)).status_code,
        (await other.delete(path)).status_code,
    ] == [404, 404, 404]
