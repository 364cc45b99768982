"""Efforts, budgets and switches, each made from the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.wire.conversation import ReasoningWish
from weighbridge.wire.reasoning import EFFORTS, budget_of, effort_of, is_off, nearest


@pytest.mark.parametrize(
    ("wish", "off"),
    [
        (None, False),
        (ReasoningWish(), False),
        (ReasoningWish("low"), False),
        (ReasoningWish("none"), True),
        (ReasoningWish(budget_tokens=0), True),
        (ReasoningWish(is_enabled=False), True),
        (ReasoningWish(is_enabled=True), False),
    ],
)
def test_off_has_to_be_said(wish, off):
    assert is_off(wish) is off


def test_a_budget_grows_with_the_effort():
    budgets = [budget_of(ReasoningWish(effort)) for effort in EFFORTS[1:]]
    assert None not in budgets
    assert budgets == sorted(budgets)


@pytest.mark.parametrize(
    ("wish", "budget"),
    [
        (ReasoningWish("high", 5), 5),
        (ReasoningWish(), None),
        (ReasoningWish("unheard_of"), None),
        (ReasoningWish(is_adaptive=True), None),
    ],
)
def test_a_bound_that_was_said_goes_before_one_that_is_made(wish, budget):
    assert budget_of(wish) == budget


@pytest.mark.parametrize("effort", [effort for effort in EFFORTS if effort not in {"none", "minimal"}])
def test_an_effort_survives_the_way_over_its_budget(effort):
    assert effort_of(ReasoningWish(budget_tokens=budget_of(ReasoningWish(effort)))) == effort


@given(smaller=st.integers(1, 200_000), larger=st.integers(1, 200_000))
def test_a_larger_budget_is_never_a_weaker_effort(smaller, larger):
    first, second = sorted((smaller, larger))
    ranks = [EFFORTS.index(effort_of(ReasoningWish(budget_tokens=budget))) for budget in (first, second)]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize(
    ("wish", "effort"),
    [
        (ReasoningWish("xhigh"), "xhigh"),
        (ReasoningWish(budget_tokens=1), "low"),
        (ReasoningWish(budget_tokens=10**9), "max"),
        (ReasoningWish(budget_tokens=0), "none"),
        (ReasoningWish(is_enabled=False), "none"),
        (ReasoningWish(is_adaptive=True), None),
    ],
)
def test_an_effort_is_made_of_what_was_said(wish, effort):
    assert effort_of(wish) == effort


@pytest.mark.parametrize(
    ("effort", "understood", "chosen"),
    [
        ("medium", (), "medium"),
        ("medium", ("low", "medium"), "medium"),
        ("medium", ("low", "high"), "low"),
        ("max", ("low", "high"), "high"),
        ("none", ("minimal", "low"), "minimal"),
        ("unheard_of", ("low",), "unheard_of"),
        ("low", ("default", "high"), "high"),
    ],
)
def test_the_nearest_effort_is_the_weaker_of_two(effort, understood, chosen):
    assert nearest(effort, understood) == chosen
