"""Files as Converse's blocks."""

from __future__ import annotations

from base64 import b64encode

import pytest

from weighbridge.wire.bedrock_converse.media import MediaWriter
from weighbridge.wire.conversation import Audio, Document, Image, MediaBytes, MediaFile, MediaUrl, Video
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt

PNG = "iVBORw0KGgo="


def writer(quirks=NO_QUIRKS):
    receipt = Receipt()
    return MediaWriter(quirks, receipt), receipt


def test_a_picture_goes_by_what_it_is_and_not_by_what_it_is_called():
    write, _ = writer()
    assert write.image(Image(MediaBytes(PNG, "image/jpeg")), "p") == {"image": {"format": "png", "source": {"bytes": PNG}}}
    assert write.image(Image(MediaBytes("////", "image/jpg")), "p") == {"image": {"format": "jpeg", "source": {"bytes": "////"}}}


def test_a_place_in_s3_is_passed_on():
    write, _ = writer()
    source = MediaUrl("s3://bucket/kiwi.png", "image/png")
    assert write.image(Image(source), "p") == {"image": {"format": "png", "source": {"s3Location": {"uri": source.url}}}}


@pytest.mark.parametrize(
    "source",
    [
        MediaUrl("https://example.com/kiwi.png", "image/png"),
        MediaFile("file-1", "openai"),
        MediaBytes("AAAA", "image/tiff"),
        MediaUrl("s3://bucket/kiwi"),
    ],
)
def test_what_cannot_be_sent_is_dropped_with_a_note(source):
    write, receipt = writer()
    assert write.image(Image(source), "turns[0].parts[0]") is None
    assert receipt.edits() == ["dropped:turns[0].parts[0]"]


def test_a_provider_without_eyes_and_ears_gets_nothing_to_see_or_hear():
    write, receipt = writer(Quirks(images="none", audio_input=False, documents=False))
    assert write.image(Image(MediaBytes(PNG, "image/png")), "a") is None
    assert write.audio(Audio(MediaBytes("AAAA", "audio/wav")), "b") is None
    assert write.document(Document(plain_text="x"), "c") is None
    assert receipt.edits() == ["dropped:a", "dropped:b", "dropped:c"]


def test_films_and_sounds_have_formats_of_their_own():
    write, _ = writer()
    assert write.video(Video(MediaBytes("AAAA", "video/3gpp")), "p") == {
        "video": {"format": "three_gp", "source": {"bytes": "AAAA"}}
    }
    assert write.audio(Audio(MediaBytes("AAAA", "audio/mpeg")), "p") == {"audio": {"format": "mp3", "source": {"bytes": "AAAA"}}}


@pytest.mark.parametrize(
    ("media_type", "name", "form"),
    [
        ("application/pdf", "a.pdf", "pdf"),
        ("text/plain; charset=utf-8", "a.txt", "txt"),
        ("text/plain", "notes.md", "md"),
        ("application/octet-stream", "sheet.xlsx", "xlsx"),
        ("text/x-python", "a.py", "txt"),
    ],
)
def test_a_documents_format_follows_from_its_type_and_its_name(media_type, name, form):
    write, _ = writer()
    block = write.document(Document(MediaBytes("AAAA", media_type), name=name), "p")
    assert block is not None
    assert block["document"]["format"] == form
    assert block["document"]["source"] == {"bytes": "AAAA"}


def test_a_text_that_shall_be_cited_is_given_as_text_and_else_as_a_file():
    write, _ = writer()
    cited = write.document(Document(plain_text="facts", name="a", context="c", cites=True), "p")
    assert cited == {
        "document": {"format": "txt", "name": "a", "source": {"text": "facts"}, "context": "c", "citations": {"enabled": True}}
    }
    plain = write.document(Document(plain_text="facts", name="b"), "p")
    assert plain == {"document": {"format": "txt", "name": "b", "source": {"bytes": b64encode(b"facts").decode()}}}


def test_names_of_documents_are_brought_into_the_alphabet_and_differ():
    write, receipt = writer()
    names = [
        write.document(Document(plain_text="x", name=name), f"p{i}")["document"]["name"]
        for i, name in enumerate(["q3_report.v2 é.pdf", "q3_report.v2 é.pdf", None, None, "…", "x" * 300])
    ]
    assert names == ["q3 report v2 pdf", "q3 report v2 pdf (2)", "Document", "Document (2)", "Document (3)", "x" * 200]
    assert receipt.losses == []


def test_a_document_of_an_unknown_kind_is_dropped():
    write, receipt = writer()
    assert write.document(Document(MediaBytes("AAAA", "application/zip"), name="a.zip"), "p") is None
    assert write.document(Document(MediaUrl("https://example.com/a.pdf", "application/pdf")), "q") is None
    assert write.document(Document(), "r") is None
    assert receipt.edits() == ["dropped:p", "dropped:q", "dropped:r"]
