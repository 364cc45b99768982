"""AWS event stream frames: both ways, every split, and no damage unnoticed."""

from __future__ import annotations

import struct
from base64 import b64decode
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.codec import decode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.aws_events import (
    MAX_FRAME_BYTES,
    AwsEvent,
    AwsEventDecoder,
    HeaderType,
    HeaderValue,
    encode_event,
)

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "recordings" / "bedrock"

values = st.one_of(
    st.just(HeaderValue(HeaderType.TRUE, value=True)),
    st.just(HeaderValue(HeaderType.FALSE, value=False)),
    st.integers(-(2**7), 2**7 - 1).map(lambda n: HeaderValue(HeaderType.BYTE, n)),
    st.integers(-(2**15), 2**15 - 1).map(lambda n: HeaderValue(HeaderType.SHORT, n)),
    st.integers(-(2**31), 2**31 - 1).map(lambda n: HeaderValue(HeaderType.INTEGER, n)),
    st.integers(-(2**63), 2**63 - 1).map(lambda n: HeaderValue(HeaderType.LONG, n)),
    st.integers(-(2**63), 2**63 - 1).map(lambda n: HeaderValue(HeaderType.TIMESTAMP, n)),
    st.binary(max_size=40).map(lambda b: HeaderValue(HeaderType.BYTES, b)),
    st.text(max_size=40).map(lambda t: HeaderValue(HeaderType.STRING, t)),
    st.binary(min_size=16, max_size=16).map(lambda b: HeaderValue(HeaderType.UUID, b)),
)
names = st.text(min_size=1, max_size=20).filter(lambda name: len(name.encode()) < 256)
events = st.builds(AwsEvent, st.dictionaries(names, values, max_size=5), st.binary(max_size=200))


def chopped(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(places)]


def decoded(pieces: list[bytes]) -> list[AwsEvent]:
    decoder = AwsEventDecoder()
    found = [event for piece in pieces for event in decoder.feed(piece)]
    decoder.finish()
    assert decoder.pending == b""
    return found


@given(st.lists(events, max_size=5), st.lists(st.integers(0, 5000), max_size=12))
def test_what_was_encoded_is_decoded_in_any_split(sent, cuts):
    data = b"".join(encode_event(event.headers, event.payload) for event in sent)
    assert decoded(chopped(data, cuts)) == sent


@given(events, st.data())
def test_any_flipped_bit_is_noticed(event, data):
    frame = bytearray(encode_event(event.headers, event.payload))
    place = data.draw(st.integers(0, len(frame) * 8 - 1))
    frame[place // 8] ^= 1 << place % 8
    decoder = AwsEventDecoder()
    with pytest.raises(GatewayError) as raised:
        decoder.feed(bytes(frame))
    assert raised.value.kind is ErrorKind.PROVIDER_MALFORMED


def test_byte_by_byte_is_a_split_too():
    data = encode_event({":event-type": "a"}, b"one") + encode_event({":event-type": "b"}, b"")
    found = decoded([data[i : i + 1] for i in range(len(data))])
    assert [(event.header(":event-type"), event.payload) for event in found] == [("a", b"one"), ("b", b"")]


def test_frames_before_a_damaged_one_come_first():
    good, bad = encode_event({}, b"good"), bytearray(encode_event({}, b"bad"))
    bad[-1] ^= 1
    decoder = AwsEventDecoder()
    assert [event.payload for event in decoder.feed(good + bytes(bad))] == [b"good"]
    with pytest.raises(GatewayError):
        decoder.finish()
    with pytest.raises(GatewayError):
        decoder.feed(good)


def test_a_frame_that_broke_off_is_pending():
    frame = encode_event({":event-type": "a"}, b"payload")
    decoder = AwsEventDecoder()
    assert decoder.feed(frame[:-1]) == []
    assert decoder.finish() == []
    assert decoder.pending == frame[:-1]


@pytest.mark.parametrize(("total", "headers"), [(MAX_FRAME_BYTES + 1, 0), (1 << 20, (1 << 17) + 1), (20, 8), (8, 0)])
def test_lengths_beyond_the_limits_are_refused_before_the_frame_is_awaited(total, headers):
    lengths = struct.pack(">II", total, headers)
    with pytest.raises(GatewayError):
        AwsEventDecoder().feed(lengths + struct.pack(">I", crc32(lengths)) + bytes(8))


@pytest.mark.parametrize("block", [b"\x01a\x0a", b"\x01a\x07\x00\x09x", b"\x05a", b"\x01\xff\x00", b"\x01a\x05\x00"])
def test_headers_that_make_no_sense_are_refused(block):
    lengths = struct.pack(">II", 16 + len(block), len(block))
    before = lengths + struct.pack(">I", crc32(lengths)) + block
    with pytest.raises(GatewayError):
        AwsEventDecoder().feed(before + struct.pack(">I", crc32(before)))


def test_an_exception_is_a_frame_with_its_name_in_a_header():
    frame = encode_event({":message-type": "exception", ":exception-type": "throttlingException"}, b'{"message":"slow"}')
    [event] = AwsEventDecoder().feed(frame)
    assert event.header(":exception-type") == "throttlingException"
    assert event.header(":event-type") is None


def test_a_header_that_is_no_text_reads_as_missing():
    [event] = AwsEventDecoder().feed(encode_event({"n": HeaderValue(HeaderType.BYTE, 1)}, b""))
    assert event.header("n") is None


@pytest.mark.parametrize(
    "headers",
    [{"": "x"}, {"n" * 256: "x"}, {"n": "x" * 40_000}, {"n": HeaderValue(HeaderType.BYTES, bytes(1 << 15))}],
)
def test_what_no_frame_can_hold_is_not_encoded(headers):
    with pytest.raises(ValueError, match="header"):
        encode_event(headers, b"")
    with pytest.raises(ValueError, match="frame"):
        encode_event({}, bytes(MAX_FRAME_BYTES))


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not here")
def test_recorded_streams_are_whole_frames_and_encode_back_byte_for_byte():
    count = 0
    for path in sorted(RECORDINGS.glob("*.json")):
        text = decode_json(path.read_bytes())["response"].get("base64")
        if text is None:
            continue
        data = b64decode(text)
        found = decoded([data])
        assert b"".join(encode_event(event.headers, event.payload) for event in found) == data
        count += 1
    assert count
