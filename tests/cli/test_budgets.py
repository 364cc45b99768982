from __future__ import annotations

import json

import pytest


def made(run, *arguments):
    outcome = run("budgets", "create", *arguments)
    assert outcome.code == 0, outcome.err
    return outcome.err.split()[-1]


def test_a_budget_is_made_listed_changed_and_deleted(run):
    budget = made(run, "team:search", "$100", "--timezone", "Europe/Berlin", "--period", "day")
    [listed] = json.loads(run("budgets", "list", "--json").out)
    assert (listed["id"], listed["amount"], listed["timezone"], listed["is_hard"]) == (
        budget,
        100_000_000_000,
        "Europe/Berlin",
        True,
    )
    assert run("budgets", "edit", budget, "--amount", "$0.50", "--soft", "--on-shortage", "refuse").code == 0
    [listed] = json.loads(run("budgets", "list", "--json").out)
    assert (listed["amount"], listed["is_hard"], listed["on_shortage"]) == (500_000_000, False, "refuse")
    assert run("budgets", "delete", budget).code == 0
    assert json.loads(run("budgets", "list", "--json").out) == []


def test_the_list_shows_what_is_left_and_the_configurations_too(run, here):
    (here / "weighbridge.yaml").write_text("budgets:\n  - scope: gateway\n    amount: 1_000_000 tokens\n")
    made(run, "key:*", "$5")
    listed = run("budgets", "list").out
    for part in ("gateway/tokens/month", "1,000,000 tokens", "key:*", "$5", "0 %"):
        assert part in listed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["planet:mars", "$1"], "scope: must be `gateway`"),
        (["gateway", "1 euro"], "amount: must be dollars"),
        (["gateway", "$1", "--period", "year"], "period"),
        (["gateway", "$1", "--timezone", "Mars"], "timezone: must be a time zone"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(run, arguments, words):
    outcome = run("budgets", "create", *arguments)
    assert (outcome.code, outcome.out) == (1, "")
    assert words in outcome.err


def test_a_budget_goes_on_counting_what_it_counts(run):
    budget = made(run, "gateway", "1_000 tokens")
    assert "counts tokens" in run("budgets", "edit", budget, "--amount", "$1").err
    limit = run("limits", "create", "gateway", "requests", "5").err.split()[-1]
    assert "limits edit" in run("budgets", "edit", limit, "--amount", "$1").err
    assert "no budget 'bud_x'" in run("budgets", "delete", "bud_x").err


def test_a_shortage_that_there_is_not_is_refused_in_a_sentence(run):
    budget = made(run, "gateway", "$1")
    outcome = run("budgets", "edit", budget, "--on-shortage", "pray")
    assert outcome.code == 1
    assert "neither `lower` nor `refuse`" in outcome.err
