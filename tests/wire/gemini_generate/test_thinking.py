"""How much to think, in levels and in budgets."""

from __future__ import annotations

import pytest

from weighbridge.wire.conversation import Conversation, ReasoningWish
from weighbridge.wire.fields import Fields
from weighbridge.wire.gemini_generate.families import family_of
from weighbridge.wire.gemini_generate.thinking import read_thinking, write_thinking
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt

PRO_3, FLASH_3, PRO_25, FLASH_25, LITE_25, FLASH_20 = (
    "gemini-3-pro-preview",
    "gemini-3-flash-preview",
    "gemini-2.5-pro",
    "gemini-2.5-flash",
    "gemini-2.5-flash-lite",
    "gemini-2.0-flash",
)


def write(wish, model, origin="openai", quirks=NO_QUIRKS):
    receipt = Receipt()
    conversation = Conversation(model, (), reasoning=wish, vendor_origin=origin)
    return write_thinking(conversation, family_of(model), quirks, receipt), receipt.edits()


@pytest.mark.parametrize(
    ("config", "wish"),
    [
        ({"thinkingBudget": 0}, ReasoningWish(budget_tokens=0)),
        ({"thinkingBudget": -1, "includeThoughts": True}, ReasoningWish(is_adaptive=True, summary="auto")),
        ({"thinkingBudget": "512", "includeThoughts": False}, ReasoningWish(budget_tokens=512, summary="omitted")),
        ({"thinkingLevel": "low"}, ReasoningWish("low")),
        ({"thinkingLevel": 3}, ReasoningWish("high")),
        ({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}, ReasoningWish()),
    ],
)
def test_a_callers_configuration_is_read(config, wish):
    assert read_thinking(Fields(config, "thinkingConfig"), Receipt()) == wish


@pytest.mark.parametrize(
    ("wish", "model", "config"),
    [
        (ReasoningWish("medium"), FLASH_3, {"thinkingLevel": "MEDIUM"}),
        (ReasoningWish("medium"), PRO_3, {"thinkingLevel": "LOW"}),
        (ReasoningWish("xhigh"), FLASH_3, {"thinkingLevel": "HIGH"}),
        (ReasoningWish(budget_tokens=20_000), FLASH_3, {"thinkingLevel": "HIGH"}),
        (ReasoningWish("medium"), FLASH_25, {"thinkingBudget": 8192}),
        (ReasoningWish("max"), PRO_25, {"thinkingBudget": 32_768}),
        (ReasoningWish(budget_tokens=100), PRO_25, {"thinkingBudget": 128}),
        (ReasoningWish(budget_tokens=100), LITE_25, {"thinkingBudget": 512}),
        (ReasoningWish("none"), FLASH_25, {"thinkingBudget": 0}),
        (ReasoningWish(is_adaptive=True, summary="omitted"), FLASH_25, {"thinkingBudget": -1, "includeThoughts": False}),
    ],
)
def test_an_effort_becomes_what_the_model_takes(wish, model, config):
    assert write(wish, model) == (config, [])


@pytest.mark.parametrize(
    ("model", "config"),
    [(PRO_3, {"thinkingLevel": "LOW"}), (FLASH_3, {"thinkingLevel": "MINIMAL"}), (PRO_25, {"thinkingBudget": 128})],
)
def test_a_model_that_always_thinks_thinks_as_little_as_it_can(model, config):
    assert write(ReasoningWish("none"), model) == (config, ["widened:reasoning"])


def test_thinking_that_anthropics_callers_switch_on_is_shown():
    wish = ReasoningWish(budget_tokens=4096, is_enabled=True)
    assert write(wish, FLASH_25, "anthropic") == ({"thinkingBudget": 4096, "includeThoughts": True}, [])
    assert write(ReasoningWish(is_adaptive=True), FLASH_3, "anthropic") == ({"includeThoughts": True}, [])


def test_a_summary_that_is_asked_for_is_shown():
    assert write(ReasoningWish("low", summary="auto"), FLASH_3) == ({"thinkingLevel": "LOW", "includeThoughts": True}, [])


def test_a_model_that_does_not_think_is_not_asked_to():
    assert write(ReasoningWish("high"), FLASH_20) == (None, ["dropped:reasoning"])
    assert write(ReasoningWish("none"), FLASH_20) == (None, [])


def test_the_rows_efforts_go_before_the_families():
    assert write(ReasoningWish("low"), FLASH_3, quirks=Quirks(reasoning_efforts=("high",)))[0] == {"thinkingLevel": "HIGH"}


def test_no_wish_says_nothing():
    assert write(None, FLASH_3) == (None, [])


@pytest.mark.parametrize("model", [FLASH_3, FLASH_25])
@pytest.mark.parametrize("summary", [None, "auto", "omitted"])
def test_what_the_dialect_can_say_is_read_as_it_was_written(model, summary):
    wish = ReasoningWish("low", summary=summary) if model == FLASH_3 else ReasoningWish(budget_tokens=2000, summary=summary)
    config, _ = write(wish, model, "gemini")
    assert read_thinking(Fields(config, ""), Receipt()) == wish
