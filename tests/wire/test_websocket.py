from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Frame
from websockets.frames import Opcode as TheirOpcode

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.websocket import FrameReader, Message, Opcode, accept_key, encode_close, encode_frame

MASK = b"\x01\x80\xff\x5a"


def theirs(opcode: int, payload: bytes, *, fin: bool = True, masked: bool = False) -> bytes:
    """A frame made by the `websockets` library, so that nothing here is checked against itself."""
    return Frame(TheirOpcode(opcode), payload, fin).serialize(mask=masked)


def read(reader: FrameReader, data: bytes, step: int = 1 << 30) -> list[Message]:
    return [message for start in range(0, len(data), step) for message in reader.feed(data[start : start + step])]


payloads = st.binary(max_size=200) | st.integers(120, 130).map(lambda n: b"x" * n) | st.sampled_from([b"y" * 65_535, b"z" * 65_536])
messages = st.tuples(st.sampled_from([1, 2]), st.lists(payloads, min_size=1, max_size=4), st.booleans())


@given(script=st.lists(messages, max_size=4), masked=st.booleans(), step=st.integers(1, 70_000))
def test_any_split_gives_the_messages_whole_with_pings_in_between(
    *, script: list[tuple[int, list[bytes], bool]], masked: bool, step: int
) -> None:
    wire, expected = b"", []
    for opcode, fragments, ping in script:
        for number, fragment in enumerate(fragments):
            wire += theirs(0 if number else opcode, fragment, fin=number == len(fragments) - 1, masked=masked)
            if ping and number < len(fragments) - 1:
                wire += theirs(9, b"hi", masked=masked)
                expected.append(Message(Opcode.PING, b"hi", 2))
        whole = b"".join(fragments)
        expected.append(Message(Opcode(opcode), whole, len(whole)))
    assert read(FrameReader(masked=masked), wire, step) == expected
    if len(wire) < 2_000:
        assert read(FrameReader(masked=masked), wire, 1) == expected


def test_example_of_the_rfc_masked_hello() -> None:
    frame = bytes.fromhex("818537fa213d7f9f4d5158")
    assert read(FrameReader(masked=True), frame) == [Message(Opcode.TEXT, b"Hello", 5)]
    assert encode_frame(Opcode.TEXT, b"Hello", mask=bytes.fromhex("37fa213d")) == frame


def test_accept_key_of_the_rfc() -> None:
    assert accept_key(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    ("payload", "code"), [(Close(1000, "bye").serialize(), 1000), (Close(1011, "").serialize(), 1011), (b"", 1005)]
)
def test_close_code_is_told_and_nothing_is_read_behind_it(payload: bytes, code: int) -> None:
    reader = FrameReader(masked=False)
    found = read(reader, theirs(8, payload) + theirs(1, b"late"))
    assert [(message.opcode, message.close_code) for message in found] == [(Opcode.CLOSE, code)]
    assert reader.feed(b"\xff") == []


@pytest.mark.parametrize("step", [1, 5, 1000])
@pytest.mark.parametrize("fragments", [[b"x" * 11], [b"x" * 6, b"x" * 5], [b"x" * 10, b"x", b""]])
def test_message_over_the_limit_is_skipped_and_flagged(step: int, fragments: list[bytes]) -> None:
    wire = b"".join(theirs(0 if n else 2, one, fin=n == len(fragments) - 1) for n, one in enumerate(fragments))
    found = read(FrameReader(masked=False, limit=10), wire + theirs(1, b"y" * 10), step)
    assert found == [Message(Opcode.BINARY, b"", 11, is_truncated=True), Message(Opcode.TEXT, b"y" * 10, 10)]


def test_huge_announced_length_takes_no_memory() -> None:
    reader = FrameReader(masked=False)
    assert reader.feed(b"\x82\x7f" + (1 << 62).to_bytes(8, "big")) == []
    for _ in range(20):
        assert reader.feed(bytes(1024 * 1024)) == []
    assert reader._frame is not None
    assert len(reader._frame.payload) == 0


@pytest.mark.parametrize(
    ("wire", "masked"),
    [
        (bytes.fromhex("818137fa213d4f"), False),
        (theirs(1, b"x"), True),
        (b"\xc1\x00", False),
        (b"\x83\x00", False),
        (b"\x8b\x00", False),
        (theirs(0, b"x"), False),
        (theirs(1, b"x", fin=False) + theirs(1, b"y"), False),
        (b"\x09\x00", False),
        (b"\x89\x7e\x00\x7e", False),
        (b"\x81\x7e\x00\x7d", False),
        (b"\x81\x7f" + (65_535).to_bytes(8, "big"), False),
        (b"\x81\x7f" + (1 << 63).to_bytes(8, "big"), False),
        (b"\x88\x01\x03", False),
    ],
)
@pytest.mark.parametrize("step", [1, 100])
def test_violations_are_the_fault_of_the_side_that_sent_them(wire: bytes, step: int, *, masked: bool) -> None:
    with pytest.raises(GatewayError) as caught:
        read(FrameReader(masked=masked), wire, step)
    assert caught.value.kind is (ErrorKind.INVALID_REQUEST if masked else ErrorKind.PROVIDER_MALFORMED)


@given(st.binary(max_size=64))
def test_random_bytes_either_parse_or_are_refused_the_same_way_however_split(data: bytes) -> None:
    for masked in (True, False):
        outcomes: list[object] = []
        for step in (1, 3, 100):
            try:
                outcomes.append(len(read(FrameReader(masked=masked), data, step)))
            except GatewayError as error:
                outcomes.append(error.kind)
        assert outcomes == [outcomes[0]] * 3


@given(st.sampled_from([1, 2]), payloads, st.none() | st.binary(min_size=4, max_size=4))
def test_our_frames_are_read_back(opcode: int, payload: bytes, mask: bytes | None) -> None:
    frame = encode_frame(Opcode(opcode), payload, mask=mask)
    assert read(FrameReader(masked=mask is not None), frame) == [Message(Opcode(opcode), payload, len(payload))]
    if mask is None:
        assert frame == theirs(opcode, payload)


def test_close_frames_cut_a_long_reason_between_characters() -> None:
    (message,) = read(FrameReader(masked=True), encode_close(1013, "é" * 200, mask=MASK))
    assert message.close_code == 1013
    assert message.payload[2:].decode() == "é" * 61
    assert encode_close(1000, "bye", mask=None) == theirs(8, Close(1000, "bye").serialize())


def test_impossible_frames_are_a_programming_error() -> None:
    with pytest.raises(ValueError, match="125"):
        encode_frame(Opcode.PING, b"x" * 126, mask=None)
    with pytest.raises(ValueError, match="four"):
        encode_frame(Opcode.TEXT, b"x", mask=b"abc")


def test_a_message_may_be_put_in_only_between_two():
    reader = FrameReader(masked=False)
    assert reader.is_between
    for first, rest in ((b"\x81", b"\x01x"), (b"\x81\x02x", b"y"), (b"\x01\x01x", b"\x80\x01y")):
        reader.feed(first)
        assert not reader.is_between
        reader.feed(rest)
        assert reader.is_between
    reader.feed(b"\x88\x00")
    assert not reader.is_between  # after a close frame nothing may come
