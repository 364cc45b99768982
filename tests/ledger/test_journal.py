from __future__ import annotations

import enum
import struct
import types
import typing
from zlib import crc32

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.ledger.journal import (
    FRAME_BYTES,
    HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    FrameEncoder,
    Header,
    JournalDamageError,
    decode_header,
    encode_header,
    read_frames,
)
from weighbridge.ledger.terms import Charge, Settled, Started


def any_of(kind) -> st.SearchStrategy:
    """Whatever a field of this type can hold."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(any_of, arguments))
    if origin is tuple:
        return st.lists(any_of(arguments[0]), max_size=3).map(tuple)
    if kind is types.NoneType:
        return st.none()
    if issubclass(kind, enum.Enum):
        return st.sampled_from(kind)
    if issubclass(kind, msgspec.Struct):
        return st.builds(kind, **{name: any_of(hint) for name, hint in typing.get_type_hints(kind).items()})
    return {int: st.integers(-(2**63), 2**63 - 1), str: st.text(st.characters(codec="utf-8")), bool: st.booleans()}[kind]


items = st.one_of(any_of(Started), any_of(Settled))


def written(*items) -> bytes:
    encoder = FrameEncoder()
    return b"".join(bytes(encoder.encode(item)) for item in items)


def start(number: int) -> Started:
    return Started(f"req_{number}", 0, 1, "key_1", "p", "m", 5, (Charge("b", 5),))


@pytest.mark.slow
@given(st.lists(items, max_size=4))
@settings(max_examples=150, deadline=None)
def test_whatever_is_written_is_read(several):
    piece = written(*several)
    frames = read_frames(piece, 10)
    assert (frames.items, frames.n_bytes, frames.is_torn) == (several, len(piece), False)


def test_what_is_written_is_read(settled, started):
    items = [started(), settled(5, None, charges={"a": 5, "b": 15}, team="red")]
    assert read_frames(written(*items), 10).items == items


def test_a_short_item_after_a_long_one_has_no_rest_of_it(settled, started):
    items = [settled(*[1] * 40), started(), settled(*[1] * 400), started()]
    assert read_frames(written(*items), 10).items == items


@pytest.mark.slow
@given(st.lists(items, min_size=1, max_size=5), st.data())
@settings(max_examples=100, deadline=None)
def test_a_torn_tail_is_told_at_its_exact_place(several, data):
    frames = [written(item) for item in several]
    cut = data.draw(st.integers(0, len(b"".join(frames))))
    whole = [sum(map(len, frames[:n])) for n in range(len(several) + 1)]
    read = read_frames(b"".join(frames)[:cut], 100)
    assert read.n_bytes == max(place for place in whole if place <= cut)
    assert read.items == several[: whole.index(read.n_bytes)]
    assert not read.is_torn  # what is missing may still come


@pytest.mark.slow
@given(st.lists(items, max_size=5), st.lists(st.integers(0, 5_000)), st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_a_reader_of_a_file_that_grows_reads_everything_once(several, lengths, max_items):
    piece = written(*several)
    read, offset = [], 0
    for length in [*sorted(lengths), len(piece)]:
        while frames := read_frames(piece[offset:length], max_items):
            read += frames.items
            offset += frames.n_bytes
            assert len(frames.items) <= max_items
            if not frames.n_bytes:
                break
    assert (read, offset) == (several, len(piece))


@given(st.integers(0, 2), st.data())
@settings(max_examples=300, deadline=None)
def test_a_changed_byte_is_never_taken_for_an_item(number, data):
    frames = [written(start(n)) for n in range(3)]
    piece = bytearray(b"".join(frames))
    before = sum(map(len, frames[:number]))
    at = before + data.draw(st.integers(0, len(frames[number]) - 1))
    piece[at] ^= data.draw(st.integers(1, 255))
    read = read_frames(bytes(piece), 100)
    assert read.n_bytes == before
    assert read.items == [start(n) for n in range(number)]


@given(st.integers(0, 200), st.integers(1, 100))
def test_a_run_of_lost_bytes_costs_nothing_that_was_before_it(at, n_lost):
    frames = [written(start(n)) for n in range(3)]
    piece = b"".join(frames)
    damaged = piece[:at] + b"\0" * n_lost + piece[at + n_lost :]
    read = read_frames(damaged, 100)
    whole = sum(1 for n in range(1, 4) if sum(map(len, frames[:n])) <= at)
    assert read.items[:whole] == [start(n) for n in range(whole)]
    assert read.items == [start(n) for n in range(len(read.items))]


@given(st.binary(max_size=300))
def test_any_bytes_are_survived(piece):
    read = read_frames(piece, 10)
    assert 0 <= read.n_bytes <= len(piece)


def test_zeros_at_the_end_are_torn(started):
    piece = written(started())
    read = read_frames(piece + b"\0" * 100, 10)
    assert (len(read.items), read.n_bytes, read.is_torn) == (1, len(piece), True)


@pytest.mark.parametrize("payload", [b"\x93\xa1x\x01\x02", b"\x92\xa1s\xc4\x01x", b"\xc1", b"\x91\xa1s", b"\x92\xa1s\xa1\xff"])
def test_whole_frames_of_something_else_are_torn(payload):
    piece = struct.pack("<II", len(payload), crc32(payload)) + payload
    assert read_frames(piece, 10).is_torn


def test_a_length_that_no_item_has_is_torn_at_once():
    assert read_frames(struct.pack("<II", MAX_PAYLOAD_BYTES + 1, 0), 10).is_torn
    assert not read_frames(struct.pack("<II", MAX_PAYLOAD_BYTES, 0), 10).is_torn


def test_reading_stops_after_so_many_items():
    piece = written(*map(start, range(5)))
    first = read_frames(piece, 2)
    rest = read_frames(piece[first.n_bytes :], 10)
    assert first.items + rest.items == [start(n) for n in range(5)]
    assert first.n_bytes > 2 * FRAME_BYTES


@given(st.text(alphabet="abc_-0123456789", max_size=32), st.integers(0, 2**32 - 1), st.integers(0, 2**63))
def test_a_header_comes_back(journal_id, sequence, wall_ns):
    header = Header(journal_id, sequence, wall_ns)
    packed = encode_header(header)
    assert len(packed) == HEADER_BYTES
    assert decode_header(packed + b"frames") == header


@given(st.integers(0, HEADER_BYTES - 1), st.integers(1, 255))
def test_a_damaged_header_is_refused(at, by):
    packed = bytearray(encode_header(Header("w0_ab", 3, 5)))
    packed[at] ^= by
    with pytest.raises(JournalDamageError):
        decode_header(bytes(packed))


def test_a_short_or_foreign_file_is_refused():
    for start_of_file in (b"", encode_header(Header("w", 0, 0))[:-1], b"SQLite format 3\0" * 8):
        with pytest.raises(JournalDamageError):
            decode_header(start_of_file)


def test_a_segment_of_a_newer_version_says_so():
    packed = bytearray(encode_header(Header("w0_ab", 3, 5)))
    packed[4] = 2
    with pytest.raises(JournalDamageError, match="version 2"):
        decode_header(bytes(packed))


def test_a_journals_id_is_short():
    with pytest.raises(ValueError, match="32"):
        encode_header(Header("w" * 33, 0, 0))
