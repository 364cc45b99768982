from __future__ import annotations

import json


def test_what_the_command_line_did_is_written_down_under_whoever_is_logged_in(run, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    run("keys", "create", "--name", "ci")
    run("keys", "edit", "ci", "--models", "openai/*")
    entries = json.loads(run("audit", "--json").out)
    assert [(each["actor"], each["action"], each["subject"]) for each in entries] == [
        ("cli:ada", "change", "ci"),
        ("cli:ada", "create", "ci"),
    ]
    shown = run("audit", "--limit", "1").out
    assert 'models: [] → ["openai/*"]' in shown
    assert "create" not in shown
    assert json.loads(run("audit", "--actor", "cli:bob", "--json").out) == []


def test_a_user_without_a_name_acts_as_well(run, monkeypatch):
    def nameless():
        raise KeyError("no such uid")

    monkeypatch.setattr("getpass.getuser", nameless)
    run("teams", "create", "search")
    assert json.loads(run("audit", "--json").out)[0]["actor"] == "cli:unknown"
