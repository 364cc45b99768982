"""`Conversation` -> a provider's request."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.wire.codecs import RequestContext, TargetContext
from weighbridge.wire.conversation import (
    AnswerFormat,
    AudioWish,
    CacheBreakpoint,
    ChoiceMode,
    Conversation,
    CustomTool,
    Document,
    FormatKind,
    FunctionTool,
    Image,
    MediaBytes,
    MediaFile,
    MediaUrl,
    Reasoning,
    ReasoningWish,
    Refusal,
    Role,
    Seal,
    SealKind,
    ServerTool,
    ServerToolKind,
    ServerToolUse,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.openai_responses.request_reader import read_request
from weighbridge.wire.openai_responses.request_writer import write_request
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt

SHARED = Path(__file__).resolve().parents[4] / "shared" / "recordings"
SPEC = SHARED / "specs" / "openai.openapi.yaml"
HI = (Turn(Role.USER, (Text("Hi"),)),)


def write(conversation: Conversation, quirks: Quirks = NO_QUIRKS) -> tuple[dict[str, Any], list[str]]:
    receipt = Receipt()
    body = write_request(conversation, TargetContext("gpt-5", quirks), receipt)
    return decode_json(body), receipt.edits()


def test_nothing_is_kept_at_the_provider_for_a_caller_who_does_not_know_of_it() -> None:
    assert write(Conversation("m", HI)) == (
        {"model": "gpt-5", "input": [{"role": "user", "content": "Hi"}], "store": False},
        [],
    )
    assert "store" not in write(Conversation("m", HI, vendor_origin="openai-responses"))[0]


def test_reasoning_comes_back_in_a_form_that_survives_the_next_turn() -> None:
    body, _ = write(Conversation("m", HI, reasoning=ReasoningWish("low")))
    assert (body["reasoning"], body["include"]) == ({"effort": "low"}, ["reasoning.encrypted_content"])
    sealed = Turn(Role.ASSISTANT, (Reasoning(seal=Seal("openai", SealKind.ENCRYPTED, "E")),))
    assert write(Conversation("m", (*HI, sealed)))[0]["include"] == ["reasoning.encrypted_content"]
    assert "include" not in write(Conversation("m", HI, reasoning=ReasoningWish(is_enabled=False)))[0]


@pytest.mark.parametrize(
    ("wish", "written"),
    [
        (ReasoningWish(budget_tokens=8192), {"effort": "medium"}),
        (ReasoningWish(is_enabled=False), {"effort": "none"}),
        (ReasoningWish(is_adaptive=True), None),
        (ReasoningWish("xhigh", summary="detailed"), {"effort": "high", "summary": "detailed"}),
        (ReasoningWish("low", summary="omitted"), {"effort": "low"}),
    ],
)
def test_every_wish_to_think_has_an_effort(wish: ReasoningWish, written: dict[str, Any] | None) -> None:
    body, edits = write(Conversation("m", HI, reasoning=wish), Quirks(reasoning_efforts=("none", "low", "medium", "high")))
    assert body.get("reasoning") == written
    assert edits == []


def test_what_the_api_has_no_word_for_is_named() -> None:
    conversation = Conversation(
        "m",
        HI,
        top_k=4,
        stop=("x",),
        seed=1,
        n=2,
        logit_bias={"1": 1},
        audio=AudioWish("alloy"),
        modalities=("text", "audio"),
        max_output_tokens=5,
        service_tier="batch",
        vendor={"container": "c"},
        vendor_origin="anthropic",
    )
    body, edits = write(conversation)
    assert body["max_output_tokens"] == 16
    assert sorted(edits) == [
        "dropped:audio",
        "dropped:container",
        "dropped:logit_bias",
        "dropped:modalities",
        "dropped:n",
        "dropped:seed",
        "dropped:service_tier",
        "dropped:stop",
        "dropped:top_k",
        "widened:max_output_tokens",
    ]


def test_quirks_of_a_provider_are_applied() -> None:
    conversation = Conversation(
        "m",
        HI,
        temperature=1.0,
        top_p=0.5,
        reasoning=ReasoningWish("low"),
        answer_format=AnswerFormat(FormatKind.JSON_SCHEMA, {"type": "object"}, "n"),
    )
    quirks = Quirks(refuses=("top_p",), renames={"temperature": "heat"}, reasoning_style="none", answer_formats=("text", "json"))
    body, edits = write(conversation, quirks)
    assert body["heat"] == 1.0
    assert body["text"] == {"format": {"type": "json_object"}}
    assert '{"type":"object"}' in body["instructions"]
    assert sorted(edits) == ["dropped:reasoning", "dropped:top_p", "widened:answer_format"]


def test_metadata_are_texts() -> None:
    body, edits = write(Conversation("m", HI, metadata={"a": "b", "c": 1, "d": None}))
    assert body["metadata"] == {"a": "b", "c": "1"}
    assert edits == []


def test_marks_of_cached_prefixes_go_to_who_understands_them() -> None:
    turns = (Turn(Role.USER, (Text("Hi", CacheBreakpoint("1h")),)),)
    body, edits = write(Conversation("m", turns), Quirks(cache_control=True))
    assert body["input"][0]["content"][0]["prompt_cache_breakpoint"] == {"mode": "explicit"}
    assert edits == []
    assert write(Conversation("m", turns))[1] == ["dropped:turns[0].parts[0].cache"]


# --- the law: read(write(x)) == x

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
schemas = st.recursive(
    st.sampled_from([{"type": "string"}, {"type": "integer"}, {"$ref": "#/$defs/node"}, {"anyOf": [{"type": "null"}]}]),
    lambda inner: st.builds(lambda name, schema: {"type": "object", "properties": {name: schema}}, names, inner),
    max_leaves=5,
)
marks = st.none() | st.just(CacheBreakpoint())
media = st.sampled_from([MediaBytes("AAAA", "image/png"), MediaUrl("https://a.example/x"), MediaFile("file-1", "openai")])


def _search(query: str) -> JsonObject:
    return {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": query}}


asked_parts = st.one_of(
    st.builds(Text, texts, marks),
    st.builds(Image, media, st.sampled_from(["low", "high", "auto"]), marks),
    st.builds(Document, st.just(MediaBytes("BBBB", "application/pdf")), name=names, cache=marks),
    st.builds(Document, st.just(MediaFile("file-2", "openai")), cache=marks),
)
said_parts = st.one_of(
    st.builds(Text, texts),
    st.builds(Refusal, texts),
    st.builds(Reasoning, texts | st.just(""), st.tuples(texts), st.none(), st.just("rs_1")),
    st.builds(lambda text: Reasoning(seal=Seal("openai", SealKind.ENCRYPTED, text)), texts),
    st.builds(lambda query: ServerTool("openai", ServerToolKind.WEB_SEARCH, _search(query), "ws_1", query), texts),
)
calls = st.builds(ToolCall, names, names, texts, st.booleans(), item_id=st.none() | st.just("fc_1"))


@st.composite
def model_turns(draw: st.DrawFn) -> list[Turn]:
    """What the model said and, if it called tools, what they answered."""
    made = draw(st.lists(calls, max_size=3, unique_by=lambda call: call.id))
    said = Turn(Role.ASSISTANT, (*draw(st.lists(said_parts, min_size=1, max_size=4)), *made))
    if not made:
        return [said]
    answers = [
        ToolResult(call.id, tuple(draw(st.lists(asked_parts, max_size=2))), call.name, is_custom=call.is_custom) for call in made
    ]
    return [said, Turn(Role.USER, tuple(answers))]


user_turns = st.builds(
    lambda role, parts: [Turn(role, tuple(parts))],
    st.sampled_from([Role.USER, Role.DEVELOPER]),
    st.lists(asked_parts, min_size=1, max_size=3),
)
turns = st.builds(
    lambda system, rounds: (*system, *(turn for asked, said in rounds for turn in (*asked, *said))),
    st.sampled_from([(), (Turn(Role.SYSTEM, (Text("Be kind."),)),)]),
    st.lists(st.tuples(user_turns, model_turns()), max_size=3),
)
TOOLS = (
    FunctionTool("f", "d", {"type": "object"}, strict=True),
    CustomTool("c", None, {"type": "text"}),
    ServerToolUse("openai", ServerToolKind.WEB_SEARCH, {"type": "web_search"}, "web_search"),
)
conversations = st.builds(
    Conversation,
    model=st.just("gpt-5"),
    turns=turns,
    stream=st.booleans(),
    max_output_tokens=st.none() | st.integers(16, 1000),
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    logprobs=st.none() | st.just(value=True),
    top_logprobs=st.none() | st.integers(0, 20),
    tools=st.just(TOOLS) | st.builds(lambda schema: (FunctionTool("g", None, schema, strict=False),), schemas),
    tool_choice=st.none() | st.builds(ToolChoice, st.sampled_from(ChoiceMode)),
    parallel_tool_calls=st.none() | st.booleans(),
    max_tool_calls=st.none() | st.integers(1, 9),
    answer_format=st.none()
    | st.just(AnswerFormat(FormatKind.TEXT))
    | st.just(AnswerFormat(FormatKind.JSON))
    | st.builds(AnswerFormat, st.just(FormatKind.JSON_SCHEMA), schemas, names, st.none() | texts, st.none() | st.booleans()),
    verbosity=st.none() | st.sampled_from(["low", "high"]),
    reasoning=st.none() | st.builds(ReasoningWish, st.sampled_from(["low", "max"]), summary=st.none() | st.just("auto")),
    user=st.none() | texts,
    safety_identifier=st.none() | texts,
    metadata=st.none() | st.dictionaries(names, texts, min_size=1, max_size=2),
    service_tier=st.none() | st.sampled_from(["auto", "flex", "priority"]),
    store=st.none() | st.booleans(),
    previous_response_id=st.none() | st.just("resp_1"),
    conversation_id=st.none() | st.just("conv_1"),
    background=st.none() | st.booleans(),
    truncation=st.none() | st.just("auto"),
    include=st.sampled_from([(), ("reasoning.encrypted_content",), ("file_search_call.results",)]),
    prompt_cache_key=st.none() | texts,
    prompt_cache_retention=st.none() | st.just("24h"),
    vendor=st.sampled_from([{}, {"prompt": {"id": "pmpt_1"}}]),
    vendor_origin=st.just("openai-responses"),
)


@pytest.mark.slow
@given(conversations)
@settings(max_examples=200)
def test_what_is_written_reads_back_as_what_it_was(conversation: Conversation) -> None:
    written, read = Receipt(), Receipt()
    body = write_request(conversation, TargetContext("gpt-5"), written)
    assert read_request(body, RequestContext(""), read) == conversation
    assert written.losses == read.losses == []


# --- the vendor's own description


def _loosened(schema: Any) -> Any:
    """Alternatives overlap in the description (a message is three things at once), so that `oneOf` can never hold."""
    if isinstance(schema, dict):
        return {"anyOf" if name == "oneOf" else name: _loosened(value) for name, value in schema.items()}
    return [_loosened(entry) for entry in schema] if isinstance(schema, list) else schema


@cache
def _validator() -> Draft202012Validator:
    described = yaml.load(SPEC.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    schemas = _loosened(described["components"]["schemas"])
    return Draft202012Validator({"$ref": "#/components/schemas/CreateResponse", "components": {"schemas": schemas}})


def _violations(body: Any) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in _validator().iter_errors(body)]


@pytest.mark.slow
@pytest.mark.skipif(not SPEC.is_file(), reason="the vendor's description is not part of the project and is not here")
@given(conversations)
@settings(max_examples=20, deadline=None)
def test_what_is_written_is_valid_by_the_vendors_description(conversation: Conversation) -> None:
    sealed_by_id_only = [
        part for turn in conversation.turns for part in turn.parts if isinstance(part, Reasoning) and part.id is None
    ]
    body, _ = write(conversation)
    if sealed_by_id_only:  # described as required, and yet the API takes encrypted reasoning without: see the recordings
        body["input"] = [{"id": "rs_0", **item} if item.get("type") == "reasoning" else item for item in body["input"]]
    assert _violations(body) == []


@pytest.mark.skipif(not SPEC.is_file(), reason="the recordings are not part of the project and are not here")
def test_every_recorded_request_is_valid_when_written_anew() -> None:
    invalid: dict[str, list[str]] = {}
    with (SHARED / "index.csv").open(encoding="utf-8") as index:
        paths = [row["path"] for row in csv.DictReader(index) if row["wire"] == "openai-responses" and row["status"] == "200"]
    for path in paths:
        request = decode_json((SHARED / path).read_bytes())["request"]
        if not request or not request.get("body"):
            continue
        conversation = read_request(encode_json(request["body"]), RequestContext("m"), Receipt())
        body, _ = write(conversation)
        body["input"] = [{"id": "rs_0", **item} if item.get("type") == "reasoning" else item for item in body["input"]]
        if found := _violations(body):
            invalid[path] = found
    assert invalid == {}
