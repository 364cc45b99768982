"""What recorded exchanges cost, by the list: equal to the table beside them to the nano-dollar."""

from __future__ import annotations

import csv
from datetime import UTC, datetime

import pytest
from tests.conformance.test_recordings import RECORDINGS

from weighbridge.config.price_lists import bundled_lists
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.rates import PriceBook
from weighbridge.core.terms import Usage
from weighbridge.ledger.price_book import card_for
from weighbridge.ledger.pricing import Pricer

pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are no part of the project and are not here")
PRICED_NS = int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()) * NS_PER_S
EXCEPTIONS = {
    "mistral/040": "charged by the page, which no usage counts",
    "cohere/032": "8,062.5 nano-dollars: rounded up here, to even in the table",
}
SOURCES = {"azure": ("azure", "openai", "anthropic", "deepseek", "x-ai", "moonshotai"), "google": ("google", "anthropic")}


def rows():
    if not RECORDINGS.is_dir():
        return []
    with (RECORDINGS / "expected_usage.csv").open() as table:
        return [row for row in csv.DictReader(table) if row["cost_nanousd"]]


def count(row, name):
    return int(row[name] or 0)


def usage_of(row):
    """The table's counts as a disjoint vector; Cohere bills counts of its own, which are not its tokens."""
    if row["billed_input"]:
        return Usage(input=int(float(row["billed_input"])), output=int(float(row["billed_output"] or 0)))
    read, audio, image = (count(row, n) for n in ("cache_read_tokens", "input_audio_tokens", "input_image_tokens"))
    hour = count(row, "cache_write_1h")
    five = count(row, "cache_write_tokens") - hour
    out_audio, out_image = count(row, "output_audio_tokens"), count(row, "output_image_tokens")
    output = count(row, "output_tokens") - out_audio - out_image
    return Usage(
        input=count(row, "input_tokens") - read - five - hour - audio - image,
        cache_read=read,
        cache_write_5m=five,
        cache_write_1h=hour,
        output=output,
        reasoning=min(count(row, "reasoning_tokens"), output),
        input_audio=audio,
        input_image=image,
        output_audio=out_audio,
        output_image=out_image,
    )


def test_each_recorded_exchange_costs_what_the_table_says():
    lists = bundled_lists()
    book = PriceBook(lists, {name: SOURCES.get(name, (name,)) for name in lists})
    wrong = []
    for row in rows():
        card = card_for(book, row["genai_provider"], row["genai_model"]) or card_for(book, row["genai_provider"], row["model"])
        price = Pricer(card).price(usage_of(row), at_wall_ns=PRICED_NS) if card is not None else None
        if price is None or price.amount != int(row["cost_nanousd"]):
            wrong.append((row["path"], row["genai_model"], price, row["cost_nanousd"]))
    assert {path.partition("-")[0] for path, *_ in wrong} == EXCEPTIONS.keys(), wrong[:10]
    assert len(rows()) > 300
