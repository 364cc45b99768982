"""Provider keys from the command line: read from standard input, never shown, sealed anew when the master key changes."""

from __future__ import annotations

import io
import json

import pytest

SECRET = "sk-planted-0123456789abcdef"
OLD, NEW = "o" * 32, "n" * 32
PROVIDERS = "providers: {openai: {api_key: sk-of-the-gateway}, demo: {}}\n"


@pytest.fixture
def configure(here):
    def written(*master_keys):
        keys = ", ".join(f"{{key: {key}}}" for key in master_keys)
        (here / "weighbridge.yaml").write_text(f"{PROVIDERS}provider_keys: {{master_keys: [{keys}]}}\n")

    written(OLD)
    return written


@pytest.fixture
def bring(run, configure, monkeypatch):
    def brought(owner="organisation:acme", provider="openai", *options, secret=SECRET):
        monkeypatch.setattr("sys.stdin", io.StringIO(secret + "\n"))
        return run("provider-keys", "create", owner, provider, *options)

    return brought


def listed(run):
    return json.loads(run("provider-keys", "list", "--json").out)


def test_one_is_brought_disabled_enabled_and_deleted(run, bring, here):
    run("orgs", "create", "acme")
    outcome = bring("organisation:acme", "openai", "--label", "Prod", "--falls-back")
    assert outcome.code == 0, outcome.err
    key_id = outcome.out.strip()
    [row] = listed(run)
    assert (row["id"], row["owner"], row["hint"], row["state"], row["falls_back"]) == (
        key_id,
        "organisation:acme",
        "cdef",
        "active",
        True,
    )
    assert "Prod" in run("provider-keys", "list").out
    run("provider-keys", "disable", key_id)
    assert listed(run)[0]["state"] == "disabled"
    run("provider-keys", "enable", key_id)
    assert listed(run)[0]["state"] == "active"
    assert SECRET.encode() not in b"".join(path.read_bytes() for path in (here / "data").rglob("*") if path.is_file())
    assert run("provider-keys", "delete", key_id).code == 0
    assert listed(run) == []


def test_a_virtual_key_is_named_as_people_know_it(run, bring):
    run("keys", "create", "--name", "ci")
    assert bring("key:ci").code == 0
    [key] = json.loads(run("keys", "list", "--json").out)
    assert listed(run)[0]["owner"] == f"key:{key['id']}"
    assert bring("key:file:app").code == 0


@pytest.mark.parametrize(
    ("owner", "provider", "secret", "words"),
    [
        ("acme", "openai", SECRET, "nobody's name"),
        ("team:nobody", "openai", SECRET, "no team 'nobody'"),
        ("organisation:acme", "nobody", SECRET, "no provider"),
        ("organisation:acme", "demo", SECRET, "takes no key"),
        ("organisation:acme", "openai", "sk-****cdef", "mask"),
    ],
)
def test_what_cannot_be_brought_is_refused(run, bring, owner, provider, secret, words):
    run("orgs", "create", "acme")
    outcome = bring(owner, provider, secret=secret)
    assert outcome.code == 1
    assert words in outcome.err
    assert secret not in outcome.err


def test_without_a_master_key_none_is_brought_nor_sealed_anew(run, bring, configure):
    configure()
    for outcome in (bring(), run("provider-keys", "reseal")):
        assert outcome.code == 1
        assert "provider_keys.master_keys" in outcome.err


def test_the_master_key_is_rotated_and_the_old_one_taken_out(run, bring, configure):
    run("orgs", "create", "acme")
    for _ in range(3):
        bring()
    configure(NEW, OLD)
    assert {row["state"] for row in listed(run)} == {"active"}
    outcome = run("provider-keys", "reseal")
    assert outcome.code == 0
    assert "3 provider keys were sealed anew" in outcome.err
    configure(NEW)
    assert {row["state"] for row in listed(run)} == {"active"}
    configure(OLD)
    assert {row["state"] for row in listed(run)} == {"unreadable"}
    outcome = run("provider-keys", "reseal")
    assert (outcome.code, "3 provider keys stay as they are" in outcome.err) == (3, True)
