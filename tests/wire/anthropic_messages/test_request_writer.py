from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path

import jsonschema
import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.core.errors import GatewayError
from weighbridge.wire.anthropic_messages.request_reader import read_request
from weighbridge.wire.anthropic_messages.request_writer import write_request
from weighbridge.wire.codecs import RequestContext, TargetContext
from weighbridge.wire.conversation import (
    AnswerFormat,
    Audio,
    AudioWish,
    CacheBreakpoint,
    ChoiceMode,
    Citation,
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
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt

RECORDINGS = Path(__file__).parents[3].parent / "shared" / "recordings"
SPEC = RECORDINGS / "specs" / "anthropic.openapi.tryagi.yaml"
ASK = (Turn(Role.USER, (Text("hello"),)),)
# Requests that the description of 2026-08-18 does not know yet, with the reason.
NEWER = {"anthropic/049": "web_search_20260318"}


def write(quirks=NO_QUIRKS, **fields):
    receipt = Receipt()
    conversation = Conversation(**{"model": "asked", "turns": ASK, "max_output_tokens": 100, **fields})
    body = json.loads(write_request(conversation, TargetContext("claude-x", quirks), receipt))
    return body, receipt.edits()


def test_a_plain_request():
    assert write() == ({"model": "claude-x", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}, [])


def test_everything_that_has_a_place():
    body, losses = write(
        stream=True,
        temperature=0.5,
        stop=("END",),
        user="u",
        service_tier="default",
        cache=CacheBreakpoint(),
        tools=(FunctionTool("f", "d", {"type": "object"}),),
        tool_choice=ToolChoice(ChoiceMode.REQUIRED),
        answer_format=AnswerFormat(FormatKind.JSON_SCHEMA, {"type": "object", "properties": {}, "additionalProperties": False}),
    )
    assert losses == []
    assert (body["stream"], body["temperature"], body["stop_sequences"]) == (True, 0.5, ["END"])
    assert (body["metadata"], body["service_tier"], body["cache_control"]) == (
        {"user_id": "u"},
        "standard_only",
        {"type": "ephemeral"},
    )
    assert (body["tool_choice"], body["output_config"]["format"]["type"]) == ({"type": "any"}, "json_schema")


def test_what_has_no_place_is_told():
    body, losses = write(
        n=2,
        seed=1,
        presence_penalty=0.5,
        frequency_penalty=0.5,
        logit_bias={"1": 1},
        logprobs=True,
        top_logprobs=3,
        max_tool_calls=2,
        verbosity="low",
        modalities=("text", "audio"),
        audio=AudioWish("alloy"),
        prediction="x",
        metadata={"a": "b"},
        store=True,
        previous_response_id="resp_1",
        truncation="auto",
        include=("file_search_call.results",),
        prompt_cache_key="k",
        cached_content="c",
        safety_settings=({"category": "x"},),
        service_tier="flex",
        vendor={"grounding": 1},
        vendor_origin="gemini",
    )
    assert set(body) == {"model", "max_tokens", "messages"}
    assert len(losses) == 22
    assert {"dropped:n", "dropped:audio", "dropped:store", "dropped:grounding", "dropped:service_tier"} <= set(losses)


def test_what_asks_for_nothing_is_not_missed():
    nothing = {
        "n": 1,
        "presence_penalty": 0,
        "frequency_penalty": 0.0,
        "logprobs": False,
        "store": False,
        "modalities": ("text",),
        "truncation": "disabled",
        "include": ("reasoning.encrypted_content",),
        "include_usage": True,
    }
    assert write(**nothing)[1] == []


def test_the_end_user_is_one():
    assert write(safety_identifier="s")[0]["metadata"] == {"user_id": "s"}
    assert write(user="u", safety_identifier="s")[1] == ["dropped:safety_identifier"]
    assert write(user="u" * 513) == (write()[0], ["dropped:user"])


def test_own_fields_are_said_again():
    body, losses = write(
        vendor={"container": "c", "output_config": {"task_budget": {"total": 9}}},
        vendor_origin="anthropic",
        reasoning=ReasoningWish("high"),
    )
    assert (body["container"], body["output_config"]) == ("c", {"effort": "high", "task_budget": {"total": 9}})
    assert losses == []


def test_quirks_are_applied():
    body, losses = write(Quirks(refuses=("user", "temperature"), renames={"max_tokens": "limit"}), user="u", temperature=0.1)
    assert (body["limit"], losses) == (100, ["dropped:user", "dropped:temperature"])
    assert "metadata" not in body
    assert "max_tokens" not in body


def test_no_more_cache_marks_than_are_taken():
    marked = Turn(Role.USER, tuple(Text(str(i), CacheBreakpoint()) for i in range(6)))
    body, losses = write(turns=(marked,), tools=(FunctionTool("f", cache=CacheBreakpoint()),))
    assert ["cache_control" in block for block in body["messages"][0]["content"]] == [False] * 2 + [True] * 4
    assert losses == ["dropped:turns.cache"]


def test_thinking_widens_what_it_excludes():
    body, losses = write(
        max_output_tokens=9000,
        reasoning=ReasoningWish("low"),
        temperature=0.1,
        tools=(FunctionTool("f"),),
        tool_choice=ToolChoice(ChoiceMode.REQUIRED),
    )
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 1024}
    assert body["tool_choice"] == {"type": "auto"}
    assert sorted(losses) == ["dropped:temperature", "widened:tool_choice"]


