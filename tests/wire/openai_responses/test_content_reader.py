"""Content of messages and of results."""

from __future__ import annotations

import pytest

from weighbridge.core.errors import GatewayError
from weighbridge.wire.conversation import Audio, CacheBreakpoint, Document, Image, MediaBytes, MediaFile, MediaUrl, Refusal, Text
from weighbridge.wire.json_value import Json
from weighbridge.wire.openai_responses.content_reader import read_content
from weighbridge.wire.receipt import Receipt


def read(content: Json) -> object:
    return read_content(content, "input[0].content", Receipt())


def test_a_string_is_a_text_and_an_empty_one_nothing() -> None:
    assert read("Hi") == (Text("Hi"),)
    assert read("") == ()


def test_every_kind_of_content_is_read() -> None:
    content: Json = [
        {"type": "input_text", "text": "a"},
        {"type": "input_text", "text": "b", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "output_text", "text": "c", "annotations": [], "logprobs": []},
        {"type": "refusal", "refusal": "no"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"},
        {"type": "input_image", "image_url": "https://a.example/x.png"},
        {"type": "input_image", "file_id": "file-1"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,BBBB", "filename": "a.pdf"},
        {"type": "input_file", "file_data": "BBBB"},
        {"type": "input_file", "file_url": "https://a.example/x.pdf"},
        {"type": "input_file", "file_id": "file-2"},
        {"type": "input_audio", "input_audio": {"data": "CCCC", "format": "mp3"}},
    ]
    assert read(content) == (
        Text("a"),
        Text("b", CacheBreakpoint()),
        Text("c"),
        Refusal("no"),
        Image(MediaBytes("AAAA", "image/png"), "low"),
        Image(MediaUrl("https://a.example/x.png")),
        Image(MediaFile("file-1", "openai")),
        Document(MediaBytes("BBBB", "application/pdf"), name="a.pdf"),
        Document(MediaBytes("BBBB", "application/pdf")),
        Document(MediaUrl("https://a.example/x.pdf")),
        Document(MediaFile("file-2", "openai")),
        Audio(MediaBytes("CCCC", "audio/mp3")),
    )


@pytest.mark.parametrize(
    ("content", "param"),
    [
        (7, "input[0].content"),
        ([7], "input[0].content[0]"),
        ([{"type": "sculpture"}], "input[0].content[0].type"),
        ([{"type": "input_image"}], "input[0].content[0].image_url"),
        ([{"type": "input_file"}], "input[0].content[0].file_data"),
        ([{"type": "input_text"}], "input[0].content[0].text"),
    ],
)
def test_a_refusal_names_the_field_at_fault(content: Json, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        read(content)
    assert caught.value.param == param


def test_an_unknown_option_is_named() -> None:
    receipt = Receipt()
    read_content([{"type": "input_text", "text": "a", "colour": "red"}], "input[0].content", receipt)
    assert [loss.field for loss in receipt.losses] == ["input[0].content[0].colour"]
