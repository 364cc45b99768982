from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.codec import decode_json
from weighbridge.wire.codecs import RequestContext, TargetContext
from weighbridge.wire.conversation import (
    AnswerFormat,
    CacheBreakpoint,
    ChoiceMode,
    Conversation,
    FormatKind,
    FunctionTool,
    ReasoningWish,
    Role,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from weighbridge.wire.openai_chat.request_reader import read_request
from weighbridge.wire.openai_chat.request_writer import write_request
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt

HELLO = (Turn(Role.USER, (Text("Hello"),)),)


def write(conversation=None, quirks=NO_QUIRKS, receipt=None, **fields):
    made = conversation or Conversation("asked", HELLO, **fields)
    return decode_json(write_request(made, TargetContext("m", quirks), receipt or Receipt()))


def test_the_usual_request_is_short():
    assert write() == {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


def test_a_stream_always_asks_for_its_usage_where_that_is_understood():
    assert write(stream=True)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in write(stream=True, quirks=Quirks(stream_options=False))


def test_the_bound_has_the_providers_name():
    assert write(max_output_tokens=5)["max_completion_tokens"] == 5
    assert write(max_output_tokens=5, quirks=Quirks(max_tokens_field="max_tokens"))["max_tokens"] == 5


def test_what_the_provider_refuses_is_dropped_by_name():
    receipt = Receipt()
    body = write(seed=1, n=2, quirks=Quirks(refuses=("n", "logit_bias")), receipt=receipt)
    assert body["seed"] == 1
    assert "n" not in body
    assert receipt.edits() == ["dropped:n"]


def test_renamed_fields_are_said_in_the_providers_word():
    assert write(seed=1, quirks=Quirks(renames={"seed": "random_seed"}))["random_seed"] == 1


def test_extensions_go_where_they_are_ignored_at_worst():
    assert write(top_k=3)["top_k"] == 3
    receipt = Receipt()
    assert "top_k" not in write(top_k=3, quirks=Quirks(is_strict_about_fields=True), receipt=receipt)
    assert receipt.edits() == ["dropped:top_k"]


def test_more_stops_than_are_taken_are_cut_and_named():
    receipt = Receipt()
    assert write(stop=("a", "b", "c"), quirks=Quirks(max_stop=2), receipt=receipt)["stop"] == ["a", "b"]
    assert receipt.edits() == ["widened:stop"]


@pytest.mark.parametrize(
    ("style", "wish", "written"),
    [
        ("effort", ReasoningWish("high"), {"reasoning_effort": "high"}),
        ("effort", ReasoningWish(budget_tokens=8000), {"reasoning_effort": "medium"}),
        ("effort", ReasoningWish(is_enabled=False), {"reasoning_effort": "none"}),
        ("effort", ReasoningWish(is_adaptive=True), {}),
        ("openrouter", ReasoningWish("low", summary="omitted"), {"reasoning": {"effort": "low", "exclude": True}}),
        ("openrouter", ReasoningWish(budget_tokens=2000), {"reasoning": {"max_tokens": 2000}}),
        ("thinking_type", ReasoningWish("low"), {"thinking": {"type": "enabled"}}),
        ("thinking_type", ReasoningWish("none"), {"thinking": {"type": "disabled"}}),
        ("enable_thinking", ReasoningWish(budget_tokens=2000), {"enable_thinking": True, "thinking_budget": 2000}),
        ("chat_template", ReasoningWish(is_enabled=True), {"chat_template_kwargs": {"enable_thinking": True}}),
        ("none", ReasoningWish("high"), {}),
    ],
)
def test_thinking_is_asked_for_in_the_providers_way(style, wish, written):
    body = write(reasoning=wish, quirks=Quirks(reasoning_style=style))
    body.pop("model")
    body.pop("messages")
    assert body == written


def test_an_effort_that_is_not_understood_becomes_the_nearest():
    body = write(reasoning=ReasoningWish("xhigh"), quirks=Quirks(reasoning_efforts=("low", "high")))
    assert body["reasoning_effort"] == "high"


def test_a_schema_for_a_provider_without_becomes_an_instruction():
    wish = AnswerFormat(FormatKind.JSON_SCHEMA, {"type": "object"}, "a", strict=True)
    assert write(answer_format=wish)["response_format"]["json_schema"]["schema"] == {"type": "object"}
    receipt = Receipt()
    body = write(answer_format=wish, quirks=Quirks(answer_formats=("text", "json")), receipt=receipt)
    assert body["response_format"] == {"type": "json_object"}
    assert '{"type":"object"}' in body["messages"][0]["content"]
    assert receipt.edits() == ["widened:answer_format"]


def test_plain_json_is_asked_for_in_words_where_nobody_has_said_it():
    wish = AnswerFormat(FormatKind.JSON)
    body = write(answer_format=wish)
    assert body["response_format"] == {"type": "json_object"}
    assert "JSON" in body["messages"][0]["content"]
    said = write(Conversation("m", (Turn(Role.USER, (Text("as json"),)),), answer_format=wish))
    assert len(said["messages"]) == 1


def test_a_field_that_only_this_format_has_goes_to_servers_that_are_not_strict():
    facts = {"vendor": {"safe_prompt": True, "moderation": {}}, "vendor_origin": "openai-chat"}
    assert write(**facts)["safe_prompt"] is True
    receipt = Receipt()
    body = write(**facts, quirks=Quirks(is_strict_about_fields=True), receipt=receipt)
    assert ("safe_prompt" in body, body["moderation"]) == (False, {})
    assert receipt.edits() == ["dropped:safe_prompt"]


def test_openais_own_fields_go_to_openai_alone():
    facts = {"vendor": {"moderation": {}}, "vendor_origin": "openai-responses"}
    assert write(**facts)["moderation"] == {}
    receipt = Receipt()
    assert "moderation" not in write(**facts, quirks=Quirks(max_tokens_field="max_tokens"), receipt=receipt)
    assert receipt.edits() == ["dropped:moderation"]


def test_a_model_with_a_sampling_of_its_own_is_sent_none():
    quirks = Quirks(fixed_sampling=("m*",))
    receipt = Receipt()
    assert "temperature" not in write(temperature=0.5, top_p=1, quirks=quirks, receipt=receipt)
    assert receipt.edits() == ["dropped:temperature"]
    assert write(temperature=0.5, quirks=Quirks(fixed_sampling=("o1*",)))["temperature"] == 0.5


def test_openais_own_breakpoints_are_kept_for_callers_who_know_them():
    marked = (Turn(Role.USER, (Text("a", CacheBreakpoint()), Text("b"))),)
    facts = {"vendor": {"prompt_cache_options": {"mode": "explicit"}}, "vendor_origin": "openai-chat"}
    body = write(Conversation("m", marked, **facts))
    assert body["messages"][0]["content"][0]["prompt_cache_breakpoint"] == {"mode": "explicit"}


def test_fields_of_another_vendor_are_dropped_by_name():
    receipt = Receipt()
    write(vendor={"mcp_servers": []}, vendor_origin="anthropic", cache=CacheBreakpoint(), receipt=receipt)
    assert set(receipt.edits()) == {"dropped:mcp_servers", "dropped:cache"}


TEXTS = st.text(min_size=1, max_size=8)
SCHEMAS = st.recursive(
    st.sampled_from([{"type": "string"}, {"$ref": "#/$defs/a"}, {"type": ["integer", "null"]}]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda many: {"anyOf": many}),
        st.dictionaries(TEXTS, inner, max_size=3).map(lambda named: {"type": "object", "properties": named}),
    ),
    max_leaves=8,
)
CALLS = st.lists(st.tuples(st.sampled_from("fg"), TEXTS), max_size=2)


@st.composite
def conversations(draw):
    turns = [Turn(Role.SYSTEM, (Text(draw(TEXTS)),))] if draw(st.booleans()) else []
    for n in range(draw(st.integers(1, 3))):
        turns.append(Turn(Role.USER, (Text(draw(TEXTS)),)))
        calls = [ToolCall(f"c{n}{i}", name, '{"x":1}') for i, (name, _) in enumerate(draw(CALLS))]
        turns.append(Turn(Role.ASSISTANT, (Text(draw(TEXTS)), *calls)))
        if calls:
            turns.append(Turn(Role.USER, tuple(ToolResult(c.id, (Text(draw(TEXTS)),), c.name, is_custom=False) for c in calls)))
    return Conversation(
        model="m",
        turns=tuple(turns),
        max_output_tokens=draw(st.none() | st.integers(1, 9)),
        temperature=draw(st.none() | st.floats(0, 2)),
        stop=tuple(draw(st.lists(TEXTS, max_size=2))),
        n=draw(st.none() | st.integers(1, 3)),
        tools=tuple(FunctionTool(name, schema=draw(SCHEMAS), strict=draw(st.none() | st.booleans())) for name in "fg"),
        tool_choice=draw(st.none() | st.sampled_from([ToolChoice(mode) for mode in ChoiceMode])),
        reasoning=draw(st.none() | st.sampled_from([ReasoningWish("low"), ReasoningWish("high")])),
    )


@given(conversations())
def test_what_this_format_can_say_survives_writing_and_reading(conversation):
    receipt = Receipt()
    written = write_request(conversation, TargetContext("m"), receipt)
    assert receipt.losses == []
    assert read_request(written, RequestContext("m"), Receipt()) == conversation
    assert msgspec.structs.replace(conversation, model="m") == conversation
