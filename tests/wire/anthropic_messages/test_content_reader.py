from __future__ import annotations

import pytest

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.anthropic_messages.content_reader import ContentReader
from weighbridge.wire.conversation import (
    CacheBreakpoint,
    Document,
    Image,
    MediaBytes,
    MediaFile,
    MediaUrl,
    Reasoning,
    Seal,
    SealKind,
    ServerTool,
    Text,
    ToolCall,
    ToolResult,
)
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.sealing import wrap

MARK = {"type": "ephemeral", "ttl": "1h"}
HOUR = CacheBreakpoint("1h")


def read(*blocks, receipt=None):
    return ContentReader(receipt or Receipt()).read(list(blocks), "messages[0].content")


def test_a_string_is_a_text():
    assert ContentReader(Receipt()).read("hi", "x") == (Text("hi"),)


def test_texts_keep_their_marks_and_empty_ones_are_left_out():
    parts = read({"type": "text", "text": "a"}, {"type": "text", "text": ""}, {"type": "text", "text": "b", "cache_control": MARK})
    assert parts == (Text("a"), Text("b", HOUR))


@pytest.mark.parametrize(
    ("source", "media"),
    [
        ({"type": "base64", "media_type": "image/png", "data": "QQ=="}, MediaBytes("QQ==", "image/png")),
        ({"type": "url", "url": "https://a.example/x.png"}, MediaUrl("https://a.example/x.png")),
        ({"type": "file", "file_id": "file_1"}, MediaFile("file_1", "anthropic")),
    ],
)
def test_pictures_come_from_three_places(source, media):
    assert read({"type": "image", "source": source, "cache_control": MARK}) == (Image(media, None, HOUR),)


def test_documents_say_what_they_are():
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "QQ=="}
    document = {"type": "document", "source": pdf, "title": "T", "context": "C", "citations": {"enabled": True}}
    assert read(document) == (Document(MediaBytes("QQ==", "application/pdf"), None, "T", "C", cites=True),)
    text = {"type": "text", "media_type": "text/plain", "data": "words"}
    assert read({"type": "document", "source": text}) == (Document(plain_text="words"),)
    blocks = {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    assert read({"type": "document", "source": blocks}) == (Document(plain_text="a\n\nb"),)


def test_a_search_result_of_the_callers_is_a_document():
    block = {
        "type": "search_result",
        "source": "https://a.example",
        "title": "T",
        "content": [{"type": "text", "text": "x"}],
        "citations": {"enabled": True},
    }
    assert read(block) == (Document(None, "x", "T", "https://a.example", cites=True),)


def test_a_result_names_the_tool_that_was_called_before():
    reader = ContentReader(Receipt())
    call = reader.read([{"type": "tool_use", "id": "t1", "name": "look", "input": {"a": [1, 2.5]}}], "x")
    assert call == (ToolCall("t1", "look", '{"a":[1,2.5]}'),)
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "ok", "is_error": True, "cache_control": MARK}
    assert reader.read([result], "x") == (ToolResult("t1", (Text("ok"),), "look", is_error=True, cache=HOUR),)


@pytest.mark.parametrize("content", [None, "", []])
def test_a_result_may_be_empty(content):
    assert read({"type": "tool_result", "tool_use_id": "t1", "content": content}) == (ToolResult("t1", ()),)


def test_a_call_without_input_takes_no_arguments():
    assert read({"type": "tool_use", "id": "t", "name": "n", "input": {}}) == (ToolCall("t", "n", "{}"),)


def test_thinking_keeps_its_signature():
    own = {"type": "thinking", "thinking": "hm", "signature": "S"}
    assert read(own) == (Reasoning("hm", seal=Seal("anthropic", SealKind.SIGNATURE, "S")),)
    empty = {"type": "thinking", "thinking": "", "signature": "S"}
    assert read(empty) == (Reasoning(seal=Seal("anthropic", SealKind.SIGNATURE, "S")),)
    redacted = {"type": "redacted_thinking", "data": "D"}
    assert read(redacted) == (Reasoning(seal=Seal("anthropic", SealKind.REDACTED, "D")),)
    assert read({"type": "thinking", "thinking": "hm", "signature": ""}) == (Reasoning("hm"),)
    assert read({"type": "thinking", "thinking": "", "signature": ""}) == ()


def test_foreign_seals_come_back_as_they_were():
    encrypted = Seal("openai", SealKind.ENCRYPTED, "E")
    assert read({"type": "redacted_thinking", "data": wrap(encrypted, "anthropic")}) == (Reasoning(seal=encrypted),)
    assert read({"type": "thinking", "thinking": "t", "signature": wrap(encrypted, "anthropic")}) == (
        Reasoning("t", seal=encrypted),
    )


def test_a_seal_behind_a_call_or_a_text_belongs_to_it():
    signed = Seal("gemini", SealKind.SIGNATURE, "G")
    seal = {"type": "redacted_thinking", "data": wrap(signed, "anthropic")}
    call = {"type": "tool_use", "id": "t", "name": "n", "input": {}}
    assert read(call, seal, call) == (ToolCall("t", "n", "{}", seal=signed), ToolCall("t", "n", "{}"))
    assert read({"type": "text", "text": "a"}, seal) == (Text("a", seal=signed),)
    assert read(seal) == (Reasoning(seal=signed),)


@pytest.mark.parametrize("kind", ["server_tool_use", "web_search_tool_result", "mcp_tool_use", "container_upload", "of_tomorrow"])
def test_blocks_that_only_anthropic_knows_are_kept_whole(kind):
    block = {"type": kind, "id": "x", "content": [{"deep": [1]}]}
    (part,) = read(block)
    assert isinstance(part, ServerTool)
    assert part.raw == block


def test_unknown_members_are_told():
    receipt = Receipt()
    read({"type": "text", "text": "a", "colour": "red"}, receipt=receipt)
    assert receipt.edits() == ["dropped:messages[0].content[0].colour"]


@pytest.mark.parametrize(
    ("block", "param"),
    [
        (3, "messages[0].content[0]"),
        ({}, "messages[0].content[0].type"),
        ({"type": "text", "text": 3}, "messages[0].content[0].text"),
        ({"type": "image"}, "messages[0].content[0].source"),
        ({"type": "image", "source": {"type": "cloud"}}, "messages[0].content[0].source.type"),
        ({"type": "tool_use", "id": "x", "name": "y", "input": []}, "messages[0].content[0].input"),
    ],
)
def test_what_is_wrong_is_named(block, param):
    with pytest.raises(GatewayError) as caught:
        read(block)
    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert caught.value.param == param
