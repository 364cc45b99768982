from __future__ import annotations

import pytest

from weighbridge.wire.conversation import ReasoningWish
from weighbridge.wire.fields import Fields
from weighbridge.wire.openai_chat.thinking_reader import read_wish
from weighbridge.wire.receipt import Receipt


def read(receipt=None, **fields):
    return read_wish(Fields(fields, ""), receipt or Receipt())


@pytest.mark.parametrize(
    ("fields", "wish"),
    [
        ({}, None),
        ({"reasoning_effort": "low"}, ReasoningWish("low")),
        ({"reasoning": {"enabled": True, "summary": "auto"}}, ReasoningWish(is_enabled=True, summary="auto")),
        ({"reasoning": {"enabled": False}, "reasoning_effort": "low"}, ReasoningWish("low", is_enabled=False)),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, ReasoningWish(is_adaptive=True, summary="omitted")),
        ({"thinking": {"type": "enabled"}, "reasoning_effort": "high"}, ReasoningWish("high", is_enabled=True)),
        ({"thinking": {"clear_thinking": False}}, ReasoningWish()),
        ({"enable_thinking": True, "thinking_budget": 99}, ReasoningWish(budget_tokens=99, is_enabled=True)),
        ({"chat_template_kwargs": {"enable_thinking": False}}, ReasoningWish(is_enabled=False)),
        ({"include_reasoning": False}, ReasoningWish(summary="omitted")),
        ({"include_reasoning": False, "reasoning": {"effort": "low"}}, ReasoningWish("low", summary="omitted")),
    ],
)
def test_every_way_to_ask_is_understood(fields, wish):
    assert read(**fields) == wish


def test_what_is_left_of_a_template_stays():
    fields = Fields({"chat_template_kwargs": {"enable_thinking": True, "tone": "dry"}}, "")
    read_wish(fields, Receipt())
    assert fields.rest["chat_template_kwargs"] == {"tone": "dry"}


def test_two_ways_at_once_are_one_too_many():
    receipt = Receipt()
    assert read(receipt, reasoning={"effort": "low"}, thinking={"type": "enabled"}) == ReasoningWish("low")
    assert receipt.edits() == ["dropped:reasoning"]
