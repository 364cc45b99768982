from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.wire.anthropic_messages.thinking import write_thinking
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

ADAPTIVE = Quirks(adaptive_thinking=("claude-new*",))
ASK = Turn(Role.USER, (Text("go"),))
CALL = Turn(Role.ASSISTANT, (ToolCall("t", "f", "{}"),))
RESULT = Turn(Role.USER, (ToolResult("t", (Text("ok"),)),))
OWN = Reasoning("hm", seal=Seal("anthropic", SealKind.SIGNATURE, "S"))
FOREIGN = Reasoning("hm", seal=Seal("openai", SealKind.ENCRYPTED, "E"))


def write(wish, bound=None, turns=(ASK,), quirks=NO_QUIRKS, model="claude-old", origin=""):
    receipt = Receipt()
    conversation = Conversation("m", turns, max_output_tokens=bound, reasoning=wish, vendor_origin=origin)
    return write_thinking(conversation, model, quirks, receipt), receipt.edits()


def test_a_bound_is_made_where_none_was_given():
    receipt = Receipt()
    thinking = write_thinking(Conversation("m", ()), "x", Quirks(default_max_tokens=(("x", 7),)), receipt)
    assert (thinking.max_tokens, thinking.config) == (7, None)
    assert [entry.field for entry in receipt._entries.values()] == ["max_output_tokens"]


def test_an_effort_becomes_a_budget():
    thinking, losses = write(ReasoningWish("medium"), 20_000)
    assert (thinking.config, thinking.max_tokens, losses) == ({"type": "enabled", "budget_tokens": 8192}, 20_000, [])
    assert write(ReasoningWish(is_enabled=True), 20_000)[0].config == {"type": "enabled", "budget_tokens": 8192}


def test_an_effort_stays_one_where_the_model_adapts():
    thinking, losses = write(ReasoningWish("xhigh"), 20_000, quirks=ADAPTIVE, model="claude-new-1")
    assert (thinking.config, thinking.effort, losses) == ({"type": "adaptive"}, "xhigh", [])
    assert write(ReasoningWish("minimal"), quirks=ADAPTIVE, model="claude-new-1")[0].effort == "low"
    assert write(ReasoningWish(None, 8192), quirks=ADAPTIVE, model="claude-new-1")[0].effort == "medium"
    assert write(ReasoningWish(is_adaptive=True), quirks=ADAPTIVE, model="claude-new-1")[0].effort is None


@pytest.mark.parametrize("wish", [ReasoningWish("none"), ReasoningWish(is_enabled=False), ReasoningWish(budget_tokens=0)])
def test_off_is_said(wish):
    thinking, _ = write(wish)
    assert (thinking.config, thinking.is_on) == ({"type": "disabled"}, False)


@given(st.integers(1, 70_000), st.sampled_from(["low", "medium", "high", "xhigh", "max"]))
def test_a_budget_is_large_enough_and_below_the_bound(bound, effort):
    thinking, losses = write(ReasoningWish(effort), bound)
    assert thinking.config is not None
    budget = thinking.config["budget_tokens"]
    assert isinstance(budget, int)
    assert 1024 <= budget < thinking.max_tokens
    assert (thinking.max_tokens == bound) == (losses == [])


def test_a_default_bound_makes_room_for_thinking():
    thinking, losses = write(ReasoningWish("high"))
    assert (thinking.max_tokens, losses) == (8192 + 24_576, [])


def test_what_the_caller_sees_of_it():
    assert write(ReasoningWish("low", summary="detailed"), 9000)[0].config == {
        "type": "enabled",
        "budget_tokens": 1024,
        "display": "summarized",
    }
    thinking, _ = write(ReasoningWish("low", summary="omitted"), quirks=ADAPTIVE, model="claude-new")
    assert thinking.config == {"type": "adaptive", "display": "omitted"}


@pytest.mark.parametrize(
    ("wish", "config", "effort"),
    [
        (ReasoningWish("high"), None, "high"),
        (ReasoningWish("high", is_adaptive=True), {"type": "adaptive"}, "high"),
        (ReasoningWish(None, 2000, is_enabled=True), {"type": "enabled", "budget_tokens": 2000}, None),
        (ReasoningWish(is_enabled=False), {"type": "disabled"}, None),
    ],
)
def test_a_caller_of_this_dialect_is_taken_at_its_word(wish, config, effort):
    thinking, losses = write(wish, 9000, origin="anthropic")
    assert (thinking.config, thinking.effort, losses) == (config, effort, [])


def assistant(*parts):
    return Turn(Role.ASSISTANT, (*parts, *CALL.parts))


@pytest.mark.parametrize(
    "turns",
    [
        (ASK,),
        (ASK, assistant(OWN), RESULT),
        (ASK, assistant(OWN), RESULT, CALL, RESULT),
        (ASK, assistant(OWN), RESULT, ASK),
        (ASK, CALL, RESULT, Turn(Role.ASSISTANT, (Text("so"),)), ASK),
        (ASK, assistant(Reasoning(seal=Seal("anthropic", SealKind.REDACTED, "D"))), RESULT),
    ],
)
def test_thinking_goes_on(turns):
    thinking, losses = write(ReasoningWish("low"), 9000, turns)
    assert (thinking.is_on, losses) == (True, [])


@pytest.mark.parametrize(
    "turns",
    [
        (ASK, CALL, RESULT),
        (ASK, assistant(FOREIGN), RESULT),
        (ASK, assistant(Reasoning("hm")), RESULT),
        (ASK, CALL, RESULT, ASK),
        (ASK, assistant(OWN), RESULT, Turn(Role.ASSISTANT, (Text("so"),)), ASK, CALL, RESULT),
        (ASK, Turn(Role.ASSISTANT, (Text("The answer is"),))),
    ],
)
def test_thinking_is_switched_off_where_the_open_turn_began_without(turns):
    thinking, losses = write(ReasoningWish("low"), 9000, turns)
    assert (thinking.config, thinking.is_on, losses) == (None, False, ["dropped:reasoning"])
    adaptive, losses = write(ReasoningWish("low"), 9000, turns, ADAPTIVE, "claude-new")
    assert (adaptive.is_on, losses) == (True, [])
