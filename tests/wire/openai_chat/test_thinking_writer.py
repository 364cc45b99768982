from __future__ import annotations

import pytest

from weighbridge.wire.conversation import ReasoningWish
from weighbridge.wire.openai_chat.thinking_writer import write_wish
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt


def write(wish, receipt=None, **quirks):
    body = {}
    write_wish(wish, Quirks(**quirks), receipt or Receipt(), body)
    return body


@pytest.mark.parametrize("style", ["effort", "thinking_type", "enable_thinking", "chat_template", "none"])
def test_who_says_nothing_of_how_much_switches_nothing(style):
    assert write(ReasoningWish(summary="omitted"), reasoning_style=style) == {}
    assert write(None, reasoning_style=style) == {}


@pytest.mark.parametrize(
    ("wish", "written"),
    [
        (ReasoningWish(summary="omitted"), {"exclude": True}),
        (ReasoningWish(is_enabled=False), {"enabled": False}),
        (ReasoningWish(is_adaptive=True), {"enabled": True}),
        (ReasoningWish("low", budget_tokens=99), {"max_tokens": 99}),
    ],
)
def test_openrouter_has_an_object_for_it(wish, written):
    assert write(wish, reasoning_style="openrouter") == {"reasoning": written}


def test_on_or_off_is_weaker_than_an_effort_unless_that_is_understood_too():
    receipt = Receipt()
    assert write(ReasoningWish("high"), receipt, reasoning_style="thinking_type") == {"thinking": {"type": "enabled"}}
    assert receipt.edits() == ["widened:reasoning"]
    both = write(ReasoningWish("max"), reasoning_style="thinking_type", reasoning_efforts=("low", "high"))
    assert both == {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}


def test_a_summary_cannot_be_had_of_who_shows_no_reasoning():
    receipt = Receipt()
    assert write(ReasoningWish("low", summary="auto"), receipt) == {"reasoning_effort": "low"}
    assert receipt.edits() == ["dropped:reasoning.summary"]


def test_who_cannot_be_asked_is_not_and_that_is_named():
    receipt = Receipt()
    assert write(ReasoningWish("none"), receipt, reasoning_style="none") == {}
    assert receipt.edits() == []
    write(ReasoningWish("low"), receipt, reasoning_style="none")
    assert receipt.edits() == ["dropped:reasoning"]
