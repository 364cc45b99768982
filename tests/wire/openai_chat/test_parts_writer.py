from __future__ import annotations

import pytest

from weighbridge.wire.conversation import (
    Audio,
    CacheBreakpoint,
    Conversation,
    Document,
    Image,
    MediaBytes,
    MediaFile,
    MediaUrl,
    Text,
    Video,
)
from weighbridge.wire.openai_chat.parts_writer import PartsWriter
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt

PDF = MediaBytes("QQ==", "application/pdf")


def write(part, quirks=NO_QUIRKS, receipt=None, **facts):
    return PartsWriter(Conversation("m", (), **facts), quirks, receipt or Receipt()).write(part, "p")


@pytest.mark.parametrize(
    ("part", "quirks"),
    [
        (Image(MediaFile("f", "openai")), NO_QUIRKS),
        (Image(MediaUrl("https://a.example/x.png")), Quirks(images="inline")),
        (Image(MediaBytes("QQ==", "image/png")), Quirks(images="none")),
        (Audio(MediaUrl("https://a.example/x.mp3")), NO_QUIRKS),
        (Audio(MediaBytes("QQ==", "audio/wav")), Quirks(audio_input=False)),
        (Document(PDF), Quirks(documents=False)),
        (Document(MediaFile("f", "anthropic")), NO_QUIRKS),
        (Document(MediaUrl("https://a.example/x.pdf")), NO_QUIRKS),
        (Video(MediaUrl("https://a.example/x.mp4")), Quirks(is_strict_about_fields=True)),
    ],
)
def test_what_the_provider_does_not_take_is_dropped_by_its_place(part, quirks):
    receipt = Receipt()
    assert write(part, quirks, receipt) is None
    assert receipt.edits() == ["dropped:p"]


@pytest.mark.parametrize(("kind", "name"), [("audio/mpeg", "mp3"), ("audio/x-wav", "wav"), ("audio/flac", "flac")])
def test_sounds_are_named_in_openais_words(kind, name):
    assert write(Audio(MediaBytes("QQ==", kind)))["input_audio"] == {"data": "QQ==", "format": name}


def test_a_text_file_is_a_text_since_files_are_pdf():
    assert write(Document(MediaBytes("SGk=", "text/plain"), name="a.txt")) == {"type": "text", "text": "a.txt\n\nHi"}
    assert write(Document(MediaBytes("/w==", "text/plain")))["type"] == "file"
    assert write(Document(PDF))["file"] == {"filename": "document.pdf", "file_data": "data:application/pdf;base64,QQ=="}


def test_files_by_address_go_to_those_who_route():
    part = Document(MediaUrl("https://a.example/x.pdf"))
    assert write(part, Quirks(cache_control=True))["file"]["file_data"] == "https://a.example/x.pdf"


def test_breakpoints_are_said_in_the_providers_way():
    part = Text("a", CacheBreakpoint("1h"))
    assert write(part, Quirks(cache_control=True))["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    own = {"vendor": {"prompt_cache_options": {}}, "vendor_origin": "openai-responses"}
    assert write(part, **own)["prompt_cache_breakpoint"] == {"mode": "explicit"}
    receipt = Receipt()
    assert write(part, receipt=receipt) == {"type": "text", "text": "a"}
    assert receipt.edits() == ["dropped:p.cache"]
