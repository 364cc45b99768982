from __future__ import annotations

from collections import Counter
from fractions import Fraction

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weighbridge.core.rates import Tariff
from weighbridge.ledger import books
from weighbridge.ledger.terms import EntryKind, Started

amounts = st.integers(0, 2**50)
costs = st.lists(st.none() | amounts, max_size=5)
tariffs = st.builds(Tariff, st.integers(-1_000_000, 3_000_000), st.integers(0, 1_000_000))
anywhere = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def started(request_id: str, attempt: int, bound: int) -> Started:
    return Started(request_id, attempt, 1, "key_1", "p0", "m", bound)


def balances(entries) -> Counter:
    """Debits less credits of every account."""
    total = Counter()
    for entry in entries:
        total[entry.debit] += entry.amount_nanousd
        total[entry.credit] -= entry.amount_nanousd
    return total


# --- exchanges


@given(costs, amounts, tariffs, st.lists(amounts, max_size=3), st.lists(st.integers(-(2**40), 2**40), max_size=3))
@anywhere
def test_whatever_is_booked_the_books_balance(record, all_costs, reserved, tariff, bounds, corrections):
    entries = books.entries_of(record(*all_costs, reserved=reserved), tariff)
    entries += books.unresolved_entries([started("req_2", n, bound) for n, bound in enumerate(bounds)], 9)
    entries += [books.cost_adjustment(f"c{n}", "p0", by, 9) for n, by in enumerate(corrections)]
    entries += [books.charge_adjustment(f"d{n}", "key:key_1", by, 9) for n, by in enumerate(corrections)]
    entries += [books.grant("g", "key:key_1", 5, 9), books.top_up("t", "key:key_1", 7, 9), books.expiry("g", "key:key_1", 2, 9)]
    assert sum(balances(entries).values()) == 0
    assert all(type(entry.amount_nanousd) is int and entry.amount_nanousd >= 0 for entry in entries)
    assert all(entry.debit != entry.credit for entry in entries)
    assert len({entry.id for entry in entries}) == len(entries)


@given(costs, amounts, tariffs)
@anywhere
def test_the_same_exchange_is_always_booked_the_same(record, all_costs, reserved, tariff):
    """Whoever moves it twice books it once: the entries' ids are its own."""
    first, second = (books.entries_of(record(*all_costs, reserved=reserved), tariff) for _ in range(2))
    assert first == second


@given(costs, amounts)
@anywhere
def test_every_attempt_that_may_be_billed_has_its_entry(record, all_costs, reserved):
    entries = {entry.attempt: entry for entry in books.entries_of(record(*all_costs, reserved=reserved))}
    for number, cost in enumerate(all_costs):
        if cost == 0:
            assert number not in entries
            continue
        entry = entries[number]
        assert entry.credit.endswith(f":p{number}")
        assert entry.amount_nanousd == (reserved if cost is None else cost)
        assert entry.kind is (EntryKind.UNRESOLVED_COST if cost is None else EntryKind.COST)


def test_what_providers_are_owed_is_what_they_charge(record):
    total = balances(books.entries_of(record(5, 7, 0)))
    assert total == {
        "provider_cost:p0": 5,
        "provider_payable:p0": -5,
        "provider_cost:p1": 7,
        "provider_payable:p1": -7,
        "customer:key:key_1": 12,
        "revenue:key:key_1": -12,
    }


def test_an_unknown_cost_is_booked_apart_at_its_bound(record):
    total = balances(books.entries_of(record(None, 7, reserved=900)))
    assert total == {
        "unresolved_cost:p0": 900,
        "unresolved_payable:p0": -900,
        "provider_cost:p1": 7,
        "provider_payable:p1": -7,
        "customer:key:key_1": 7,
        "revenue:key:key_1": -7,
    }


def test_an_unknown_cost_without_a_bound_is_still_a_question_in_the_books(record):
    [entry] = books.entries_of(record(None, reserved=0))
    assert (entry.attempt, entry.amount_nanousd, entry.kind) == (0, 0, EntryKind.UNRESOLVED_COST)


