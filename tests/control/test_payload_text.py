from __future__ import annotations

import gzip

import msgspec
import pytest

from weighbridge.control.payload_text import kept_payload
from weighbridge.control.redactor import Redactor
from weighbridge.core.payloads import Payload

SECRET = "sk-proj-AbCdEfGhIjKlMnOpQrStUv"
REDACTOR = Redactor(("secrets", "media"))


def payload(request=b"{}", reply=b"{}", reply_type="application/json", coding="", **facts):
    made = Payload("req_1", 1, "", "", request, len(request), reply, len(reply), reply_type, coding)
    return msgspec.structs.replace(made, **facts)


def chunks(*pieces):
    return b"".join(b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n' % piece.encode() for piece in pieces)


def test_json_stays_json_in_its_order_without_what_is_taken_out():
    asked = b'{"model":"m", "z":1, "messages":[{"content":"it is %b"}], "a":2}' % SECRET.encode()
    kept = kept_payload(payload(request=asked), REDACTOR)
    assert kept.request == '{"model":"m","z":1,"messages":[{"content":"it is [secret]"}],"a":2}'
    assert (kept.request_bytes, kept.request_is_whole) == (len(asked), True)


def test_escapes_hide_nothing():
    asked = '{"a":"' + "".join(f"\\u{ord(each):04x}" for each in SECRET) + '"}'
    assert kept_payload(payload(request=asked.encode()), REDACTOR).request == '{"a":"[secret]"}'


def test_a_secret_that_a_stream_cut_in_pieces_is_taken_out():
    kept = kept_payload(payload(reply=chunks("it is ", *SECRET, ", well"), reply_type="text/event-stream"), REDACTOR)
    assert kept.reply == "it is [secret], well"


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"type":"text_delta","text":"Hi "}}\n\n', "Hi "),
        (b'data: {"candidates":[{"content":{"parts":[{"text":"Hi "}]}}]}\n\n', "Hi "),
        (b'data: {"type":"response.output_text.delta","delta":"Hi "}\n\n', "Hi "),
    ],
)
def test_streams_of_every_dialect_are_text(reply, text):
    assert kept_payload(payload(reply=reply, reply_type="text/event-stream"), REDACTOR).reply == text


def test_a_beginning_is_text_and_says_so():
    asked = b'{"messages":"' + SECRET.encode() + b" and so"
    kept = kept_payload(payload(request=asked, request_bytes=9_000), REDACTOR)
    assert kept.request == '{"messages":"[secret] and so'
    assert (kept.request_bytes, kept.request_is_whole) == (9_000, False)


def test_a_compressed_reply_is_read_also_its_beginning():
    whole = gzip.compress(b'{"a":"' + SECRET.encode() + b'"}')
    assert kept_payload(payload(reply=whole, coding="gzip"), REDACTOR).reply == '{"a":"[secret]"}'
    long = gzip.compress(b'{"a":"' + b"0123 56 89" * 50_000 + b'"}')
    assert kept_payload(payload(reply=long[:200], coding="gzip", reply_bytes=len(long)), REDACTOR).reply.startswith('{"a":"0123')
    assert kept_payload(payload(reply=b"\x1f\x8bno", coding="gzip"), REDACTOR).reply == "[a reply in the coding 'gzip']"
    assert kept_payload(payload(reply=b"x", coding="lzma"), REDACTOR).reply == "[a reply in the coding 'lzma']"


@pytest.mark.parametrize(
    ("reply", "kind", "text"), [(b"\x00\xff" * 600, "audio/mpeg", "[1,200 bytes of audio/mpeg]"), (b"", "", "")]
)
def test_what_is_no_text_is_told_and_not_kept(reply, kind, text):
    assert kept_payload(payload(reply=reply, reply_type=kind), REDACTOR).reply == text


def test_what_is_no_json_is_kept_as_it_reads():
    assert kept_payload(payload(request=b"\xff{no"), REDACTOR).request == "\ufffd{no"
    assert kept_payload(payload(request=b'{"a":"\xff"}'), REDACTOR).request == '{"a":"\ufffd"}'
    deep = b"[" * 100_000
    assert kept_payload(payload(request=deep), REDACTOR).request == deep.decode()


def test_a_stream_as_an_array_is_text_as_well():
    pieces = [
        b'{"candidates":[{"content":{"parts":[{"text":"%b"}]}}]}' % each.encode()
        for each in ("it is sk-proj-AbCd", "EfGhIjKlMnOpQr")
    ]
    assert kept_payload(payload(reply=b"[" + b",".join(pieces) + b"]"), REDACTOR).reply == "it is [secret]"
