from __future__ import annotations

import json
from base64 import b64encode

import pytest

from weighbridge.core.codec import encode_json
from weighbridge.wire.anthropic_messages.content_reader import ContentReader
from weighbridge.wire.anthropic_messages.content_writer import ContentWriter
from weighbridge.wire.conversation import (
    Audio,
    CacheBreakpoint,
    Citation,
    Document,
    Image,
    MediaBytes,
    MediaFile,
    MediaUrl,
    Reasoning,
    Refusal,
    Seal,
    SealKind,
    ServerTool,
    Text,
    ToolCall,
    ToolResult,
    Video,
)
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt

OWN = Seal("anthropic", SealKind.SIGNATURE, "S")
FOREIGN = Seal("gemini", SealKind.SIGNATURE, "G")
PNG = MediaBytes("QQ==", "image/png")
PDF = MediaBytes("QQ==", "application/pdf")


def write(part, quirks=NO_QUIRKS):
    receipt = Receipt()
    block = ContentWriter(quirks, receipt).write(part, (2, 1))
    return json.loads(encode_json(block)), receipt.edits(), [entry.field for entry in receipt._entries.values()]


SAYABLE = [
    Text("a"),
    Text("a", CacheBreakpoint("1h")),
    Text("a", citations=(Citation("anthropic", {"type": "char_location", "cited_text": "x"}, cited_text="x"),)),
    Image(PNG),
    Image(MediaUrl("https://a.example/x.png"), cache=CacheBreakpoint()),
    Image(MediaFile("file_1", "anthropic")),
    Document(PDF, None, "T", "C", cites=True, cache=CacheBreakpoint()),
    Document(MediaUrl("https://a.example/x.pdf")),
    Document(MediaFile("file_1", "anthropic"), cites=False),
    Document(plain_text="words", name="T"),
    ToolCall("toolu_1", "f", '{"a":1}', cache=CacheBreakpoint()),
    ToolResult("toolu_1", (Text("ok"),)),
    ToolResult("toolu_1", (Text("ok", CacheBreakpoint()), Image(PNG), Document(PDF)), is_error=False),
    ToolResult("toolu_1", (), is_error=True, cache=CacheBreakpoint("5m")),
    Reasoning("hm", seal=OWN),
    Reasoning(seal=OWN),
    Reasoning(seal=Seal("anthropic", SealKind.REDACTED, "D")),
    ServerTool("anthropic", "mcp", {"type": "mcp_tool_use", "id": "m", "name": "n"}, "m"),
]


@pytest.mark.parametrize("part", SAYABLE)
def test_what_can_be_said_is_read_back_as_it_was(part):
    block, losses, _ = write(part)
    assert losses == []
    assert ContentReader(Receipt()).read([block], "x") == (part,)


@pytest.mark.parametrize(
    ("part", "lost"),
    [
        (Text(""), []),
        (Text("", CacheBreakpoint()), ["dropped:turns[2].parts[1].cache"]),
        (Image(MediaUrl("gs://bucket/x")), ["dropped:turns[2].parts[1]"]),
        (Image(MediaFile("file_1", "openai")), ["dropped:turns[2].parts[1]"]),
        (Document(MediaBytes("QQ==", "application/msword")), ["dropped:turns[2].parts[1]"]),
        (Document(), ["dropped:turns[2].parts[1]"]),
        (Audio(MediaBytes("QQ==", "audio/wav")), ["dropped:turns[2].parts[1]"]),
        (Video(MediaBytes("QQ==", "video/mp4")), ["dropped:turns[2].parts[1]"]),
        (Reasoning("hm"), ["dropped:turns[2].parts[1]"]),
        (Reasoning("hm", seal=FOREIGN), ["dropped:turns[2].parts[1]"]),
        (ServerTool("openai", "web_search", {}), ["dropped:turns[2].parts[1]"]),
        (Refusal(""), []),
    ],
)
def test_what_cannot_be_said_is_told(part, lost):
    assert write(part)[:2] == (None, lost)


@pytest.mark.parametrize(
    ("part", "lost"),
    [
        (Image(PNG, "high"), "dropped:turns[2].parts[1].detail"),
        (Text("a", seal=FOREIGN), "dropped:turns[2].parts[1].seal"),
        (Text("a", citations=(Citation("openai", {}),)), "dropped:turns[2].parts[1].citations"),
        (ToolCall("t", "f", "{}", seal=FOREIGN), "dropped:turns[2].parts[1].seal"),
        (Audio(id="a", transcript="hi"), "widened:turns[2].parts[1]"),
        (ToolResult("t", (Audio(MediaBytes("QQ==", "audio/wav")),)), "dropped:turns[2].parts[1].parts[0]"),
        (ToolResult("t", (Reasoning("x", seal=OWN),)), "dropped:turns[2].parts[1].parts[0]"),
    ],
)
def test_what_is_said_in_part_names_the_rest(part, lost):
    block, losses, _ = write(part)
    assert block is not None
    assert losses == [lost]


def test_pictures_as_the_provider_takes_them():
    assert write(Image(PNG), Quirks(images="none"))[:2] == (None, ["dropped:turns[2].parts[1]"])
    assert write(Image(MediaUrl("https://a.example/x")), Quirks(images="inline"))[:2] == (None, ["dropped:turns[2].parts[1]"])
    assert write(Image(PNG), Quirks(images="inline"))[1] == []
    assert write(Document(PDF), Quirks(documents=False))[:2] == (None, ["dropped:turns[2].parts[1]"])


def test_a_file_of_text_goes_as_text():
    block, losses, notes = write(Document(MediaBytes(b64encode("é".encode()).decode(), "text/markdown"), name="a.md"))
    assert block == {"type": "document", "title": "a.md", "source": {"type": "text", "media_type": "text/plain", "data": "é"}}
    assert (losses, notes) == ([], ["turns[2].parts[1]"])


def test_arguments_are_never_silently_changed():
    assert write(ToolCall("t", "f", '{"a": 1.50}'))[0]["input"] == {"a": 1.5}
    block, losses, notes = write(ToolCall("t", "f", '{"a": '))
    assert block["input"] == {"arguments": '{"a": '}
    assert (losses, notes) == ([], ["turns[2].parts[1].arguments"])
    assert write(ToolCall("t", "f", "free text", is_custom=True))[0]["input"] == {"input": "free text"}


def test_foreign_ids_are_made_fit_alike_in_call_and_result():
    call, _, notes = write(ToolCall("call.1", "f", "{}"))
    result, _, _ = write(ToolResult("call.1", (Text("ok"),)))
    assert call["id"] == result["tool_use_id"] != "call.1"
    assert notes == ["turns[2].parts[1].id"]


def test_thinking_that_another_dialect_kept_as_a_summary_is_thinking_again():
    block, losses, _ = write(Reasoning(summary=("first", "then"), seal=OWN))
    assert block == {"type": "thinking", "thinking": "first\n\nthen", "signature": "S"}
    assert losses == []


def test_a_text_of_blanks_is_left_out():
    assert write(Text(" \n")) == (None, [], ["turns[2].parts[1]"])


def test_a_refusal_is_text():
    assert write(Refusal("no"))[0] == {"type": "text", "text": "no"}