def test_what_the_customers_own_key_paid_for_is_free(record):
    assert books.entries_of(record(0, 0), Tariff(markup_ppm=500_000)) == []


def with_own_key(found, *places):
    attempts = [msgspec.structs.replace(a, credential="own:pkey_1") if n in places else a for n, a in enumerate(found.attempts)]
    return msgspec.structs.replace(found, attempts=tuple(attempts))


def test_an_own_keys_cost_is_apart_and_only_its_fee_is_charged(record):
    made = with_own_key(record(1_000, 500), 0)
    assert balances(books.entries_of(made, Tariff(markup_ppm=500_000, discount_ppm=100_000, own_key_ppm=50_000))) == {
        "own_key_cost:p0": 1_000,
        "own_key_payable:p0": -1_000,
        "provider_cost:p1": 500,
        "provider_payable:p1": -500,
        "customer:key:key_1": 725,
        "revenue:key:key_1": -725,
    }
    assert books.charge_of(with_own_key(record(1_000), 0).attempts, Tariff(markup_ppm=500_000)) == 0


def test_an_own_keys_unknown_cost_is_no_question_of_ours(record, started):
    assert books.entries_of(with_own_key(record(None, reserved=900), 0)) == []
    assert books.unresolved_entries([msgspec.structs.replace(started(), own_key="own:pkey_1")], 9) == []


def test_entries_are_of_the_end_of_their_exchange(record):
    settled = record(5)
    assert {entry.wall_ns for entry in books.entries_of(settled)} == {settled.start_wall_ns + settled.duration_ns}
    assert {entry.request_id for entry in books.entries_of(settled)} == {"req_1"}


def test_an_exchange_without_an_attempt_is_no_entry(record):
    assert books.entries_of(record()) == []


# --- charges


@given(costs, tariffs)
@anywhere
def test_a_charge_is_rounded_once_half_to_even(record, all_costs, tariff):
    known = sum(cost for cost in all_costs if cost is not None)
    exact = Fraction(known) * (1 + Fraction(tariff.markup_ppm, 10**6)) * (1 - Fraction(tariff.discount_ppm, 10**6))
    assert books.charge_of(record(*all_costs).attempts, tariff) == round(exact)


@given(costs)
@anywhere
def test_without_a_tariff_the_charge_is_the_cost_to_the_nano_dollar(record, all_costs):
    attempts = record(*all_costs).attempts
    assert books.charge_of(attempts, Tariff()) == sum(cost or 0 for cost in all_costs)
    assert books.charge_of(attempts, Tariff(markup_ppm=1_000_000, discount_ppm=500_000)) == sum(cost or 0 for cost in all_costs)


def test_many_small_amounts_lose_nothing_on_the_way(record):
    """Each would be rounded to nothing by itself."""
    assert books.charge_of(record(*[1] * 100).attempts, Tariff(markup_ppm=-900_000)) == 10


@pytest.mark.parametrize(("cost", "charge"), [(1, 0), (3, 2), (5, 2), (7, 4), (10**18 + 1, 5 * 10**17)])
def test_half_a_nano_dollar_goes_to_the_even_one(record, cost, charge):
    assert books.charge_of(record(cost).attempts, Tariff(discount_ppm=500_000)) == charge


@pytest.mark.parametrize("tariff", [Tariff(-1_000_001), Tariff(0, 1_000_001), Tariff(0, -1)])
def test_a_tariff_that_pays_the_customer_is_refused(record, tariff):
    with pytest.raises(ValueError, match="tariff"):
        books.charge_of(record(1).attempts, tariff)


@pytest.mark.parametrize(
    ("owners", "payer"),
    [
        ({"user": "u", "team": "t", "organisation": "o"}, "organisation:o"),
        ({"user": "u", "team": "t"}, "team:t"),
        ({"user": "u"}, "user:u"),
        ({}, "key:key_1"),
        ({"key_id": ""}, "nobody"),
    ],
)
def test_the_widest_owner_pays(record, owners, payer):
    settled = record(5, **owners)
    assert books.payer(settled) == payer
    assert balances(books.entries_of(settled))[f"customer:{payer}"] == 5


