from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.allowances import Budget, Measure, RateLimit, Scope, ScopeKind, Unit
from weighbridge.limits.counters import Counter, counter_name, counter_prefix, limit_name, parse_counter

EACH_TEAM = Scope(ScopeKind.TEAM, "*")
plain = st.text(st.characters(exclude_characters="\x1f", codec="utf-8"), max_size=40)


@given(plain, plain, st.integers(0, 2**63 - 1), st.sampled_from(Unit))
def test_a_name_can_be_taken_apart(budget_id, subject, start_ns, unit):
    name = counter_name(Budget(budget_id, EACH_TEAM, 5, unit), subject, start_ns)
    assert parse_counter(name) == Counter(budget_id, subject, start_ns, unit)
    assert name.startswith(counter_prefix(budget_id))


def test_the_names_in_journals_and_stores_stay_what_they_are():
    assert counter_name(Budget("b", EACH_TEAM, 5), "red", 7) == "b\x1fred\x1f7"
    assert counter_name(Budget("b", EACH_TEAM, 5, Unit.TOKENS), "red", 7) == "b\x1fred\x1f7\x1ftokens"


def test_a_subject_cannot_pass_for_another_budgets():
    name = counter_name(Budget("b", EACH_TEAM, 5), "x\x1f7\x1f", 0)
    assert parse_counter(name) == Counter("b", "x7", 0)


def test_a_changed_amount_keeps_the_counter_and_a_changed_unit_does_not():
    names = [counter_name(Budget("b", EACH_TEAM, amount, unit), "red", 7) for amount in (5, 6) for unit in Unit]
    n_units = len(Unit)
    assert names[:n_units] == names[n_units:]
    assert names[0] != names[1]


@pytest.mark.parametrize("name", ["", "b", "b\x1fred", "b\x1fred\x1fx", "b\x1fred\x1f7\x1feuros", "b\x1fred\x1f7\x1fusd\x1f"])
def test_what_is_no_name_is_told(name):
    with pytest.raises(ValueError):
        parse_counter(name)


def test_each_measure_of_a_limit_is_counted_by_itself():
    limits = [RateLimit("l", EACH_TEAM, measure, amount) for measure in Measure for amount in (5, 6)]
    assert len({limit_name(limit, "red") for limit in limits}) == len(Measure)
    assert limit_name(limits[0], "red") != limit_name(limits[0], "blue")
