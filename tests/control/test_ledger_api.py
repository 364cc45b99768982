from __future__ import annotations

import pytest
from sqlalchemy import update
from tests.storage.test_ledger_store import settled

from weighbridge.core.allowances import Allowances, Budget, Measure, RateLimit, Scope, ScopeKind
from weighbridge.limits.counters import counter_name
from weighbridge.limits.periods import span_of
from weighbridge.storage.engine import open_engine, sqlite_url
from weighbridge.storage.ledger_tables import counters

SEARCH = Budget("search", Scope(ScopeKind.TEAM, "search"), 1_000_000_000)


@pytest.fixture
def counter(clock):
    return counter_name(SEARCH, "search", span_of(SEARCH.period, "UTC", clock.wall_ns()).start_ns)


async def test_accounts_show_what_is_owed_to_whom(admin, store):
    store.ledger.move("j_1", 0, 100, [settled()])
    (owed,) = (await admin.get("/ledger/accounts", params={"prefix": "provider_payable:"})).json()["data"]
    assert owed == {
        "account": "provider_payable:openai",
        "debits_nanousd": 0,
        "credits_nanousd": 1_000,
        "balance_nanousd": -1_000,
        "entries": 1,
    }


async def test_a_sound_ledger_is_proved_and_a_false_one_found(admin, store, data_dir, counter):
    store.ledger.move("j_1", 0, 100, [settled(charges={counter: 7})])
    proof = (await admin.get("/ledger/verify")).json()
    assert (proof["is_sound"], proof["problems"], proof["n_entries"], proof["n_counters"]) == (True, [], 2, 1)
    engine = open_engine(sqlite_url(data_dir))
    with engine.begin() as connection:
        connection.execute(update(counters).values(amount=8))
    engine.dispose()
    proof = (await admin.get("/ledger/verify")).json()
    assert not proof["is_sound"]
    assert "says 8, its charges say 7" in proof["problems"][0]


async def test_budgets_show_what_is_spent_held_and_left(admin, store, gateway, counter):
    gateway.allowances = Allowances((SEARCH,), (RateLimit("rpm", Scope(ScopeKind.KEY, "*"), Measure.REQUESTS, 60),))
    store.ledger.move("j_1", 0, 100, [settled(charges={counter: 300})])
    gateway.levels[counter] = (400, 50)  # workers are ahead of the store
    (budget,) = (await admin.get("/budgets")).json()["data"]
    assert (budget["id"], budget["scope"], budget["source"]) == ("search", {"kind": "team", "name": "search"}, "config")
    (account,) = budget["accounts"]
    assert (account["subject"], account["spent"], account["held"], account["left"]) == ("search", 400, 50, 999_999_550)
    assert account["resets_at"] == "2027-02-01T00:00:00.000000Z"
    (limit,) = (await admin.get("/limits")).json()["data"]
    assert (limit["id"], limit["measure"], limit["amount"], limit["per_ns"]) == ("rpm", "requests", 60, 60_000_000_000)
