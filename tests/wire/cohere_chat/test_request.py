"""A whole request to Cohere."""

from __future__ import annotations

import pytest

from weighbridge.core.codec import decode_json
from weighbridge.wire.codecs import TargetContext
from weighbridge.wire.cohere_chat import OUTBOUND
from weighbridge.wire.conversation import (
    AnswerFormat,
    CacheBreakpoint,
    ChoiceMode,
    Conversation,
    CustomTool,
    Document,
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
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt

ASK = Turn(Role.USER, (Text("hi"),))
SCHEMA = {"type": "object", "$defs": {"n": {"$ref": "#/$defs/n"}}}
F, G = FunctionTool("f", "does f", SCHEMA), FunctionTool("g")


def request(model="command-a-03-2025", quirks=NO_QUIRKS, turns=(ASK,), **fields):
    receipt = Receipt()
    body = OUTBOUND.write_request(Conversation("asked", turns, **fields), TargetContext(model, quirks), receipt)
    return decode_json(body), receipt


def test_fields_that_are_called_otherwise():
    body, receipt = request(
        stream=True, max_output_tokens=9, temperature=0.5, top_p=0.9, top_k=4, seed=7, stop=("a",), logprobs=True
    )
    assert body == {
        "model": "command-a-03-2025",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "max_tokens": 9,
        "temperature": 0.5,
        "p": 0.9,
        "k": 4,
        "seed": 7,
        "stop_sequences": ["a"],
        "logprobs": True,
    }
    assert receipt.losses == []


def test_penalties_are_cut_to_cohere_s_range():
    body, receipt = request(frequency_penalty=1.5, presence_penalty=0.5)
    assert (body["frequency_penalty"], body["presence_penalty"]) == (1, 0.5)
    assert receipt.edits() == ["widened:frequency_penalty"]


def test_no_more_stop_sequences_than_are_taken():
    body, receipt = request(stop=tuple("abcdef"))
    assert (body["stop_sequences"], receipt.edits()) == (list("abcde"), ["widened:stop"])


def test_a_schema_arrives_whole():
    body, _ = request(tools=(F, G))
    assert [tool["function"] for tool in body["tools"]] == [
        {"name": "f", "parameters": SCHEMA, "description": "does f"},
        {"name": "g", "parameters": {"type": "object", "properties": {}}},
    ]
    assert "tool_choice" not in body


@pytest.mark.parametrize(
    ("choice", "said", "names"),
    [
        (ToolChoice(ChoiceMode.AUTO), None, ["f", "g"]),
        (ToolChoice(ChoiceMode.REQUIRED), "REQUIRED", ["f", "g"]),
        (ToolChoice(ChoiceMode.NONE), "NONE", ["f", "g"]),
        (ToolChoice(ChoiceMode.REQUIRED, ("g",)), "REQUIRED", ["g"]),
    ],
)
def test_choices(choice, said, names):
    body, receipt = request(tools=(F, G), tool_choice=choice)
    assert body.get("tool_choice") == said
    assert [tool["function"]["name"] for tool in body["tools"]] == names
    assert receipt.losses == []


def test_a_choice_that_the_provider_does_not_know_is_noted():
    body, receipt = request(tools=(F,), tool_choice=ToolChoice(ChoiceMode.REQUIRED), quirks=Quirks(tool_choices=("auto",)))
    assert ("tool_choice" in body, receipt.edits()) == (False, ["widened:tool_choice"])


def test_tools_are_strict_all_or_none():
    strict = FunctionTool("s", strict=True)
    assert request(tools=(strict,))[0]["strict_tools"] is True
    body, receipt = request(tools=(strict, G))
    assert ("strict_tools" in body, receipt.edits()) == (False, ["widened:tools[0].strict"])


def test_other_kinds_of_tools():
    cached = FunctionTool("f", cache=CacheBreakpoint(), raw={"defer_loading": True})
    search = ServerToolUse("openai", ServerToolKind.WEB_SEARCH, {})
    body, receipt = request(
        tools=(cached, CustomTool("shell"), CustomTool("sql", format={}), CustomTool("g", format={"a": 1}), search)
    )
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f", "shell", "sql", "g"]
    assert receipt.edits() == ["dropped:tools[0].cache", "dropped:tools[0].defer_loading", "widened:tools[3]", "dropped:tools[4]"]
    assert request(tools=(F,), quirks=Quirks(tools=False))[1].edits() == ["dropped:tools"]
    assert "tools" not in request(tools=(search,))[0]


def test_structured_output_as_cohere_takes_it():
    wish = AnswerFormat(FormatKind.JSON_SCHEMA, SCHEMA, "n")
    assert request(answer_format=wish)[0]["response_format"] == {"type": "json_object", "json_schema": SCHEMA}
    assert request(answer_format=AnswerFormat(FormatKind.JSON))[0]["response_format"] == {"type": "json_object"}
    assert "response_format" not in request(answer_format=AnswerFormat(FormatKind.TEXT))[0]


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": (F,)},
        {"turns": (Turn(Role.USER, (Text("q"), Document(plain_text="x"))),)},
        {"quirks": Quirks(answer_formats=("text",))},
    ],
)
def test_structured_output_beside_tools_or_documents_becomes_an_instruction(fields):
    body, receipt = request(answer_format=AnswerFormat(FormatKind.JSON), **fields)
    assert "response_format" not in body
    assert body["messages"][0]["role"] == "system"
    assert receipt.edits() == ["widened:answer_format"]


THINKER = "command-a-reasoning-08-2025"


@pytest.mark.parametrize(
    ("model", "wish", "thinking"),
    [
        (THINKER, ReasoningWish(effort="low"), {"type": "enabled", "token_budget": 1024}),
        (THINKER, ReasoningWish(budget_tokens=500), {"type": "enabled", "token_budget": 500}),
        (THINKER, ReasoningWish(is_enabled=True), {"type": "enabled"}),
        (THINKER, ReasoningWish(effort="none"), {"type": "disabled"}),
        ("command-r", ReasoningWish(effort="none"), None),
    ],
)
def test_thinking(model, wish, thinking):
    body, receipt = request(model, reasoning=wish)
    assert body.get("thinking") == thinking
    assert receipt.losses == []


def test_a_model_that_does_not_think_is_not_asked_to():
    body, receipt = request(reasoning=ReasoningWish(effort="high"))
    assert ("thinking" in body, receipt.edits()) == (False, ["dropped:reasoning"])


def test_what_cohere_cannot_say_is_named():
    _, receipt = request(
        n=2, user="u", vendor={"container": 1}, vendor_origin="anthropic", quirks=Quirks(refuses=("seed",)), seed=1
    )
    assert receipt.edits() == ["dropped:seed", "dropped:n", "dropped:user", "dropped:container"]


def test_renamed_fields():
    assert request(seed=1, quirks=Quirks(renames={"seed": "random_seed"}))[0]["random_seed"] == 1
