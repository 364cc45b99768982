"""A correction from beginning to end, on every database."""

from __future__ import annotations

from contextlib import closing

import pytest
from tests.ledger.test_repricing import attempt, book
from tests.storage.conftest import store_url  # noqa: F401 - a fixture
from tests.storage.test_ledger_store import settled

from weighbridge.control.price_corrections import Asked, correct_prices
from weighbridge.core.allowances import Scope, ScopeKind
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.rates import Tariff
from weighbridge.ledger.repricing import Repricer
from weighbridge.storage import correction_store
from weighbridge.storage.correction_store import CorrectionStore
from weighbridge.storage.credit_store import NewCredit, counter_of
from weighbridge.storage.ledger_checks import verify
from weighbridge.storage.statements import Month, statement
from weighbridge.storage.store import Store
from weighbridge.storage.transactions import Act

ACT = Act("key:root")
WALL_S = 1_800_000_000
ALL = Asked("*", 0, WALL_S + 1, "the vendor's list was late")
REPRICER = Repricer(book(2, 20), {})
"""A usual attempt costs 1,200,000 by it."""
TEAM = Scope(ScopeKind.TEAM, "search")


@pytest.fixture
def store(store_url, clock):  # noqa: F811
    with closing(Store.open(store_url, clock)) as opened:
        opened.migrate()
        opened.ledger.tariff_of = lambda _record: Tariff(markup_ppm=100_000)
        yield opened


def booked(store, *costs, **facts):
    items = [settled(n, attempt(cost), **facts) for n, cost in enumerate(costs, 1)]
    store.ledger.move("j_1", 0, 100, items)


def customer(store):
    (found,) = store.ledger.balances("customer:team:search")
    return found.debits - found.credits


def test_looking_books_nothing(store):
    booked(store, 600_000, None, 1_200_000)
    report = correct_prices(store, REPRICER, ALL, None)
    (line,) = report.lines
    assert (line.model, line.attempts, line.unknown, line.before, line.after) == ("openai/gpt-5", 2, 1, 600_000, 2_400_000)
    assert (line.charge, report.id, report.requests) == (660_000 + 1_320_000, None, 3)
    assert store.corrections.all() == []
    assert correct_prices(store, REPRICER, ALL, None) == report


def test_what_is_booked_is_booked_once_and_the_books_add_up(store):
    booked(store, 600_000, None, 1_200_000)
    before = customer(store)
    report = correct_prices(store, REPRICER, ALL, ACT)
    assert customer(store) == before + 1_980_000
    assert correct_prices(store, REPRICER, ALL, ACT).lines == []
    (made,) = store.corrections.all()
    assert (made.id, made.n_attempts, made.cost, made.charge) == (report.id, 2, 1_800_000, 1_980_000)
    assert verify(store.ledger).problems == []
    accounts = {each.account: each.debits - each.credits for each in store.ledger.balances()}
    assert accounts["provider_payable:openai"] == -3 * 1_200_000  # as if all had cost so from the beginning
    assert accounts["unresolved_cost:openai"] == 0


def test_a_price_that_falls_again_is_given_back(store):
    booked(store, 600_000)
    correct_prices(store, REPRICER, ALL, ACT)
    correct_prices(store, Repricer(book(1, 10), {}), ALL, ACT)
    assert customer(store) == 660_000
    assert verify(store.ledger).is_sound
    assert sorted(cost for _made, _place, cost in store.corrections.of_request("req_1")) == [-600_000, 600_000]


def test_one_that_is_interrupted_is_ended_by_doing_it_again(store, monkeypatch):
    monkeypatch.setattr(correction_store, "BATCH", 2)
    booked(store, *[600_000] * 5)
    told = []
    with monkeypatch.context() as patched:
        patched.setattr(CorrectionStore, "apply", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            correct_prices(store, REPRICER, ALL, ACT, told.append)
    correct_prices(store, REPRICER, ALL, ACT, told.append)
    assert told == [2, 4, 5]
    assert customer(store) == 5 * 1_320_000
    assert verify(store.ledger).is_sound


def test_two_at_a_time_correct_each_request_once(store):
    booked(store, 600_000)
    (batch,) = list(store.corrections.requests(0, WALL_S + 1))
    outcome = REPRICER.outcome(batch[0].record, batch[0].costs, batch[0].charged, Tariff(markup_ppm=100_000))
    ids = [store.corrections.begin("x", "*", 0, 9, ACT) for _ in range(2)]
    assert [store.corrections.apply(each, [(batch[0], outcome)], "x") for each in ids] == [1, 0]
    assert customer(store) == 1_320_000


def test_prepaid_credits_pay_the_difference(store):
    store.credits.give(NewCredit("team:search", 10_000_000), ACT)
    taken = {counter_of("team:search"): 660_000}
    store.ledger.move("j_1", 0, 100, [settled(1, attempt(600_000), charges=taken)])
    correct_prices(store, REPRICER, ALL, ACT)
    assert store.ledger.counters()[counter_of("team:search")] == 1_320_000
    assert customer(store) == 1_320_000 - 10_000_000
    assert verify(store.ledger).is_sound


def test_a_month_that_is_over_stays_and_the_correction_stands_in_its_own(store, clock):
    booked(store, 600_000)
    clock.wall += 40 * 86_400 * NS_PER_S
    correct_prices(store, REPRICER, ALL, ACT)
    now_s = clock.wall // NS_PER_S
    january, february = Month(2027, 1), Month(2027, 2)

    def of(month):
        return statement(store.ledger, TEAM, month, now_s, store.corrections.made_in(month.start_s, month.end_s, TEAM))

    assert (of(january).due, list(of(january).corrections)) == (660_000, [])
    assert (of(february).total.requests, of(february).due) == (0, 660_000)
    assert [each.reason for each in of(february).corrections] == ["the vendor's list was late"]
    others = Scope(ScopeKind.TEAM, "ads")
    assert store.corrections.made_in(february.start_s, february.end_s, others) == []


def test_requests_without_a_record_are_told_and_left(store, clock):
    booked(store, 600_000)
    clock.wall += 31 * 86_400 * NS_PER_S
    assert store.ledger.expire() > 0
    report = correct_prices(store, REPRICER, ALL, None)
    assert (report.lines, report.skipped) == ([], {"record_deleted": 1})
