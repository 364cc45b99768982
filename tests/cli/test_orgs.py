from __future__ import annotations

import json


def test_an_organisation_is_made_blocked_and_deleted(run):
    assert run("orgs", "create", "acme").code == 0
    assert run("orgs", "block", "acme").code == 0
    [listed] = json.loads(run("orgs", "list", "--json").out)
    assert (listed["name"], listed["is_blocked"]) == ("acme", True)
    assert "blocked" in run("orgs", "list").out
    assert run("orgs", "unblock", "acme").code == 0
    assert run("orgs", "delete", "acme").code == 0
    assert json.loads(run("orgs", "list", "--json").out) == []


def test_what_is_wrong_is_told_in_a_sentence(run):
    run("orgs", "create", "acme")
    for arguments, words in ((("create", "acme"), "already"), (("block", "other"), "orgs list"), (("create", "*"), "not `*`")):
        outcome = run("orgs", *arguments)
        assert (outcome.code, outcome.out) == (1, "")
        assert words in outcome.err
