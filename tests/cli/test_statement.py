from __future__ import annotations

import json
from contextlib import closing

import pytest
from pyarrow import parquet
from tests.storage.test_ledger_store import attempt, settled

from weighbridge.core.clock import SystemClock
from weighbridge.storage.engine import sqlite_url
from weighbridge.storage.statements import Month
from weighbridge.storage.store import Store


@pytest.fixture(autouse=True)
def booked(here):
    start = Month(2025, 3).start_s * 10**9
    with closing(Store.open(sqlite_url(here / "data"), SystemClock())) as store:
        store.migrate()
        items = [settled(n, attempt(n * 10**9), start_wall_ns=start + n, team="search") for n in (1, 2)]
        store.ledger.move("j_1", 0, 100, items)


def test_a_month_is_shown_as_a_table(run):
    shown = run("statement", "2025-03", "--for", "team:search").out
    assert "team search, 2025-03" in shown
    assert "openai/gpt-5" in shown
    assert "3.00" in shown


def test_a_file_to_be_filed_is_written(run, here):
    assert run("statement", "2025-03", "-f", "html", "-o", "march.html").code == 0
    assert "$3.00" in (here / "march.html").read_text()
    assert json.loads(run("statement", "2025-03", "-f", "json").out)["total"]["charged_nanousd"] == 3 * 10**9
    assert run("statement", "2025-03", "-f", "csv").out.startswith("month,payer,model")
    assert run("statement", "2025-03", "-f", "parquet", "-o", "march.parquet").code == 0
    assert str(parquet.read_table(here / "march.parquet")["charged_usd"][0]) == "3.000000000"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["March"], "no month"),
        (["2025-03", "--for", "model:x"], "nobody with a statement"),
        (["2025-03", "--for", "team"], "nobody with a statement"),
        (["2025-03", "--format", "pdf"], "table, json"),
    ],
)
def test_what_is_wrong_is_told(run, arguments, words):
    outcome = run("statement", *arguments)
    assert (outcome.code, outcome.out) == (1, "")
    assert words in outcome.err
