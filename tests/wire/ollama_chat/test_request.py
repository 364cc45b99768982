"""A whole request to Ollama."""

from __future__ import annotations

import pytest

from weighbridge.core.codec import decode_json
from weighbridge.wire.codecs import TargetContext
from weighbridge.wire.conversation import (
    AnswerFormat,
    CacheBreakpoint,
    ChoiceMode,
    Conversation,
    CustomTool,
    FormatKind,
    FunctionTool,
    ReasoningWish,
    Role,
    ServerToolKind,
    ServerToolUse,
    Text,
    ToolChoice,
    Turn,
)
from weighbridge.wire.ollama_chat import OUTBOUND
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt

ASK = Turn(Role.USER, (Text("hi"),))
SCHEMA = {"type": "object", "$defs": {"n": {"$ref": "#/$defs/n"}}}
F, G = FunctionTool("f", "does f", SCHEMA), FunctionTool("g")


def request(quirks=NO_QUIRKS, **fields):
    receipt = Receipt()
    body = OUTBOUND.write_request(Conversation("asked", (ASK,), **fields), TargetContext("llama3.2", quirks), receipt)
    return decode_json(body), receipt


def test_whether_to_stream_is_always_said_since_ollama_streams_unasked():
    assert request()[0] == {"model": "llama3.2", "messages": [{"role": "user", "content": "hi"}], "stream": False}
    assert request(stream=True)[0]["stream"] is True


def test_sampling_goes_into_the_options():
    body, receipt = request(
        max_output_tokens=9, temperature=0.5, top_p=0.9, top_k=4, min_p=0.1, seed=7, presence_penalty=1, frequency_penalty=2,
        repetition_penalty=1.1, stop=("a",), logprobs=True, top_logprobs=2,
    )  # fmt: skip
    assert body["options"] == {
        "num_predict": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 4,
        "min_p": 0.1,
        "seed": 7,
        "presence_penalty": 1,
        "frequency_penalty": 2,
        "repeat_penalty": 1.1,
        "stop": ["a"],
    }
    assert (body["logprobs"], body["top_logprobs"]) == (True, 2)
    assert receipt.losses == []


def test_a_schema_arrives_whole_in_tools_and_format():
    body, receipt = request(tools=(F, G), answer_format=AnswerFormat(FormatKind.JSON_SCHEMA, SCHEMA))
    assert [tool["function"] for tool in body["tools"]] == [
        {"name": "f", "description": "does f", "parameters": SCHEMA},
        {"name": "g", "parameters": {"type": "object", "properties": {}}},
    ]
    assert body["format"] == SCHEMA
    assert request(answer_format=AnswerFormat(FormatKind.JSON))[0]["format"] == "json"
    assert "format" not in request(answer_format=AnswerFormat(FormatKind.TEXT))[0]
    assert receipt.losses == []


def test_a_format_that_the_provider_does_not_know_becomes_an_instruction():
    wish = AnswerFormat(FormatKind.JSON_SCHEMA, SCHEMA)
    body, receipt = request(quirks=Quirks(answer_formats=("text", "json")), answer_format=wish)
    assert "format" not in body
    assert body["messages"][0]["role"] == "system"
    assert receipt.edits() == ["widened:answer_format"]


@pytest.mark.parametrize(
    ("choice", "names", "losses"),
    [
        (ToolChoice(ChoiceMode.AUTO), ["f", "g"], []),
        (ToolChoice(ChoiceMode.NONE), None, []),
        (ToolChoice(ChoiceMode.REQUIRED), ["f", "g"], ["widened:tool_choice"]),
        (ToolChoice(ChoiceMode.REQUIRED, ("g",)), ["g"], ["widened:tool_choice"]),
    ],
)
def test_models_are_free_to_choose(choice, names, losses):
    body, receipt = request(tools=(F, G), tool_choice=choice)
    tools = body.get("tools")
    assert (None if tools is None else [tool["function"]["name"] for tool in tools]) == names
    assert receipt.edits() == losses


def test_other_kinds_of_tools():
    cached = FunctionTool("f", strict=True, cache=CacheBreakpoint(), raw={"defer_loading": True})
    search = ServerToolUse("openai", ServerToolKind.WEB_SEARCH, {})
    body, receipt = request(tools=(cached, CustomTool("shell"), CustomTool("sql", format={"a": 1}), search))
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f", "shell", "sql"]
    assert receipt.edits() == [
        "widened:tools[0].strict",
        "dropped:tools[0].cache",
        "dropped:tools[0].defer_loading",
        "widened:tools[2]",
        "dropped:tools[3]",
    ]
    assert request(quirks=Quirks(tools=False), tools=(F,))[1].edits() == ["dropped:tools"]


@pytest.mark.parametrize(
    ("wish", "think"),
    [
        (ReasoningWish(effort="minimal"), "low"),
        (ReasoningWish(effort="high"), "high"),
        (ReasoningWish(is_enabled=True), True),
        (ReasoningWish(budget_tokens=4096), True),
        (ReasoningWish(effort="none"), False),
    ],
)
def test_thinking_is_a_switch_or_a_level(wish, think):
    body, receipt = request(reasoning=wish)
    assert body["think"] == think
    assert receipt.losses == []


def test_what_ollama_cannot_say_is_named():
    _, receipt = request(
        n=2, user="u", seed=1, quirks=Quirks(refuses=("seed",)), vendor={"container": 1}, vendor_origin="anthropic"
    )
    assert receipt.edits() == ["dropped:seed", "dropped:n", "dropped:user", "dropped:container"]


def test_renamed_fields():
    assert request(quirks=Quirks(renames={"options": "opts"}), seed=1)[0]["opts"] == {"seed": 1}
