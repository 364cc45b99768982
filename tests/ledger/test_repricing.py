from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.storage.test_ledger_store import record

from weighbridge.core.rates import NO_TARIFF, Bracket, PriceBook, PriceRule, PriceState, Rates, Tariff
from weighbridge.core.terms import NO_USAGE, Attempt, Provenance, Resolves, Usage
from weighbridge.ledger.books import charge_of
from weighbridge.ledger.repricing import Repricer, Skipped, entries_of_repriced
from weighbridge.ledger.terms import AccountKind, account

WALL = 1_800_000_000_000_000_000
USAGE = Usage(input=100, output=50)


def book(input_=1, output=10, match="*"):
    """Dollars a million tokens."""
    return PriceBook(
        rules=(PriceRule(match, own=(Bracket(Rates(input=input_ * 1_000_000, output=output * 1_000_000)),), source="t"),)
    )


def attempt(cost, usage=USAGE, *, tier="", status=200, reserved=9_999, model="gpt-5"):
    state = PriceState.UNKNOWN if cost is None else PriceState.KNOWN
    return Attempt("openai", model, "openai#1", status, None, usage, 1, 2, 3, cost, state, reserved, tier)


def outcome(repricer, *attempts, tariff=NO_TARIFF):
    made = record(1, *attempts)
    costs = [each.cost_nanousd for each in attempts]
    return made, repricer.outcome(made, costs, charge_of(attempts, tariff), tariff)


def test_an_attempt_costs_what_it_costs_at_todays_prices():
    _, found = outcome(Repricer(book(2, 20), {}), attempt(100 * 1_000 + 50 * 10_000), tariff=Tariff(markup_ppm=500_000))
    (repriced,) = found.repriced
    assert (repriced.before, repriced.after, repriced.difference) == (600_000, 1_200_000, 600_000)
    assert found.charge == 900_000


def test_a_price_that_nobody_knew_is_told_for_the_first_time_and_its_bound_taken_back():
    made, found = outcome(Repricer(book(), {}), attempt(None))
    (repriced,) = found.repriced
    assert (repriced.before, repriced.after, found.charge) == (None, 600_000, 600_000)
    bound, cost = entries_of_repriced("cor_1", made, found.repriced, WALL, "learned")
    assert (bound.debit, bound.amount_nanousd) == (account(AccountKind.UNRESOLVED_PAYABLE, "openai"), 9_999)
    assert (cost.debit, cost.amount_nanousd, cost.note) == (account(AccountKind.COST_ADJUSTMENTS, "openai"), 600_000, "learned")


def test_what_was_fetched_costs_what_it_cost_when_it_was_asked_for():
    made = record(1, attempt(600_000))
    dearer = PriceRule("*", own=(Bracket(Rates(input=2_000_000, output=20_000_000)),), from_wall_ns=made.start_wall_ns)
    repricer = Repricer(PriceBook(rules=(*book().rules, dearer)), {})
    assert [each.after for each in repricer.outcome(made, [600_000], 600_000, NO_TARIFF).repriced] == [1_200_000]
    asked = Resolves("req_0", 0, "openai", 9_999, made.start_wall_ns - 1)
    assert repricer.outcome(msgspec.structs.replace(made, resolves=asked), [600_000], 600_000, NO_TARIFF).repriced == []


def test_an_estimate_stays_one_at_any_price():
    made, found = outcome(Repricer(book(), {}), attempt(1_000_000, Usage(100, output=50, provenance=Provenance.ESTIMATED)))
    assert found.charge == 0  # it was not charged
    (entry,) = entries_of_repriced("cor_1", made, found.repriced, WALL, "")
    assert (entry.credit, entry.amount_nanousd) == (account(AccountKind.UNRESOLVED_COST, "openai"), 400_000)


def test_an_own_keys_price_is_corrected_where_it_was_booked_and_its_fee_with_it():
    own = msgspec.structs.replace(attempt(600_000), credential="own:pkey_1")
    made, found = outcome(Repricer(book(2, 20), {}), own, tariff=Tariff(markup_ppm=500_000, own_key_ppm=100_000))
    assert found.charge == 60_000
    (entry,) = entries_of_repriced("cor_1", made, found.repriced, WALL, "")
    assert (entry.debit, entry.credit) == ("own_key_cost:openai", "own_key_payable:openai")
    assert entry.amount_nanousd == 600_000


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (attempt(5, NO_USAGE), [Skipped.USAGE_UNKNOWN]),
        (attempt(5, tier=None), [Skipped.TIER_UNKNOWN]),
        (attempt(5, model="other"), [Skipped.PRICE_UNKNOWN]),
        (attempt(0, status=429), []),
        (attempt(600_000), []),
    ],
)
def test_what_cannot_be_told_keeps_its_price_and_says_why(one, why):
    _, found = outcome(Repricer(book(match="openai/gpt-5"), {}), one)
    assert (found.repriced, found.charge, found.skipped) == ([], 0, why)


def test_only_the_models_that_were_asked_for_are_looked_at():
    assert outcome(Repricer(book(), {}, "anthropic/*"), attempt(5))[1].repriced == []
    assert outcome(Repricer(book(), {}, "openai/gpt-*"), attempt(5))[1].repriced


def test_a_charge_by_a_tariff_that_is_another_by_now_stays():
    made = record(1, attempt(5))
    found = Repricer(book(), {}).outcome(made, [5], 5, Tariff(markup_ppm=500_000))
    assert (len(found.repriced), found.charge, found.skipped) == (1, 0, [Skipped.OTHER_TARIFF])


COSTS = st.lists(st.none() | st.integers(0, 10**9), min_size=1, max_size=4)


@given(COSTS, st.integers(0, 50), st.integers(0, 3_000_000))
def test_correcting_what_is_corrected_changes_nothing(costs, rate, markup):
    repricer, tariff = Repricer(book(rate, rate), {}), Tariff(markup_ppm=markup)
    attempts = [attempt(cost) for cost in costs]
    made, first = outcome(repricer, *attempts, tariff=tariff)
    after = list(costs)
    for each in first.repriced:
        after[each.place] = each.after
    assert after == [150 * rate * 1_000] * len(costs)  # as if all had been priced so from the beginning
    charged = charge_of(attempts, tariff) + first.charge
    assert repricer.outcome(made, after, charged, tariff) == ([], 0, [])
