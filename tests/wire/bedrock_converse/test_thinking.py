"""How much to think, in each vendor's words."""

from __future__ import annotations

import pytest

from weighbridge.wire.bedrock_converse.families import family_of
from weighbridge.wire.bedrock_converse.thinking import write_thinking
from weighbridge.wire.conversation import (
    Conversation,
    Reasoning,
    ReasoningWish,
    Role,
    Seal,
    SealKind,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ADAPTIVE = Quirks(adaptive_thinking=("claude-opus-4-6*",))


def thinking(wish, model=CLAUDE, quirks=NO_QUIRKS, turns=(), **fields):
    receipt = Receipt()
    conversation = Conversation(model, turns, reasoning=wish, **fields)
    return write_thinking(conversation, model, family_of(model), quirks, receipt), receipt


@pytest.mark.parametrize(
    ("wish", "bound", "budget"),
    [
        (ReasoningWish(budget_tokens=4096), None, 4096),
        (ReasoningWish(effort="medium"), None, 8192),
        (ReasoningWish(is_enabled=True), None, 8192),
        (ReasoningWish(budget_tokens=10), None, 1024),
        (ReasoningWish(effort="high"), 2000, 1999),
    ],
)
def test_claude_gets_a_budget_below_the_bound_on_output(wish, bound, budget):
    made, receipt = thinking(wish, max_output_tokens=bound)
    assert made.fields == {"thinking": {"type": "enabled", "budget_tokens": budget}}
    assert made.is_claude
    assert receipt.losses == []


def test_thinking_for_which_there_is_no_room_is_dropped():
    made, receipt = thinking(ReasoningWish(effort="low"), max_output_tokens=1024)
    assert (made.fields, receipt.edits()) == ({}, ["dropped:reasoning"])


def test_newer_claudes_choose_themselves_and_take_an_effort():
    model = "us.anthropic.claude-opus-4-6-v1"
    made, _ = thinking(ReasoningWish(budget_tokens=20_000), model, ADAPTIVE)
    assert (made.fields, made.effort) == ({"thinking": {"type": "adaptive"}}, "high")
    made, _ = thinking(ReasoningWish(is_adaptive=True), model, ADAPTIVE)
    assert (made.fields, made.effort) == ({"thinking": {"type": "adaptive"}}, None)
    made, _ = thinking(ReasoningWish(effort="none"), model, ADAPTIVE)
    assert made.fields == {"thinking": {"type": "disabled"}}


@pytest.mark.parametrize(
    "wish", [None, ReasoningWish(effort="none"), ReasoningWish(is_enabled=False), ReasoningWish(budget_tokens=0)]
)
def test_no_thinking_needs_no_word(wish):
    made, receipt = thinking(wish)
    assert (made.fields, made.effort, receipt.losses) == ({}, None, [])


@pytest.mark.parametrize(
    ("model", "effort", "fields"),
    [
        ("us.amazon.nova-2-lite-v1:0", "minimal", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
        ("us.amazon.nova-2-lite-v1:0", "none", {"reasoningConfig": {"type": "disabled"}}),
        ("openai.gpt-oss-120b-1:0", "high", {"reasoning_effort": "high"}),
        ("qwen.qwen3-32b-v1:0", "xhigh", {"reasoning_config": "high"}),
    ],
)
def test_other_vendors_take_an_effort_in_their_own_field(model, effort, fields):
    made, receipt = thinking(ReasoningWish(effort=effort), model)
    assert made.fields == fields
    assert not made.is_claude
    assert receipt.losses == []


def test_nova_at_its_highest_takes_no_bounds():
    assert thinking(ReasoningWish(effort="high"), "us.amazon.nova-2-lite-v1:0")[0].is_unbounded
    assert not thinking(ReasoningWish(effort="low"), "us.amazon.nova-2-lite-v1:0")[0].is_unbounded


def test_a_model_that_cannot_be_told_is_not_told():
    made, receipt = thinking(ReasoningWish(effort="high"), "us.meta.llama4-maverick-17b-instruct-v1:0")
    assert (made.fields, receipt.edits()) == ({}, ["dropped:reasoning"])


CALL, RESULT = ToolCall("c", "f", "{}"), Turn(Role.USER, (ToolResult("c", (Text("x"),)),))
ASK = Turn(Role.USER, (Text("q"),))
SIGNED = Reasoning("hm", seal=Seal("anthropic", SealKind.SIGNATURE, "Er=="))


def test_claude_does_not_think_on_where_the_thinking_before_a_call_is_lost():
    turns = (ASK, Turn(Role.ASSISTANT, (Reasoning("hm"), CALL)), RESULT)
    made, receipt = thinking(ReasoningWish(effort="low"), turns=turns)
    assert (made.fields, receipt.edits()) == ({}, ["dropped:reasoning"])


@pytest.mark.parametrize(
    "turns",
    [
        (ASK, Turn(Role.ASSISTANT, (SIGNED, CALL)), RESULT),
        (ASK, Turn(Role.ASSISTANT, (CALL,)), RESULT, Turn(Role.ASSISTANT, (Text("a"),)), ASK),
    ],
)
def test_claude_thinks_on_where_it_is_at_hand_or_not_asked_for(turns):
    assert thinking(ReasoningWish(effort="low"), turns=turns)[0].is_claude
