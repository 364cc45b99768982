from __future__ import annotations

import io
import json

import pytest

PASSWORD = "correct horse battery"


@pytest.fixture
def typed(monkeypatch):
    def type_in(text):
        monkeypatch.setattr("sys.stdin", io.StringIO(text + "\n"))

    return type_in


def test_a_user_is_made_changed_blocked_and_deleted(run, typed):
    run("teams", "create", "search")
    typed(PASSWORD)
    made = run(
        "users", "create", "--name", "Ann", "--email", "Ann@Example.org", "--role", "admin", "--team", "search", "--password"
    )
    assert made.code == 0
    assert PASSWORD not in made.out + made.err
    [ann] = json.loads(run("users", "list", "--json").out)
    assert (ann["login"], ann["role"], ann["place"], ann["has_password"]) == (
        "ann@example.org",
        "admin",
        {"organisation": "", "team": "search"},
        True,
    )
    assert run("users", "edit", "ANN@example.org", "--role", "viewer", "--team", "").code == 0
    assert run("users", "block", "ann@example.org").code == 0
    [ann] = json.loads(run("users", "list", "--json").out)
    assert (ann["role"], ann["place"]["team"], ann["is_blocked"], ann["has_password"]) == ("viewer", "", True, True)
    assert "blocked" in run("users", "list").out
    assert run("users", "unblock", "ann@example.org").code == 0
    assert "signs in" in run("users", "list").out
    assert run("users", "delete", "ann@example.org").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["create", "--name", "Ann", "--role", "king"], "owner, admin"),
        (["create", "--name", "Ann", "--email", "ann"], "e-mail address"),
        (["create", "--name", "Ann", "--email", "a@b.c", "--team", "nowhere"], "no team"),
        (["edit", "nobody"], "users list"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(run, here, arguments, words):
    run("orgs", "create", "acme")
    outcome = run("users", *arguments)
    assert (outcome.code, outcome.out) == (1, "")
    assert words in outcome.err


def test_a_password_that_is_none_is_refused_and_not_repeated(run, typed):
    typed("short")
    outcome = run("users", "create", "--name", "Ann", "--email", "a@b.c", "--password")
    assert outcome.code == 1
    assert "12 to 256" in outcome.err
    assert "short" not in outcome.err


def test_a_service_account_holds_an_admin_key_with_its_role(run):
    run("users", "create", "--name", "ci", "--role", "billing")
    assert run("keys", "create", "--name", "of-ci", "--admin", "--user", "ci").code == 0
    [key] = json.loads(run("keys", "list", "--json").out)
    assert (key["user"], key["is_admin"]) == ("ci", True)
