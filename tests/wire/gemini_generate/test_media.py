"""Files within a request and by their address, both ways."""

from __future__ import annotations

import pytest

from weighbridge.core.errors import GatewayError
from weighbridge.wire.conversation import Audio, Document, Image, MediaBytes, MediaFile, MediaUrl, Video
from weighbridge.wire.fields import Fields
from weighbridge.wire.gemini_generate.media import decodable, read_file, read_inline, type_by_name, write_media

UPLOADED = "https://generativelanguage.googleapis.com/v1beta/files/abc"


@pytest.mark.parametrize(
    ("media_type", "kind"), [("image/png", Image), ("audio/wav", Audio), ("video/mp4", Video), ("application/pdf", Document)]
)
def test_the_type_tells_what_a_blob_is(media_type, kind):
    part = read_inline(Fields({"mimeType": media_type, "data": "QQ=="}, "inlineData"))
    assert isinstance(part, kind)
    assert part.source == MediaBytes("QQ==", media_type)
    assert write_media(part, part.source) == {"inlineData": {"mimeType": media_type, "data": "QQ=="}}


@pytest.mark.parametrize(
    ("file", "part"),
    [
        ({"fileUri": "gs://b/x.wav", "mimeType": "audio/wav"}, Audio(MediaUrl("gs://b/x.wav", "audio/wav"))),
        ({"fileUri": UPLOADED, "mimeType": "application/pdf"}, Document(MediaFile(UPLOADED, "gemini", "application/pdf"))),
        ({"fileUri": "https://a.b/c.PNG?x=1"}, Image(MediaUrl("https://a.b/c.PNG?x=1"))),
        ({"fileUri": "https://www.youtube.com/watch?v=1"}, Video(MediaUrl("https://www.youtube.com/watch?v=1"))),
        ({"fileUri": "https://a.b/c"}, Document(MediaUrl("https://a.b/c"))),
    ],
)
def test_a_file_is_read_by_its_type_or_its_address(file, part):
    assert read_file(Fields(file, "fileData")) == part


def test_a_file_without_an_address_is_refused():
    with pytest.raises(GatewayError) as refused:
        read_file(Fields({}, "contents[0].parts[0].fileData"))
    assert refused.value.param == "contents[0].parts[0].fileData.fileUri"


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (Image(MediaUrl("https://a.b/c.webp")), {"fileUri": "https://a.b/c.webp", "mimeType": "image/webp"}),
        (Image(MediaUrl("https://a.b/c")), {"fileUri": "https://a.b/c", "mimeType": "image/jpeg"}),
        (Document(MediaUrl("https://a.b/c")), {"fileUri": "https://a.b/c", "mimeType": "application/pdf"}),
        (Audio(MediaFile(UPLOADED, "gemini")), {"fileUri": UPLOADED}),
    ],
)
def test_an_address_is_sent_with_a_type_since_google_looks_for_none(part, written):
    assert write_media(part, part.source) == {"fileData": written}


def test_a_file_of_another_vendor_cannot_be_sent():
    assert write_media(Image(MediaFile("file_1", "openai")), MediaFile("file_1", "openai")) is None


def test_sound_of_an_unknown_type_gets_the_usual_one():
    assert write_media(Audio(), MediaBytes("QQ==", "audio/*")) == {"inlineData": {"mimeType": "audio/mpeg", "data": "QQ=="}}


def test_the_ending_of_a_name_tells_its_type():
    assert type_by_name("https://a.b/c.pdf#page=2") == "application/pdf"
    assert type_by_name("https://a.b/c") is None


def test_sound_that_cannot_be_decoded_is_none():
    assert [decodable(text) for text in ("QUI=", "-_-_", "x", "????")] == ["QUI=", "+/+/", "", ""]
