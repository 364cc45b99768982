from __future__ import annotations

import json


def test_a_team_is_in_its_organisation_and_its_keys_stop_with_it(run):
    run("orgs", "create", "acme")
    assert run("teams", "create", "search", "--org", "acme").code == 0
    run("keys", "create", "--name", "ci", "--team", "search")
    assert run("teams", "block", "search").code == 0
    [key] = json.loads(run("keys", "list", "--json").out)
    assert (key["team"], key["organisation"], key["state"]) == ("search", "acme", "blocked")
    run("teams", "unblock", "search")
    assert json.loads(run("keys", "list", "--json").out)[0]["state"] == "active"
    [team] = json.loads(run("teams", "list", "--json").out)
    assert (team["name"], team["organisation"]) == ("search", "acme")
    assert "acme" in run("teams", "list").out


def test_a_team_that_is_used_is_not_deleted(run):
    run("teams", "create", "search")
    run("keys", "create", "--name", "ci", "--team", "search")
    outcome = run("teams", "delete", "search")
    assert outcome.code == 1
    assert "1 keys" in outcome.err
    run("keys", "revoke", "ci")
    assert run("teams", "delete", "search").code == 0


def test_what_is_not_there_is_told(run):
    assert "no organisation 'nowhere'" in run("teams", "create", "x", "--org", "nowhere").err
    assert "teams list" in run("teams", "block", "x").err
    assert "no team 'x'" in run("keys", "create", "--name", "ci", "--team", "x").err


def test_every_page_is_listed(run, monkeypatch):
    monkeypatch.setattr("weighbridge.storage.people_store.MAX_PAGE", 2)
    for number in range(5):
        run("teams", "create", f"t{number}")
    assert {each["name"] for each in json.loads(run("teams", "list", "--json").out)} == {f"t{number}" for number in range(5)}
