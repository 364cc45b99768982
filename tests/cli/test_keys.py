from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from weighbridge.auth.virtual_keys import digest_of
from weighbridge.core.clock import SystemClock
from weighbridge.storage import engine
from weighbridge.storage.engine import DATABASE_FILE, sqlite_url
from weighbridge.storage.store import Store


@pytest.fixture
def gateway(here):
    """The store as a running gateway holds it open."""
    with closing(Store.open(sqlite_url(here / "data"), SystemClock())) as store:
        store.migrate()
        yield store


def test_a_key_made_while_the_gateway_runs_is_there_at_once(run, gateway):
    outcome = run("keys", "create", "--name", "ci", "--models", "openai/*, gpt-4o,")
    assert outcome.code == 0
    key = gateway.find_key(digest_of(outcome.out.strip().encode()))
    assert (key.name, key.models, key.is_admin, key.expires_wall_ns) == ("ci", ("openai/*", "gpt-4o"), False, None)


def test_the_key_alone_is_on_standard_output_and_once(run):
    outcome = run("keys", "create", "--name", "ci")
    assert outcome.out.startswith("wb-")
    assert outcome.out.count("\n") == 1
    assert outcome.out.strip() not in outcome.err
    assert outcome.out.strip() not in run("keys", "list").out


def test_json_has_the_key_when_it_is_made_and_not_when_it_is_listed(run):
    made = json.loads(run("keys", "create", "--name", "ci", "--admin", "--expires", "2100-01-01", "--json").out)
    assert (made["is_admin"], made["expires_at"], made["state"]) == (True, "2100-01-01T00:00:00Z", "active")
    [listed] = json.loads(run("keys", "list", "--json").out)
    assert made.pop("key").startswith("wb-")
    assert listed == made


@pytest.mark.parametrize("by", ["name", "id"])
def test_a_key_is_revoked_by_name_or_id(run, gateway, by):
    made = json.loads(run("keys", "create", "--name", "ci", "--json").out)
    outcome = run("keys", "revoke", made[by])
    assert (outcome.code, outcome.out) == (0, "")
    assert gateway.live_keys() == []
    assert "revoked" in run("keys", "list").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["revoke", "nobody"], "keys list"),
        (["create", "--name", "ci"], "revoke it first"),
        (["create", "--name", " x"], "blank"),
        (["create", "--name", "x", "--expires", "tomorrow"], "30d"),
        (["create", "--name", "x", "--models", "two words"], "blank"),
    ],
)
def test_a_wrong_value_is_code_1_and_says_what_to_do(run, arguments, words):
    run("keys", "create", "--name", "ci")
    outcome = run("keys", *arguments)
    assert (outcome.code, outcome.out) == (1, "")
    assert words in outcome.err
    assert "Traceback" not in outcome.err


def test_another_data_directory_needs_no_configuration(run, here):
    (here / "weighbridge.yaml").write_text("broken: [")
    assert run("keys", "create", "--name", "ci", "--data-dir", "elsewhere").code == 0
    assert (here / "elsewhere" / DATABASE_FILE).is_file()
    assert run("keys", "list").code == 1


def test_the_data_directory_of_the_configuration_is_used(run, here):
    (here / "weighbridge.yaml").write_text("data_dir: kept\n")
    run("keys", "create", "--name", "ci")
    assert (here / "kept" / DATABASE_FILE).is_file()


@pytest.mark.parametrize("arguments", [["list"], ["revoke", "x"]])
def test_looking_in_the_wrong_place_makes_no_database(run, here, arguments):
    outcome = run("keys", *arguments)
    assert outcome.code == 1
    assert "--data-dir" in outcome.err
    assert list(here.iterdir()) == []


def test_a_directory_that_cannot_be_written_is_code_3(run, here):
    (here / "file").touch()
    outcome = run("keys", "create", "--name", "ci", "--data-dir", "file/data")
    assert outcome.code == 3
    assert "--data-dir" in outcome.err


def test_a_locked_database_is_code_3(run, gateway, here, monkeypatch):
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 10)
    with closing(sqlite3.connect(here / "data" / DATABASE_FILE, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        outcome = run("keys", "create", "--name", "ci")
    assert (outcome.code, outcome.out) == (3, "")
    assert "try again" in outcome.err


def test_every_page_of_keys_is_listed(run, gateway, monkeypatch):
    monkeypatch.setattr("weighbridge.storage.store.MAX_PAGE", 2)
    for number in range(5):
        run("keys", "create", "--name", f"k{number}")
    assert [key["name"] for key in json.loads(run("keys", "list", "--json").out)] == ["k4", "k3", "k2", "k1", "k0"]


def test_a_key_is_changed_and_what_is_not_told_stays(run, gateway):
    secret = run("keys", "create", "--name", "ci", "--models", "a", "--tags", "x, y", "--addresses", "10.0.0.0/8").out.strip()
    run("keys", "edit", "ci", "--models", "", "--expires", "2100-01-01", "--max-output-tokens", "5")
    key = gateway.find_key(digest_of(secret.encode()))
    assert (key.models, key.tags, key.addresses, key.max_output_tokens) == ((), ("x", "y"), ("10.0.0.0/8",), 5)
    assert key.expires_wall_ns is not None
    run("keys", "edit", "ci", "--expires", "", "--max-output-tokens", "0", "--name", "cd")
    key = gateway.find_key(digest_of(secret.encode()))
    assert (key.name, key.expires_wall_ns, key.max_output_tokens) == ("cd", None, None)


def test_a_rotation_prints_the_new_secret_and_both_work(run, gateway):
    old = run("keys", "create", "--name", "ci").out.strip()
    outcome = run("keys", "rotate", "ci", "--overlap", "30m")
    new = outcome.out.strip()
    assert new != old
    assert {key.digest for key in gateway.live_keys()} == {digest_of(old.encode()), digest_of(new.encode())}
    assert "not a duration" in run("keys", "rotate", "ci", "--overlap", "soon").err


def test_a_blocked_key_is_blocked_until_it_is_not(run, gateway):
    run("keys", "create", "--name", "ci")
    assert run("keys", "block", "ci").code == 0
    assert [key.is_blocked for key in gateway.live_keys()] == [True]
    assert run("keys", "unblock", "ci").code == 0
    assert [key.is_blocked for key in gateway.live_keys()] == [False]
