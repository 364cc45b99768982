from __future__ import annotations

import json

import pytest


def test_a_limit_is_made_listed_changed_and_deleted(run, here):
    (here / "weighbridge.yaml").write_text("limits:\n  - scope: key:*\n    concurrent: 5\n")
    limit = run("limits", "create", "team:search", "dollars", "0.50", "--per", "1h").err.split()[-1]
    listed = json.loads(run("limits", "list", "--json").out)
    assert [(each["id"], each["measure"], each["amount"], each["per_ns"]) for each in listed] == [
        ("key:*/concurrent", "concurrent", 5, 60_000_000_000),
        (limit, "usd", 500_000_000, 3_600_000_000_000),
    ]
    assert "is $0.75 now" in run("limits", "edit", limit, "--amount", "0.75").err
    assert json.loads(run("limits", "list", "--json").out)[1]["amount"] == 750_000_000
    assert "at a time" in run("limits", "list").out
    assert run("limits", "delete", limit).code == 0
    assert len(json.loads(run("limits", "list", "--json").out)) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gateway", "requests", "many"], "no whole number"),
        (["gateway", "smiles", "5"], "smiles"),
        (["gateway", "requests", "0"], "requests"),
        (["gateway", "requests", "5", "--per", "2d"], "at most `1d`"),
    ],
)
def test_what_is_wrong_is_told(run, arguments, words):
    outcome = run("limits", "create", *arguments)
    assert (outcome.code, outcome.out) == (1, "")
    assert words in outcome.err


def test_a_budget_is_not_taken_for_a_limit_nor_a_limit_for_a_budget(run):
    budget = run("budgets", "create", "gateway", "$1").err.split()[-1]
    assert "budgets edit" in run("limits", "edit", budget, "--amount", "5").err
    assert "budgets delete" in run("limits", "delete", budget).err
    limit = run("limits", "create", "gateway", "requests", "5").err.split()[-1]
    assert "limits delete" in run("budgets", "delete", limit).err
    assert len(json.loads(run("budgets", "list", "--json").out)) == len(json.loads(run("limits", "list", "--json").out)) == 1
