from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime

from tests.ledger.test_repricing import attempt
from tests.storage.test_ledger_store import settled

from weighbridge.core.clock import SystemClock
from weighbridge.storage.engine import sqlite_url
from weighbridge.storage.store import Store

CONFIG = """
providers:
  openai: {api_key: sk-aaaaaaaaaaaaaaaa}
  deepseek: {api_key: sk-aaaaaaaaaaaaaaaa}
  demo:
prices:
  - {match: 'openai/gpt-5-mini', discount: 50%}
"""


def test_prices_are_listed_by_a_pattern(run, here):
    (here / "weighbridge.yaml").write_text(CONFIG)
    outcome = run("prices", "list", "openai/gpt-5*")
    assert outcome.code == 0
    assert "openai/gpt-5-mini" in outcome.out
    assert "1.25" in outcome.out
    assert "deepseek" not in outcome.out
    assert "nothing that is priced matches" in run("prices", "list", "nobody/*").err


def test_a_long_list_says_that_it_goes_on(run, here):
    (here / "weighbridge.yaml").write_text("providers:\n  openrouter: {api_key: sk-aaaaaaaaaaaaaaaa}\n")
    assert "more; give a pattern" in run("prices", "list").err


def test_a_models_prices_are_shown_line_by_line_with_their_source(run, here):
    (here / "weighbridge.yaml").write_text(CONFIG)
    outcome = run("prices", "show", "openai/gpt-5")
    for text in ("cache read", "0.125", "flex, from 2026-10-12", "million tokens"):
        assert text in outcome.out
    assert "source: genai-prices" in outcome.err
    hours = run("prices", "show", "deepseek/deepseek-chat").out
    assert "UTC" in hours


def test_models_of_audio_show_what_they_are_charged_by(run, here):
    (here / "weighbridge.yaml").write_text(CONFIG)
    listed = run("prices", "list", "openai/*-1").out
    assert "0.36 an hour of audio" in listed
    assert "15 a million characters" in listed
    assert "hour of audio" in run("prices", "show", "openai/whisper-1").out
    assert "million characters" in run("prices", "show", "openai/tts-1").out


def test_past_prices_are_looked_at_and_corrected(run, here):
    (here / "weighbridge.yaml").write_text(CONFIG + "  - {match: 'openai/odd', input: 1, output: 10}\n")
    data = here / "data"
    data.mkdir()
    with closing(Store.open(sqlite_url(data), SystemClock())) as store:
        store.migrate()
        now = SystemClock.wall_ns()
        store.ledger.move("j_1", 0, 9, [settled(1, attempt(None, model="odd"), start_wall_ns=now)])
    looked = run("prices", "correct", "openai/*", "--from", "-1d")
    assert "openai/odd" in looked.out
    assert "0.0006" in looked.out
    assert "nothing is booked" in looked.err
    assert run("prices", "correct", "--apply").code == 1
    told = json.loads(run("prices", "correct", "--apply", "--reason", "learned", "--json").out)
    assert (told["lines"][0]["unknown"], told["lines"][0]["after"]) == (1, 600_000)
    assert "every price is what was booked" in run("prices", "correct").err
    assert "correction: learned" in run("statement", f"{datetime.now(UTC):%Y-%m}").out
    assert run("ledger", "verify").code == 0


def test_json_is_the_card(run, here):
    (here / "weighbridge.yaml").write_text(CONFIG)
    card = json.loads(run("prices", "show", "openai/gpt-5", "--json").out)
    assert card["model"] == "gpt-5"


def test_an_unknown_price_is_said_to_be_unknown(run, here):
    (here / "weighbridge.yaml").write_text(CONFIG)
    outcome = run("prices", "show", "openai/unheard-of-9")
    assert outcome.code == 1
    assert "nobody knows what openai/unheard-of-9 costs" in outcome.err
