from __future__ import annotations

import pytest

from weighbridge.core.allowances import Allowances, Budget, Scope, ScopeKind

BUDGET = {"scope": {"kind": "team", "name": "search"}, "amount": 5_000_000_000, "period": "day", "timezone": "Europe/Berlin"}
ANY = {"if-match": "*"}


async def test_a_budget_is_made_shown_raised_and_deleted(admin, store):
    reply = await admin.post("/budgets", json=BUDGET)
    made = reply.json()
    assert (reply.status_code, reply.headers["etag"]) == (201, '"1"')
    assert (made["scope"], made["unit"], made["is_hard"], made["source"]) == (BUDGET["scope"], "usd", True, "store")
    assert made["accounts"][0]["left"] == 5_000_000_000
    path = f"/budgets/{made['id']}"
    raised = await admin.patch(path, json={"amount": 9_000_000_000, "is_hard": False}, headers={"if-match": '"1"'})
    assert (raised.json()["amount"], raised.json()["is_hard"], raised.json()["period"]) == (9_000_000_000, False, "day")
    assert store.allowances.all().budgets[0].amount == 9_000_000_000
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(path)).json()["error"]["code"] == "budget_not_found"


@pytest.mark.parametrize(
    "wrong",
    [
        {"scope": {"kind": "team"}},
        {"scope": {"kind": "gateway", "name": "x"}},
        {"scope": {"kind": "planet", "name": "x"}},
        {"amount": -1},
        {"amount": 1.5},
        {"amount": 2**63},
        {"period": "year"},
        {"timezone": "Mars/Olympus"},
        {"colour": "red"},
        {"alert_at_ppm": [0]},
    ],
)
async def test_what_no_budget_can_be_is_refused(admin, wrong):
    assert (await admin.post("/budgets", json={**BUDGET, **wrong})).status_code == 400


async def test_whom_it_counts_and_how_long_does_not_change(admin):
    path = f"/budgets/{(await admin.post('/budgets', json=BUDGET)).json()['id']}"
    for wrong in ({"period": "month"}, {"scope": {"kind": "gateway"}}, {}):
        assert (await admin.patch(path, json=wrong, headers=ANY)).status_code == 400
    assert (await admin.patch(path, json={"amount": 1})).status_code == 428


async def test_the_list_says_which_are_the_configurations(admin, gateway):
    made = (await admin.post("/budgets", json=BUDGET)).json()
    written = Budget("gateway/usd/month", Scope(ScopeKind.GATEWAY), 1)
    gateway.allowances = Allowances((written,))
    listed = (await admin.get("/budgets")).json()["data"]
    assert [(each["id"], each["source"]) for each in listed] == [("gateway/usd/month", "config"), (made["id"], "store")]


async def test_who_looks_after_a_place_sets_budgets_in_it_and_not_its_own(as_user):
    boss, clerk, member = (as_user(role, organisation="acme") for role in ("admin", "billing", "member"))
    assert (await clerk.post("/budgets", json=BUDGET)).status_code == 201
    assert (await boss.post("/budgets", json={**BUDGET, "scope": {"kind": "user", "name": "admin@acme"}})).status_code == 201
    assert (await member.post("/budgets", json=BUDGET)).status_code == 403
    for beyond in ("organisation:acme", "team:labs", "team:*", "model:openai/gpt-5", "end_user:x", "gateway:"):
        kind, _, name = beyond.partition(":")
        reply = await boss.post("/budgets", json={**BUDGET, "scope": {"kind": kind, "name": name}})
        assert (beyond, reply.status_code) == (beyond, 403)


async def test_a_team_sees_what_counts_it_and_lifts_nothing(as_user, gateway):
    owner, boss = as_user("owner"), as_user("owner", team="search")
    made = (await owner.post("/budgets", json=BUDGET)).json()
    theirs = (await owner.post("/budgets", json={**BUDGET, "scope": {"kind": "team", "name": "labs"}})).json()
    each = Budget("team:*/usd/month", Scope(ScopeKind.TEAM, "*"), 7)
    gateway.allowances = Allowances((each,))
    store_accounts = {"team:*/usd/month"}
    listed = (await boss.get("/budgets")).json()["data"]
    assert {budget["id"] for budget in listed} - store_accounts == {made["id"]}
    assert (await boss.get(f"/budgets/{theirs['id']}")).status_code == 404
    assert (await boss.patch(f"/budgets/{made['id']}", json={"amount": 10**12}, headers=ANY)).status_code == 403
    assert (await boss.delete(f"/budgets/{made['id']}")).status_code == 403