@pytest.mark.parametrize("turns", [(), (Turn(Role.ASSISTANT, (Text(""),)),), (Turn(Role.USER, (Text(""),)),)])
def test_nothing_to_say_is_refused(turns):
    with pytest.raises(GatewayError):
        write(turns=turns)


def test_the_same_request_is_written_the_same():
    assert json.dumps(write(user="u", stop=("a",))) == json.dumps(write(user="u", stop=("a",)))


@cache
def validator(name):
    spec = yaml.load(SPEC.read_text(), Loader=yaml.CSafeLoader)
    return jsonschema.Draft202012Validator({"components": spec["components"], "$ref": f"#/components/schemas/{name}"})


def recorded_bodies():
    with (RECORDINGS / "index.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["wire"] == "anthropic-messages" and row["has_request"] == "yes"]
    for row in rows:
        if row["status"] == "200":
            yield row["path"], json.loads((RECORDINGS / row["path"]).read_bytes())["request"]["body"]


@pytest.mark.slow
@pytest.mark.skipif(not SPEC.is_file(), reason="the vendors' descriptions are not beside this checkout")
@pytest.mark.timeout(300)
def test_recorded_requests_are_written_as_the_vendor_describes_them():
    count = 0
    for path, body in recorded_bodies():
        conversation = read_request(json.dumps(body).encode(), RequestContext("m"), Receipt())
        for said_by in ("anthropic", ""):
            neutral = msgspec.structs.replace(conversation, vendor_origin=said_by)
            receipt = Receipt()
            written = json.loads(write_request(neutral, TargetContext(conversation.model), receipt))
            if path[: path.index("/") + 4] not in NEWER:
                assert [error.message for error in validator("BetaCreateMessageParams").iter_errors(written)] == [], path
            if said_by and "top_p" not in body:
                again = read_request(json.dumps(written).encode(), RequestContext("m"), Receipt())
                assert (again, receipt.losses) == (conversation, []), path
        count += 1
    assert count > 45


names = st.text("abcXYZ_-019", min_size=1, max_size=8)
texts = st.text(min_size=1, max_size=12).filter(lambda text: not text.isspace())
caches = st.sampled_from([None, CacheBreakpoint(), CacheBreakpoint("1h")])
plain = st.builds(Text, texts, caches)
media = st.sampled_from([MediaBytes("QQ==", "image/png"), MediaUrl("https://a.example/x")])
pictures = st.builds(Image, media, st.none(), caches)
documents = st.builds(Document, st.none(), texts, texts | st.none(), st.none(), st.booleans() | st.none(), caches)
arguments = st.dictionaries(names, st.integers() | texts | st.none(), max_size=3).map(
    lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")) if value else "{}"
)
calls = st.builds(ToolCall, names, names, arguments, cache=caches)
seals = st.builds(Seal, st.just("anthropic"), st.just(SealKind.SIGNATURE), names)
thoughts = st.builds(Reasoning, texts, seal=seals)


@st.composite
def conversations(draw):
    """Conversations in the order that this dialect has: the user first, roles in turn, results first and for calls before."""
    turns = []
    called: dict[str, str] = {}
    for _ in range(draw(st.integers(1, 3))):
        results = [
            ToolResult(call_id, tuple(draw(st.lists(plain | pictures, max_size=2))), name, draw(st.booleans() | st.none()))
            for call_id, name in called.items()
        ]
        turns.append(Turn(Role.USER, (*results, *draw(st.lists(plain | pictures | documents, min_size=1, max_size=3)))))
        made = draw(st.lists(calls, max_size=2, unique_by=lambda call: call.id))
        called = {call.id: call.name for call in made}
        turns.append(
            Turn(Role.ASSISTANT, (*draw(st.lists(thoughts, max_size=1)), *draw(st.lists(plain, min_size=1, max_size=2)), *made))
        )
    turns.append(Turn(Role.USER, (draw(plain),)))
    system = draw(st.lists(plain, max_size=2))
    if system:
        turns.insert(0, Turn(Role.SYSTEM, tuple(system)))
    return Conversation(
        "claude-x",
        tuple(turns),
        draw(st.booleans()),
        max_output_tokens=draw(st.integers(1, 10_000)),
        stop=tuple(draw(st.lists(texts, max_size=2))),
        user=draw(texts | st.none()),
        cache=draw(caches),
        vendor_origin="anthropic",
    )


@given(conversations())
def test_what_the_dialect_can_say_is_read_back_as_it_was(conversation):
    receipt = Receipt()
    body = write_request(conversation, TargetContext(conversation.model), receipt)
    if receipt.losses:  # more cache marks than are taken
        assert receipt.edits() == ["dropped:turns.cache"]
        return
    assert read_request(body, RequestContext("m"), Receipt()) == conversation


foreign_seals = st.sampled_from([None, Seal("openai", SealKind.ENCRYPTED, "E"), Seal("gemini", SealKind.SIGNATURE, "G")])
anything = st.one_of(
    st.builds(Text, st.text(max_size=4), caches, st.just((Citation("openai", {}, "https://a.example"),)), foreign_seals),
    st.builds(Image, media | st.just(MediaFile("file_1", "openai")), st.sampled_from([None, "high"])),
    st.builds(Document, media | st.none(), texts | st.none(), texts | st.none()),
    st.builds(Audio, st.just(MediaBytes("QQ==", "audio/wav")), st.none(), texts | st.none()),
)
of_the_assistant = st.one_of(
    plain,
    st.builds(Refusal, st.text(max_size=4)),
    st.builds(Reasoning, st.text(max_size=4), st.just(("s",)), foreign_seals | seals),
    st.builds(ToolCall, st.text(max_size=4), names, arguments | st.text(max_size=4), st.booleans(), foreign_seals, st.just("fc_1")),
    st.just(ServerTool("openai", "web_search", {"type": "web_search_call"})),
)
results = st.builds(
    ToolResult, st.text(max_size=4), st.lists(anything, max_size=2).map(tuple), st.none(), st.booleans() | st.none()
)
foreign_turns = st.one_of(
    st.builds(Turn, st.just(Role.USER), st.lists(anything | results, min_size=1, max_size=3).map(tuple), names | st.none()),
    st.builds(Turn, st.just(Role.ASSISTANT), st.lists(of_the_assistant, min_size=1, max_size=3).map(tuple)),
    st.builds(Turn, st.sampled_from([Role.SYSTEM, Role.DEVELOPER]), st.lists(anything, min_size=1, max_size=2).map(tuple)),
)
tools = st.sampled_from(
    [
        FunctionTool("f", "d", {"type": "object", "properties": {}}, strict=True, cache=CacheBreakpoint()),
        FunctionTool("g"),
        FunctionTool("h", None, {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"anyOf": [{"type": "null"}]}}}),
        CustomTool("patch", None, {"type": "text"}),
        ServerToolUse("openai", ServerToolKind.WEB_SEARCH, {}, None, ("a.example",), ("b.example",), 3, {"city": "Ghent"}),
        ServerToolUse("gemini", ServerToolKind.CODE_EXECUTION, {}),
        ServerToolUse("openai", ServerToolKind.FILE_SEARCH, {}),
    ]
)
choices = st.builds(ToolChoice, st.sampled_from(ChoiceMode), st.sampled_from([(), ("f",), ("f", "g"), ("nobody",)]))
wishes = st.builds(
    ReasoningWish,
    st.sampled_from([None, "none", "minimal", "low", "high", "xhigh", "max"]),
    st.sampled_from([None, 0, 10, 5000]),
    st.sampled_from([None, True, False]),
    st.sampled_from([None, True]),
    st.sampled_from([None, "auto", "omitted"]),
)
formats = st.sampled_from(
    [None, AnswerFormat(FormatKind.JSON), AnswerFormat(FormatKind.JSON_SCHEMA, {"type": "object", "properties": {}}, "n", "d")]
)


