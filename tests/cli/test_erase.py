from __future__ import annotations

import io

import pytest


@pytest.fixture(autouse=True)
def data(run):
    run("orgs", "create", "acme")


def test_somebody_is_forgotten_and_the_audit_log_does_not_say_who(run):
    outcome = run("erase", "--end-user", "ann@example.org", "--yes")
    assert outcome.code == 0, outcome.err
    assert "the names in 0 requests are forgotten" in outcome.err
    told = run("audit", "--json").out
    assert "erase" in told
    assert "ann@example.org" not in told


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("", 1)])
def test_it_asks_before_it_begins(run, monkeypatch, answer, code):
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    outcome = run("erase", "--user", "ada")
    assert outcome.code == code
    assert "cannot be brought back" in outcome.err
    assert ("erase" in run("audit", "--json").out) is (code == 0)


@pytest.mark.parametrize("arguments", [[], ["--end-user", "ann", "--user", "ada"], ["--end-user", ""]])
def test_who_is_meant_must_be_said_once(run, arguments):
    outcome = run("erase", *arguments, "--yes")
    assert outcome.code == 1
    assert "name one: --end-user or --user" in outcome.err
