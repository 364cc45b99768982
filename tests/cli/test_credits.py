from __future__ import annotations

import json

import pytest

USD = 1_000_000_000


def test_credits_are_given_listed_and_remembered(run):
    topped = run("credits", "top-up", "team:search", "$50", "--note", "INV-7")
    assert topped.code == 0, topped.err
    assert "team:search has $50.00 now" in topped.err
    assert "has $50.25 now" in run("credits", "grant", "team:search", "0.25", "--expires", "90d").err
    [listed] = json.loads(run("credits", "list", "--json").out)
    assert (listed["payer"], listed["balance_nanousd"]) == ({"kind": "team", "name": "search"}, 50_250_000_000)
    for part in ("team:search", "$50.25", "must be covered"):
        assert part in run("credits", "list").out
    history = json.loads(run("credits", "history", "team:search", "--json").out)
    assert sorted((each["kind"], each["amount"], each["note"]) for each in history) == [
        ("grant", USD // 4, ""),
        ("top_up", 50 * USD, "INV-7"),
    ]
    assert "INV-7" in run("credits", "history", "team:search").out
    assert run("ledger", "verify").code == 0


def test_a_customer_is_let_pay_later_and_operators_are_told_in_time(run):
    run("credits", "top-up", "team:search", "5")
    outcome = run("credits", "edit", "team:search", "--postpaid", "--alert-below", "$1.50")
    assert outcome.err == "team:search: its credits need not cover its requests; told of below $1.50\n"
    [listed] = json.loads(run("credits", "list", "--json").out)
    assert (listed["is_prepaid"], listed["alert_below_nanousd"]) == (False, 1_500_000_000)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["top-up", "team:search", "much"], "'much' is no amount"),
        (["top-up", "team:search", "0"], "more than nothing"),
        (["top-up", "gateway", "5"], "names nobody who pays"),
        (["top-up", "team:", "5"], "names nobody who pays"),
        (["grant", "team:search", "5", "--expires", "2001-01-01"], "--expires: '2001-01-01' is in the past"),
        (["edit", "team:search"], "nothing to change"),
    ],
)
def test_what_is_wrong_is_told(run, arguments, words):
    outcome = run("credits", *arguments)
    assert (outcome.code, outcome.out) == (1, "")
    assert words in outcome.err


def test_an_account_that_is_not_there_and_a_team_that_does_not_pay(run):
    run("orgs", "create", "acme")
    run("teams", "create", "search", "--org", "acme")
    assert "organisation:acme pays for team:search" in run("credits", "top-up", "team:search", "5").err
    assert "was never given credits" in run("credits", "history", "team:search").err
