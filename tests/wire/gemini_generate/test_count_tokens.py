"""Counts, asked and answered."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.codecs import RequestContext, TargetContext
from weighbridge.wire.conversation import Conversation, FunctionTool, Role, Text, Turn
from weighbridge.wire.gemini_generate import (
    read_count_reply,
    read_count_request,
    write_count_reply,
    write_count_request,
    write_vertex_count_request,
)
from weighbridge.wire.receipt import Receipt

RECORDINGS = Path(__file__).parents[3].parent / "shared" / "recordings"
CONTENTS = [{"role": "user", "parts": [{"text": "hi"}]}]
HI = (Turn(Role.USER, (Text("hi"),)),)
CONTEXT = RequestContext("gemini-x")


@pytest.mark.parametrize(
    "body",
    [
        {"contents": CONTENTS},
        {"generateContentRequest": {"model": "models/gemini-x", "contents": CONTENTS}},
        {"generate_content_request": {"contents": CONTENTS}, "model": "x"},
    ],
)
def test_contents_alone_or_a_whole_request_are_counted(body):
    receipt = Receipt()
    assert read_count_request(encode_json(body), CONTEXT, receipt) == Conversation("gemini-x", HI, vendor_origin="gemini")
    assert receipt.edits() == []


def test_what_stands_beside_a_whole_request_is_named():
    receipt = Receipt()
    read_count_request(encode_json({"generateContentRequest": {"contents": CONTENTS}, "contents": CONTENTS}), CONTEXT, receipt)
    assert receipt.edits() == ["dropped:contents"]


def test_a_request_to_count_is_wrapped_for_the_gemini_api():
    conversation = Conversation("m", HI, tools=(FunctionTool("f"),), service_tier="flex", max_output_tokens=5)
    body = decode_json(write_count_request(conversation, TargetContext("gemini-x"), Receipt()))
    assert body == {
        "generateContentRequest": {
            "model": "models/gemini-x",
            "contents": CONTENTS,
            "tools": [{"functionDeclarations": [{"name": "f"}]}],
            "generationConfig": {"maxOutputTokens": 5},
        }
    }


def test_a_request_to_count_is_plain_for_vertex():
    conversation = Conversation("m", (Turn(Role.SYSTEM, (Text("s"),)), *HI))
    body = decode_json(write_vertex_count_request(conversation, TargetContext("gemini-x"), Receipt()))
    assert body == {"contents": CONTENTS, "systemInstruction": {"parts": [{"text": "s"}]}}


def test_a_count_is_read_as_it_was_written():
    assert read_count_reply(write_count_reply(7)) == 7


@pytest.mark.parametrize("body", [b"", b"{}", b'{"totalTokens":"x"}', b'{"totalTokens":-1}', b"\xff"])
def test_what_tells_no_count_is_malformed(body):
    with pytest.raises(GatewayError) as raised:
        read_count_reply(body)
    assert raised.value.kind is ErrorKind.PROVIDER_MALFORMED


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not part of the project and are not here")
def test_recorded_counts_are_read():
    with (RECORDINGS / "index.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["wire"] == "gemini-count-tokens"]
    assert rows
    for row in rows:
        exchange = decode_json((RECORDINGS / row["path"]).read_bytes())
        receipt = Receipt()
        assert read_count_request(encode_json(exchange["request"]["body"]), CONTEXT, receipt).turns
        assert receipt.edits() == [], row["path"]
        assert read_count_reply(encode_json(exchange["response"]["body"])) == exchange["response"]["body"]["totalTokens"]