# --- unresolved


def test_an_unknown_outcome_is_kept_apart_at_its_bound_and_charged_to_nobody():
    [entry] = books.unresolved_entries([started("req_1", 0, 900)], 7)
    assert (entry.debit, entry.credit) == ("unresolved_cost:p0", "unresolved_payable:p0")
    assert (entry.amount_nanousd, entry.wall_ns, entry.kind) == (900, 7, EntryKind.UNRESOLVED_COST)


def test_an_outcome_that_comes_to_light_later_would_have_the_same_entry(record):
    """So that one exchange never has both."""
    [unresolved] = books.unresolved_entries([started("req_1", 0, 900)], 7)
    assert unresolved.id in {entry.id for entry in books.entries_of(record(5))}


# --- adjustments


def test_a_lower_price_afterwards_lowers_what_is_owed_and_leaves_the_original(record):
    entries = books.entries_of(record(100), Tariff(markup_ppm=200_000))
    entries.append(books.cost_adjustment("fix/1", "p0", -30, 9, request_id="req_1", attempt=0))
    entries.append(books.charge_adjustment("fix/2", "key:key_1", -36, 9, request_id="req_1"))
    total = balances(entries)
    assert total["provider_payable:p0"] == -70
    assert total["customer:key:key_1"] == 84
    assert (total["provider_cost:p0"], total["revenue:key:key_1"]) == (100, -120)


@given(st.integers(-(2**50), 2**50))
def test_an_adjustment_and_its_opposite_are_nothing(by):
    entries = [books.cost_adjustment("a", "p", by, 9), books.cost_adjustment("b", "p", -by, 9)]
    entries += [books.charge_adjustment("c", "team:t", by, 9), books.charge_adjustment("d", "team:t", -by, 9)]
    assert not any(balances(entries).values())
    assert balances(entries[:1])["provider_payable:p"] == -by
    assert balances(entries[2:3])["customer:team:t"] == by


# --- credits


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_credits_are_used_up_in_the_order_of_their_expiry(data):
    """A model that spends credit by credit agrees with the sums in the books."""
    events = data.draw(st.lists(st.tuples(st.sampled_from(["grant", "charge", "expire"]), st.integers(1, 100)), max_size=30))
    balance, live = 0, []  # live: what is left, and what was given, in the order of expiry
    for what, amount in events:
        if what == "grant":
            live.append([amount, amount])
            balance += amount
        elif what == "charge":
            rest = min(amount, balance)
            balance -= rest
            for credit in live:
                used = min(credit[0], rest)
                credit[0] -= used
                rest -= used
        elif live:
            left, given_amount = live.pop(0)
            found = books.left_of_credit(given_amount, balance, sum(given for _, given in live))
            assert found == left
            balance -= found


def test_a_customer_in_debt_has_nothing_left_of_a_credit():
    assert books.left_of_credit(100, -5, 0) == 0
    assert books.left_of_credit(100, 500, 0) == 100


@pytest.mark.parametrize("amount", [0, -1])
def test_a_credit_is_more_than_nothing(amount):
    for book in (books.grant, books.top_up):
        with pytest.raises(ValueError, match="more than nothing"):
            book("g", "team:t", amount, 1)


def test_credits_go_in_and_what_is_left_goes_out():
    entries = [
        books.top_up("t1", "team:t", 100, 1),
        books.grant("g1", "team:t", 50, 1, expires_wall_ns=9, note="welcome"),
        books.expiry("g1", "team:t", 20, 9),
    ]
    assert balances(entries) == {"customer:team:t": -130, "funds:team:t": 100, "grants:team:t": 50, "expired:team:t": -20}
    assert (entries[1].expires_wall_ns, entries[1].note) == (9, "welcome")


def test_a_credit_expires_once_whoever_notices():
    assert books.expiry("g1", "team:t", 20, 9).id == books.expiry("g1", "team:t", 20, 11).id
