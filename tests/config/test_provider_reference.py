from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from weighbridge.config.provider_reference import providers_markdown
from weighbridge.providers.catalog import load_catalog
from weighbridge.wire.quirks import Quirks

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "providers.md"


@cache
def written() -> str:
    return providers_markdown()


def table_row(name: str, *, after: str = "# Providers") -> str:
    page = written()
    return next(line for line in page[page.index(after) :].splitlines() if line.startswith(f"| `{name}` |"))


def test_the_committed_page_is_that_of_the_catalogue() -> None:
    assert PAGE.read_text(encoding="utf-8") == providers_markdown(), (
        "The catalogue has changed: write the page anew with `make docs`."
    )


def test_every_provider_is_listed_with_its_key_its_address_and_its_source() -> None:
    for name, row in load_catalog().items():
        line = table_row(name)
        assert row.title in line
        assert row.source in line
        assert all(variable in line for variable in row.env)
        assert name == "demo" or all(url in line for url in row.dialects.values())


def test_formats_that_are_written_anew_are_told_apart() -> None:
    assert "| *bedrock-converse*, *anthropic-messages* |" in table_row("bedrock")
    assert "| openai-responses, openai-chat, openai-completions |" in table_row("openai")
    assert "| none | embeddings, rerank |" in table_row("voyage")


def test_every_part_of_an_address_has_its_variables() -> None:
    assert "`AWS_REGION` or `AWS_DEFAULT_REGION`" in table_row("bedrock", after="## Parts of an address")


def test_every_quirk_has_a_meaning_or_speaks_for_itself() -> None:
    for field in msgspec.structs.fields(Quirks):
        assert table_row(field.name, after="## Quirks").count(" | ") == 2


def test_quirks_that_a_provider_has_are_shown_and_no_others() -> None:
    assert "`renames`: `seed` → `random_seed`" in table_row("mistral", after="| provider | quirks |")
    assert "max_tokens_field" not in table_row("groq", after="| provider | quirks |")
    assert "`max_tokens_field`: `max_completion_tokens`" in table_row("cerebras", after="| provider | quirks |")
