from __future__ import annotations

import msgspec
import pytest

from weighbridge.core.allowances import (
    MAX_PER_NS,
    OF_THE_TARGET,
    UNLIMITED,
    Allowances,
    Budget,
    Measure,
    Period,
    RateLimit,
    Scope,
    ScopeKind,
    Shortage,
    Unit,
)

BUDGET = Budget("b", Scope(ScopeKind.TEAM, "red"), 5, Unit.TOKENS, Period.WEEK, "Europe/Berlin", on_shortage=Shortage.REFUSE)
LIMIT = RateLimit("l", Scope(ScopeKind.KEY, "*"), Measure.CONCURRENT, 5, burst=7)


def test_allowances_travel_to_the_workers_as_they_are():
    sent = Allowances((BUDGET,), (LIMIT,))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(sent), type=Allowances) == sent


@pytest.mark.parametrize(("allowances", "has_any"), [((), False), (((BUDGET,),), True), (((), (LIMIT,)), True)])
def test_no_budget_and_no_limit_is_nothing(allowances, has_any):
    assert bool(Allowances(*allowances)) is has_any


def test_a_budget_is_hard_and_monthly_unless_it_says_otherwise():
    usual = Budget("b", Scope(ScopeKind.GATEWAY), 5)
    assert (usual.is_hard, usual.period, usual.timezone, usual.unit) == (True, Period.MONTH, "UTC", Unit.USD)
    assert usual.alert_at_ppm == (800_000, 1_000_000)


def test_what_a_target_is_counted_by_is_known_of_no_request():
    assert {ScopeKind.MODEL, ScopeKind.PROVIDER, ScopeKind.PROVIDER_KEY} == OF_THE_TARGET


def test_what_nobody_has_and_a_days_time_fit_into_a_cell():
    assert UNLIMITED * 2 - 1 < 2**63
    assert MAX_PER_NS * 10 < 2**63


@pytest.mark.parametrize("kind", [ScopeKind, Period, Unit, Shortage, Measure])
def test_words_are_looked_up_as_the_text_that_they_are(kind):
    for word in kind:
        assert {word.value: 1}[word] == 1
