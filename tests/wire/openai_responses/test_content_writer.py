"""Parts -> content of a message or a result."""

from __future__ import annotations

from weighbridge.wire.conversation import (
    Audio,
    CacheBreakpoint,
    Document,
    Image,
    MediaBytes,
    MediaFile,
    MediaUrl,
    Part,
    Refusal,
    Seal,
    SealKind,
    Text,
    Video,
)
from weighbridge.wire.json_value import Json
from weighbridge.wire.openai_responses.content_writer import ContentWriter
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt


def write(*parts: Part, quirks: Quirks = NO_QUIRKS, keeps_cache: bool = True) -> tuple[Json, list[str]]:
    receipt = Receipt()
    writer = ContentWriter(quirks, receipt, keeps_cache=keeps_cache)
    return writer.write([(f"p{i}", part) for i, part in enumerate(parts)]), receipt.edits()


def test_one_plain_text_is_a_string() -> None:
    assert write(Text("Hi")) == ("Hi", [])


def test_every_kind_of_part_is_written() -> None:
    content, edits = write(
        Text("a", CacheBreakpoint()),
        Refusal("no"),
        Image(MediaBytes("AAAA", "image/png"), "low"),
        Image(MediaUrl("https://a.example/x.png")),
        Image(MediaFile("file-1", "openai")),
        Audio(MediaBytes("CCCC", "audio/mpeg")),
        Audio(transcript="said"),
        Document(MediaBytes("BBBB", "application/pdf"), name="a.pdf"),
        Document(MediaBytes("BBBB", "application/pdf")),
        Document(MediaUrl("https://a.example/x.pdf"), name="x.pdf"),
        Document(MediaFile("file-2", "openai")),
        Document(plain_text="body", name="Title"),
    )
    assert edits == []
    assert content == [
        {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "input_text", "text": "no"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"},
        {"type": "input_image", "image_url": "https://a.example/x.png", "detail": "auto"},
        {"type": "input_image", "file_id": "file-1", "detail": "auto"},
        {"type": "input_audio", "input_audio": {"data": "CCCC", "format": "mp3"}},
        {"type": "input_text", "text": "said"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,BBBB"},
        {"type": "input_file", "filename": "file.pdf", "file_data": "data:application/pdf;base64,BBBB"},
        {"type": "input_file", "file_url": "https://a.example/x.pdf", "filename": "x.pdf"},
        {"type": "input_file", "file_id": "file-2"},
        {"type": "input_text", "text": "Title\n\nbody"},
    ]


def test_what_cannot_be_said_is_named() -> None:
    content, edits = write(
        Video(MediaUrl("https://a.example/x.mp4")),
        Image(MediaUrl("gs://bucket/x.png")),
        Image(MediaFile("files/1", "gemini")),
        Audio(MediaBytes("CCCC", "audio/flac")),
        Document(plain_text="body", context="c", cites=True),
        Text("x", CacheBreakpoint("1h"), seal=Seal("gemini", SealKind.SIGNATURE, "s")),
        keeps_cache=False,
    )
    assert content == [{"type": "input_text", "text": "body"}, {"type": "input_text", "text": "x"}]
    assert edits == [
        "dropped:p0",
        "dropped:p1",
        "dropped:p2",
        "dropped:p3",
        "dropped:p4.context",
        "dropped:p4.cites",
        "dropped:p5.seal",
        "dropped:p5.cache",
    ]


def test_media_that_a_provider_does_not_take_are_left_out() -> None:
    parts = (
        Image(MediaUrl("https://a.example/x.png")),
        Image(MediaBytes("AAAA", "image/png")),
        Audio(MediaBytes("CCCC", "audio/wav")),
        Document(MediaFile("file-2", "openai")),
    )
    content, edits = write(*parts, quirks=Quirks(images="inline", audio_input=False, documents=False))
    assert content == [{"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"}]
    assert edits == ["dropped:p0", "dropped:p2", "dropped:p3"]
    assert write(*parts, quirks=Quirks(images="none"))[1] == ["dropped:p0", "dropped:p1"]
