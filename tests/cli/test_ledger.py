from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from tests.storage.test_ledger_store import settled

from weighbridge.core.clock import SystemClock
from weighbridge.limits.leases import LeaseWant
from weighbridge.storage.engine import DATABASE_FILE, sqlite_url
from weighbridge.storage.store import Store


@pytest.fixture
def booked(here):
    """A data directory with two requests in its ledger."""
    with closing(Store.open(sqlite_url(here / "data"), SystemClock())) as store:
        store.migrate()
        store.ledger.move("j_1", 0, 100, [settled(1, charges={"b": 5}), settled(2)])
    return here / "data"


def test_a_sound_ledger_is_said_to_be(run, booked):
    outcome = run("ledger", "verify")
    assert (outcome.code, outcome.out) == (0, "")
    assert "The ledger adds up: 4 entries" in outcome.err


def test_the_first_difference_is_named_and_the_exit_code_is_1(run, booked):
    with closing(sqlite3.connect(booked / DATABASE_FILE)) as database:
        database.execute("UPDATE counters SET amount = amount + 1")
        database.commit()
    outcome = run("ledger", "verify")
    assert outcome.code == 1
    assert "says 6, its charges say 5" in outcome.out
    told = json.loads(run("ledger", "verify", "--json").out)
    assert (told["is_sound"], len(told["problems"])) == (False, 1)


def test_accounts_are_listed_by_their_names(run, booked):
    assert "provider_payable:openai" in run("ledger", "accounts").out
    (account,) = json.loads(run("ledger", "accounts", "customer:", "--json").out)
    assert (account["account"], account["debits"], account["entries"]) == ("customer:team:search", 2_000, 2)


def test_a_directory_without_a_ledger_is_told_so(run):
    outcome = run("ledger", "verify")
    assert outcome.code != 0
    assert "there is no database" in outcome.err


def test_a_host_that_is_gone_for_good_gives_back_what_it_had(run, here):
    run("keys", "create", "--name", "ci")
    with closing(Store.open(sqlite_url(here / "data"), SystemClock())) as store:
        store.leases.grant("host_gone", LeaseWant("all\x1f\x1f0", 1_000, 400))
    assert "host_gone" in run("ledger", "hosts").out
    assert json.loads(run("ledger", "hosts", "--json").out)[0]["amount"] == 400
    assert run("ledger", "release-host", "host_gone").code == 0
    assert json.loads(run("ledger", "hosts", "--json").out) == []
    again = run("ledger", "release-host", "host_gone")
    assert (again.code, "ledger hosts" in again.err) == (1, True)
    assert json.loads(run("audit", "--json").out)[0]["action"] == "release"