@pytest.mark.skipif(not SPEC.is_file(), reason="the vendors' descriptions are not beside this checkout")
@pytest.mark.timeout(300)
@settings(deadline=None, max_examples=60)
@given(
    st.lists(foreign_turns, min_size=1, max_size=5),
    st.lists(tools, max_size=3, unique_by=repr),
    choices | st.none(),
    st.none() | wishes,
    formats,
    st.sampled_from([None, 1, 1500, 50_000]),
    st.sampled_from([None, 0, 0.7, 1, 2]),
    st.sampled_from([NO_QUIRKS, Quirks(adaptive_thinking=("*",))]),
)
def test_whatever_others_say_becomes_what_the_vendor_describes(turns, tools, choice, wish, shape, bound, warmth, quirks):
    conversation = Conversation(
        "m",
        tuple(turns),
        max_output_tokens=bound,
        temperature=warmth,
        top_p=0.5,
        stop=(" ", "x"),
        tools=tuple(tools),
        tool_choice=choice,
        parallel_tool_calls=False,
        answer_format=shape,
        reasoning=wish,
        user="u",
        service_tier="default",
    )
    try:
        written = json.loads(write_request(conversation, TargetContext("m", quirks), Receipt()))
    except GatewayError as error:
        assert error.param  # noqa: PT017 - both ends are right
        return
    assert [error.message for error in validator("BetaCreateMessageParams").iter_errors(written)] == []
    roles = [message["role"] for message in written["messages"]]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"] * (len(roles) % 2)
