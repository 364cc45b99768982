from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.anthropic_messages.count_tokens import (
    estimate_input_tokens,
    read_count_reply,
    read_count_request,
    write_count_reply,
    write_count_request,
)
from weighbridge.wire.codecs import RequestContext, TargetContext
from weighbridge.wire.conversation import (
    AnswerFormat,
    Audio,
    Conversation,
    CustomTool,
    Document,
    FormatKind,
    FunctionTool,
    Image,
    MediaBytes,
    MediaUrl,
    Reasoning,
    Refusal,
    Role,
    ServerTool,
    ServerToolKind,
    ServerToolUse,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Video,
)
from weighbridge.wire.receipt import Receipt

RECORDINGS = Path(__file__).parents[3].parent / "shared" / "recordings"


def asking(*parts, **fields):
    return Conversation("m", (Turn(Role.USER, parts),), **fields)


def test_a_request_to_count_says_what_is_counted_and_no_more():
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "system": "s",
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "auto"},
    }
    conversation = read_count_request(json.dumps(body).encode(), RequestContext("m"), Receipt())
    assert json.loads(write_count_request(conversation, TargetContext("m"), Receipt())) == body
    asked = asking(Text("hi"), user="u", temperature=0.5, max_output_tokens=9, stop=("x",), stream=True)
    assert set(json.loads(write_count_request(asked, TargetContext("m"), Receipt()))) == {"model", "messages"}


def test_the_answer_is_a_number():
    assert write_count_reply(43) == b'{"input_tokens":43}'
    assert read_count_reply(b'{"input_tokens":43,"x":1}') == 43


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"input_tokens":null}', b'{"input_tokens":"many"}', b'{"input_tokens":-1}'])
def test_an_answer_without_a_number_is_malformed(body):
    with pytest.raises(GatewayError) as caught:
        read_count_reply(body)
    assert caught.value.kind is ErrorKind.PROVIDER_MALFORMED


def test_an_estimate_grows_with_everything_that_is_read():
    base = estimate_input_tokens(asking(Text("hi")))
    more = [
        Refusal("no"),
        Image(MediaUrl("https://a.example/x.png")),
        Document(plain_text="words"),
        Document(MediaBytes("QUFB" * 100, "application/pdf")),
        Document(MediaBytes("QUFB" * 100, "text/plain")),
        Document(MediaUrl("https://a.example/x.pdf")),
        Audio(MediaBytes("QUFB" * 1000, "audio/wav"), transcript="hi"),
        Video(MediaBytes("QUFB" * 1000, "video/mp4")),
        ToolCall("t", "f", '{"a":1}'),
        ToolResult("t", (Text("ok"),)),
        Reasoning("hm"),
        ServerTool("anthropic", "x", {"type": "x"}),
    ]
    for part in more:
        assert estimate_input_tokens(asking(Text("hi"), part)) > base, part
    search = ServerToolUse("anthropic", ServerToolKind.WEB_SEARCH, {"type": "web_search_20250305"})
    for tool in (FunctionTool("f", "d", {"type": "object"}), CustomTool("f"), search):
        assert estimate_input_tokens(asking(Text("hi"), tools=(tool,))) > base + 300
    shape = AnswerFormat(FormatKind.JSON_SCHEMA, {"type": "object"})
    assert estimate_input_tokens(asking(Text("hi"), answer_format=shape)) > base


def test_a_picture_counts_as_a_large_one():
    assert estimate_input_tokens(asking(Image(MediaBytes("QQ==", "image/png")))) > 1_600


SERVERS = ("mcp_servers", "container", "context_management")
"""What makes a provider read more than the request holds."""


def is_read_as_it_stands(body):
    runs_tools = any(tool.get("type", "custom") != "custom" for tool in body.get("tools", ()))
    return not runs_tools and not any(name in body for name in SERVERS) and '"image"' not in json.dumps(body)


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recorded exchanges are not beside this checkout")
def test_an_estimate_is_rather_high_than_low():
    with (RECORDINGS / "expected_usage.csv").open() as file:
        counted = {row["path"]: int(row["input_tokens"] or 0) for row in csv.DictReader(file) if row["api"] == "anthropic-messages"}
    ratios = {}
    for path, count in counted.items():
        request = json.loads((RECORDINGS / path).read_bytes())["request"]
        if count and request is not None and is_read_as_it_stands(request["body"]):
            conversation = read_count_request(json.dumps(request["body"]).encode(), RequestContext("m"), Receipt())
            ratios[path] = estimate_input_tokens(conversation) / count
    assert len(ratios) > 25
    assert min(ratios.values()) > 0.9
    assert sorted(ratios.values())[len(ratios) // 2] < 1.5


def recorded():
    with (RECORDINGS / "index.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["wire"] == "anthropic-count-tokens" and row["status"] == "200"]
    for row in rows:
        exchange = json.loads((RECORDINGS / row["path"]).read_bytes())
        yield exchange["request"]["body"], exchange["response"]["body"]


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recorded exchanges are not beside this checkout")
def test_recorded_counts():
    count = 0
    for request, reply in recorded():
        receipt = Receipt()
        conversation = read_count_request(json.dumps(request).encode(), RequestContext("m"), receipt)
        written = json.loads(write_count_request(conversation, TargetContext(conversation.model), receipt))
        assert receipt.losses == []
        assert set(written) == set(request)
        known = read_count_reply(json.dumps(reply).encode())
        assert json.loads(write_count_reply(known)) == reply
        count += 1
    assert count == 3
