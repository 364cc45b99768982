"""The ledger on every database: moved once, whatever is repeated or cut short, and derivable from its entries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import msgspec
import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import DBAPIError

from weighbridge.core.rates import PriceState, Tariff
from weighbridge.core.terms import NO_USAGE, Attempt, Dialect, Operation, Provenance, Record, Usage
from weighbridge.ledger.books import NO_TARIFF, charge_adjustment, cost_adjustment
from weighbridge.ledger.terms import Charge, Settled, Started
from weighbridge.storage.errors import ChangedMeanwhileError
from weighbridge.storage.ledger_checks import verify
from weighbridge.storage.ledger_store import NOT_BEGUN, UNRESOLVED, LedgerStore
from weighbridge.storage.ledger_sums import SUM_COLUMNS
from weighbridge.storage.ledger_tables import all_latencies, counters, entries, latencies, requests, rollups
from weighbridge.storage.store import Store
from weighbridge.storage.usage_queries import usage
from weighbridge.storage.usage_terms import UsageQuery

WALL_NS = 1_800_000_000_000_000_000


@pytest.fixture
def ledger(store: Store) -> LedgerStore:
    return store.ledger


def attempt(cost: int | None = 1_000, **facts: object) -> Attempt:
    state = PriceState.UNKNOWN if cost is None else PriceState.KNOWN
    usage = facts.pop("usage", Usage(input=10, cache_read=5, output=7, reasoning=2))
    return Attempt("openai", "gpt-5", "openai#1", 200, None, usage, 1_000, 5_000, 9_000, cost, state, **facts)  # type: ignore[arg-type]


def record(number: int = 1, *attempts: Attempt, **facts: object) -> Record:
    made = attempts or (attempt(),)
    known = [each.cost_nanousd for each in made if each.cost_nanousd is not None]
    given = {
        "request_id": f"req_{number}",
        "start_wall_ns": WALL_NS + number,
        "key_id": "key_1",
        "dialect": Dialect.OPENAI,
        "operation": Operation.CHAT,
        "method": "POST",
        "path": "/v1/chat/completions",
        "requested_model": "smart",
        "provider": "openai",
        "model": "gpt-5",
        "status": 200,
        "error": None,
        "detail": "",
        "is_stream": False,
        "finish_reason": "stop",
        "usage": made[-1].usage,
        "edits": (),
        "request_bytes": 100,
        "reply_bytes": 200,
        "attempts": made,
        "duration_ns": 2_000_000_000,
        "first_byte_ns": 1_000_000_000,
        "overhead_ns": 100_000,
        "config_version": 1,
        "cost_nanousd": sum(known) if known else None,
        "price_state": PriceState.KNOWN,
        "route": "smart",
        "team": "search",
    }
    return Record(**{**given, **facts})  # type: ignore[arg-type]


def settled(number: int = 1, *attempts: Attempt, charges: dict[str, int] | None = None, **facts: object) -> Settled:
    return Settled(record(number, *attempts, **facts), tuple(Charge(*each) for each in (charges or {}).items()))


def started(number: int = 1, place: int = 0, bound: int = 9_000, holds: dict[str, int] | None = None) -> Started:
    held = tuple(Charge(*each) for each in (holds or {}).items())
    return Started(f"req_{number}", place, WALL_NS + number, "key_1", "openai", "gpt-5", bound, held, "smart", "search")


def balance_of(ledger: LedgerStore, account: str) -> int:
    return next((each.debits - each.credits for each in ledger.balances() if each.account == account), 0)


def facts_of(ledger: LedgerStore) -> list[tuple[str, int | None]]:
    with ledger.reading() as connection:
        return [tuple(row) for row in connection.execute(select(requests.c.request_id, requests.c.cost).order_by(requests.c.id))]


def assert_sound(ledger: LedgerStore) -> None:
    assert verify(ledger).problems == []


def test_what_own_keys_have_cost_is_told_apart_and_everything_adds_up(ledger: LedgerStore) -> None:
    own = msgspec.structs.replace(attempt(700), credential="own:pkey_1")
    ledger.tariff_of = lambda _record: Tariff(markup_ppm=500_000, own_key_ppm=100_000)
    ledger.move("j_1", 0, 9, [settled(1, own), settled(2, own, attempt(1_000)), settled(3, attempt(1_000))])
    answer = usage(ledger, UsageQuery(WALL_NS // 10**9 - 60, WALL_NS // 10**9 + 60))
    sums = dict(zip(SUM_COLUMNS, answer.rows[0].sums, strict=True))
    assert (sums["cost"], sums["own_cost"], sums["charged"]) == (3_400, 1_400, 70 + 1_570 + 1_500)
    assert balance_of(ledger, "own_key_cost:openai") == 1_400
    assert balance_of(ledger, "provider_cost:openai") == 2_000
    assert verify(ledger).problems == []


def test_an_own_key_attempt_that_nobody_settled_is_no_bill_of_ours(ledger: LedgerStore) -> None:
    ledger.move("j_1", 0, 9, [msgspec.structs.replace(started(), own_key="own:pkey_1"), started(2)])
    ledger.close("j_1")
    assert balance_of(ledger, "unresolved_cost:openai") == 9_000
    assert verify(ledger).problems == []


def test_an_exchange_is_owed_to_its_provider_and_by_its_customer(ledger):
    ledger.move("j_1", 0, 500, [started(), settled()])
    assert balance_of(ledger, "provider_payable:openai") == -1_000
    assert balance_of(ledger, "customer:team:search") == 1_000
    assert facts_of(ledger) == [("req_1", 1_000)]
    assert_sound(ledger)


def test_a_batch_that_comes_again_changes_nothing(ledger):
    batch = [settled(1, charges={"b": 7}), settled(2, charges={"b": 5})]
    assert ledger.move("j_1", 0, 500, batch) == {"b": 12}
    for place in ((0, 500), (0, 300)):
        assert ledger.move("j_1", *place, batch) == {}
    assert ledger.counters() == {"b": 12}
    assert len(facts_of(ledger)) == 2
    assert ledger.move("j_1", 1, 64, [settled(3, charges={"b": 1})]) == {"b": 1}
    assert ledger.position("j_1") == (1, 64, False)
    assert_sound(ledger)


def test_a_batch_that_begins_where_the_journal_does_not_stand_is_refused(ledger):
    """As when its start was moved already, by a transaction whose end nobody has heard of."""
    ledger.move("j_1", 0, 500, [settled(1, charges={"b": 7})], after=(-1, 0))
    both = [settled(1, charges={"b": 7}), settled(2, charges={"b": 5})]
    for after in ((-1, 0), (0, 499), (1, 500)):
        with pytest.raises(ChangedMeanwhileError):
            ledger.move("j_1", 0, 900, both, after=after)
    assert ledger.move("j_1", 0, 900, both[1:], after=(0, 500)) == {"b": 5}
    assert ledger.counters() == {"b": 12}
    assert_sound(ledger)


def test_journals_are_moved_each_by_itself(ledger):
    assert ledger.position("j_1") == NOT_BEGUN
    ledger.move("j_1", 0, 500, [settled(1)])
    ledger.move("j_2", 0, 100, [settled(2)])
    assert (ledger.position("j_1").offset, ledger.position("j_2").offset) == (500, 100)


def test_what_was_begun_and_never_settled_is_booked_at_its_bound(ledger):
    ledger.move("j_1", 0, 500, [started(1, holds={"b": 9_000}), started(2, holds={"b": 4}), settled(2, charges={"b": 3})])
    assert ledger.close("j_1") == {"b": 9_000}
    assert balance_of(ledger, "unresolved_payable:openai") == -9_000
    assert balance_of(ledger, "provider_payable:openai") == -1_000
    assert ledger.counters() == {"b": 9_003}
    assert facts_of(ledger) == [("req_2", 1_000), ("req_1", None)]
    assert_sound(ledger)


def test_a_journal_is_closed_once(ledger):
    ledger.move("j_1", 0, 500, [started(1, holds={"b": 9_000})])
    ledger.close("j_1")
    assert ledger.close("j_1") == {}
    assert ledger.move("j_1", 0, 900, [settled(7)]) == {}
    assert ledger.counters() == {"b": 9_000}
    ledger.forget("j_1")
    assert ledger.position("j_1") == NOT_BEGUN


def test_an_attempt_that_is_settled_in_a_later_batch_is_not_open_any_more(ledger):
    ledger.move("j_1", 0, 100, [started(1), started(2)])
    assert ledger.open_journals() == 2
    ledger.move("j_1", 0, 200, [settled(1)])
    assert ledger.open_journals() == 1
    ledger.move("j_1", 0, 300, [started(2, 1), settled(2, attempt(), attempt())])
    assert ledger.open_journals() == 0
    assert ledger.close("j_1") == {}


def test_an_attempt_that_was_called_off_is_not_open_either(ledger):
    ledger.move("j_1", 0, 100, [started(1)])
    nothing = msgspec.structs.replace(record(1), attempts=(), cost_nanousd=0)
    ledger.move("j_1", 0, 200, [Settled(nothing)])
    assert ledger.open_journals() == 0


def test_a_later_bound_of_the_same_attempt_takes_the_place_of_the_first(ledger):
    ledger.move("j_1", 0, 100, [started(1, bound=10, holds={"b": 10})])
    ledger.move("j_1", 0, 200, [started(1, bound=50, holds={"b": 50})])
    assert ledger.close("j_1") == {"b": 50}
    assert balance_of(ledger, "unresolved_payable:openai") == -50


def test_all_attempts_of_a_lost_exchange_are_one_request(ledger):
    ledger.move("j_1", 0, 100, [started(1, 0, 10), started(1, 1, 20)])
    ledger.close("j_1")
    with ledger.reading() as connection:
        row = connection.execute(select(requests)).one()
    assert (row.request_id, row.attempts, row.cost) == ("req_1", 2, None)
    assert balance_of(ledger, "unresolved_payable:openai") == -30


def test_estimates_and_unknown_costs_are_kept_apart(ledger):
    guess = attempt(300, usage=Usage(input=1, output=2, provenance=Provenance.ESTIMATED))
    unknown = attempt(None, usage=NO_USAGE, reserved_nanousd=700)
    ledger.move("j_1", 0, 500, [settled(1, guess), settled(2, unknown), settled(3)])
    assert balance_of(ledger, "unresolved_payable:openai") == -1_000
    assert balance_of(ledger, "provider_payable:openai") == -1_000
    assert balance_of(ledger, "customer:team:search") == 1_000
    assert_sound(ledger)


def test_a_tariff_is_what_its_customer_pays(ledger):
    ledger.tariff_of = lambda record: Tariff(markup_ppm=100_000) if record.team == "search" else Tariff()
    ledger.move("j_1", 0, 500, [settled(1), settled(2, team="other")])
    assert balance_of(ledger, "customer:team:search") == 1_100
    assert balance_of(ledger, "customer:team:other") == 1_000
    assert balance_of(ledger, "provider_payable:openai") == -2_000


def test_what_people_book_is_booked_once(ledger):
    paid = charge_adjustment("goodwill-7", "team:search", -5_000, WALL_NS)
    mended = cost_adjustment("invoice-3", "openai", -20, WALL_NS, request_id="req_1")
    assert ledger.book([paid, mended, paid]) == 2
    assert ledger.book([paid]) == 0
    assert balance_of(ledger, "customer:team:search") == -5_000
    assert_sound(ledger)


@pytest.mark.parametrize("change", [update(entries).values(amount=1), delete(entries)])
def test_the_database_itself_refuses_to_change_an_entry(ledger, migrated_engine, change):
    ledger.move("j_1", 0, 500, [settled()])
    with pytest.raises(DBAPIError, match="never changed"), migrated_engine.begin() as connection:
        connection.execute(change)


@pytest.fixture
def migrated_engine(store_url: str) -> Iterator[object]:
    from weighbridge.storage.engine import open_engine

    engine = open_engine(store_url)
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        (counters, {"amount": 8}, "budget counter b: says 8, its charges say 7"),
        (requests, {"input": 99}, "its sums say"),
        (rollups, {"requests": 9}, "its sums say"),
        (latencies, {"n": 9}, "9 of those of each series are in bucket"),
        (all_latencies, {"n": 9}, "9 of all requests, 1 of those of each series"),
        (latencies, {"n": 9}, "9 latencies of 1 requests"),
    ],
)
def test_a_figure_that_was_tampered_with_is_found(ledger, migrated_engine, table, change, said):
    ledger.move("j_1", 0, 500, [settled(1, charges={"b": 7}), settled(2, start_wall_ns=WALL_NS + 2 * 86_400 * 10**9)])
    assert_sound(ledger)
    with migrated_engine.begin() as connection:
        connection.execute(update(table).values(**change))
    assert said in "\n".join(verify(ledger).problems)


def test_a_balance_that_was_tampered_with_is_found(ledger, migrated_engine):
    from weighbridge.storage.ledger_tables import balances

    ledger.move("j_1", 0, 500, [settled()])
    with migrated_engine.begin() as connection:
        connection.execute(update(balances).where(balances.c.debits == 0).values(credits=balances.c.credits + 1))
    problems = verify(ledger).problems
    assert any("all accounts together" in problem for problem in problems)
    assert any("customer" in problem or "payable" in problem or "revenue" in problem for problem in problems)


def test_sums_by_minute_hour_and_day_are_those_of_the_requests(ledger):
    batch = [settled(number, attempt(number)) for number in range(1, 50)]
    ledger.move("j_1", 0, 500, batch)
    ledger.move("j_1", 0, 900, [settled(100, attempt(5), error="provider_timeout", status=504)])
    with ledger.reading() as connection:
        rows = connection.execute(select(rollups.c.grain, rollups.c.requests, rollups.c.errors, rollups.c.cost)).all()
    assert [tuple(row) for row in rows] == [(grain, 50, 1, sum(range(1, 50)) + 5) for grain in range(4)]
    assert_sound(ledger)


def test_a_transaction_that_fails_leaves_nothing_behind(ledger, monkeypatch):
    ledger.move("j_1", 0, 100, [settled(1, charges={"b": 1})])
    broken = settled(2, charges={"b": 1})
    monkeypatch.setattr(LedgerStore, "_charge", _failing)
    with pytest.raises(RuntimeError):
        ledger.move("j_1", 0, 200, [broken])
    monkeypatch.undo()
    assert ledger.position("j_1").offset == 100
    assert ledger.move("j_1", 0, 200, [broken]) == {"b": 1}
    assert ledger.counters() == {"b": 2}
    assert_sound(ledger)


def _failing(*_arguments: object) -> dict[str, int]:
    raise RuntimeError("the machine is on fire")


def test_two_gateways_write_into_one_ledger_by_turns(store_url, clock):
    with closing(Store.open(store_url, clock)) as one, closing(Store.open(store_url, clock)) as other:
        one.migrate()
        for number in range(1, 21):
            writer = one if number % 2 else other
            writer.ledger.move(
                f"j_{number % 2}", 0, number, [settled(number, key_id=f"key_{number}", charges={f"b{number % 3}": 1})]
            )
        assert sum(one.ledger.counters().values()) == 20
        assert len(facts_of(other.ledger)) == 20
        assert_sound(one.ledger)


def test_a_lost_exchange_says_what_it_was(ledger):
    ledger.move("j_1", 0, 500, [started(1)])
    ledger.close("j_1")
    with ledger.reading() as connection:
        row = connection.execute(select(requests.c.error, requests.c.status)).one()
        assert ledger.text_of(connection, [row.error])[row.error] == UNRESOLVED
    assert row.status == 0


def test_whatever_callers_write_into_names_stops_no_journal(ledger):
    """Texts with a NUL, which PostgreSQL has not, longer than an index takes, or beyond every plane."""
    texts = ["a\0b", "x" * 5_000, "\U0001f9ed" * 700, "'; DROP TABLE requests; --", ""]
    for number, text in enumerate(texts):
        item = settled(number, end_user=text, session=text, requested_model=text, finish_reason=text, tags=(text,), error=text)
        ledger.move("j_1", 0, number + 1, [item, started(90 + number, holds={f"b{text}": 3})])
    ledger.close("j_1")
    assert len(facts_of(ledger)) == 2 * len(texts)
    assert sum(ledger.counters().values()) == 3 * len(texts)
    assert_sound(ledger)


def test_a_customer_is_charged_by_the_tariff_and_the_sums_say_so(ledger):
    ledger.tariff_of = lambda record: Tariff(markup_ppm=100_000) if record.team == "search" else NO_TARIFF
    ledger.move("j_1", 0, 10, [settled(1, team="search"), settled(2, team="ads"), settled(3, attempt(None, usage=NO_USAGE))])
    assert balance_of(ledger, "customer:team:search") == 1_100
    assert balance_of(ledger, "customer:team:ads") == 1_000
    assert balance_of(ledger, "provider_payable:openai") == -2_000
    with ledger.reading() as connection:
        of_sums = connection.execute(select(func.sum(rollups.c.charged)).where(rollups.c.grain == 2)).scalar_one()
        of_facts = connection.execute(select(func.sum(requests.c.charged))).scalar_one()
    assert (of_sums, of_facts) == (2_100, 2_100)
    assert_sound(ledger)


def test_a_charge_that_is_tampered_with_is_found(ledger):
    ledger.move("j_1", 0, 10, [settled(1)])
    with ledger._writing() as connection:
        connection.execute(update(rollups).where(rollups.c.grain == 2).values(charged=rollups.c.charged + 1))
    of_week, of_charges = verify(ledger).problems
    assert of_week.startswith("week of day")
    assert "1001 nano-dollars were charged" in of_charges
