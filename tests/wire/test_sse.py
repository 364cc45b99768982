from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.sse import EventSplitter, SseEvent, SseReader

PIECES = [
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\r\n\r\n",
    b"data: x",
    b"data",
    b"data:",
    b"event: e",
    b": note",
    b"id: 7",
    b"retry: 10",
    b"\xef\xbb\xbf",
    b"a:b",
]
streams = st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=30).map(b"".join)


def cut(body: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [body[start:end] for start, end in pairwise(edges)]


def read(chunks: list[bytes]) -> tuple[list[SseEvent], bytes]:
    reader = SseReader()
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    return events + reader.finish(), reader.pending


def dispatched_by_the_letter(stream: bytes) -> list[tuple[str, bytes]]:
    """The WHATWG algorithm line by line, over the whole stream at once."""
    lines = re.split(rb"\r\n|\n|\r", stream.removeprefix(b"\xef\xbb\xbf"))[:-1]
    found: list[tuple[str, bytes]] = []
    event, data = b"", b""
    for line in lines:
        if line == b"":
            if data:
                found.append((event.decode("utf-8", "replace") or "message", data[:-1]))
            event, data = b"", b""
            continue
        field, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if field == b"data":
            data += value + b"\n"
        elif field == b"event":
            event = value
    return found


@given(streams, st.lists(st.integers(0, 1000), max_size=8))
def test_any_split_of_the_bytes_gives_the_same_events_and_every_byte_back(stream: bytes, places: list[int]) -> None:
    whole, rest = read([stream])
    assert read(cut(stream, places)) == (whole, rest)
    assert read([stream[i : i + 1] for i in range(len(stream))]) == (whole, rest)
    assert b"".join(event.raw for event in whole) + rest == stream


@given(streams)
def test_events_are_those_of_the_whatwg_algorithm(stream: bytes) -> None:
    events, _ = read([stream])
    assert [(event.event, event.data) for event in events if event.is_dispatched] == dispatched_by_the_letter(stream)


@given(streams, st.lists(st.integers(0, 1000), max_size=8))
def test_splitter_cuts_where_the_reader_does(stream: bytes, places: list[int]) -> None:
    splitter = EventSplitter()
    frames = [frame for chunk in cut(stream, places) for frame in splitter.feed(chunk)] + splitter.finish()
    events, rest = read([stream])
    assert (frames, splitter.pending) == ([event.raw for event in events], rest)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_chunk_of_whole_frames_leaves_nothing_pending(end: bytes) -> None:
    splitter = EventSplitter()
    frames = [b"data: 1" + end + end, b"event: e" + end + b"data: 2" + end + end]
    assert splitter.feed(frames[0]) == frames[:1]
    assert splitter.feed(b"".join(frames)) == frames
    assert splitter.pending == b""


def test_anthropic_event_with_name_and_data() -> None:
    events, rest = read([b'event: message_start\ndata: {"type":"message_start"}\n\nevent: pi'])
    assert events == [
        SseEvent("message_start", b'{"type":"message_start"}', b'event: message_start\ndata: {"type":"message_start"}\n\n')
    ]
    assert rest == b"event: pi"


def test_data_lines_are_joined_and_one_blank_is_taken_off() -> None:
    events, _ = read([b"data:  two\ndata:none\ndata\n\n"])
    assert events[0].data == b" two\nnone\n"


def test_comment_stays_in_the_raw_bytes_of_the_event_behind_it() -> None:
    events, _ = read([b": OPENROUTER PROCESSING\n\n: more\ndata: [DONE]\n\n"])
    assert [(event.is_dispatched, event.data) for event in events] == [(False, b""), (True, b"[DONE]")]
    assert events[1].raw == b": more\ndata: [DONE]\n\n"


def test_empty_data_line_is_an_event_and_a_missing_one_is_not() -> None:
    events, _ = read([b"data\n\nevent: ping\n\n"])
    assert [event.is_dispatched for event in events] == [True, False]


def test_id_and_retry_are_read_and_malformed_ones_are_ignored() -> None:
    events, _ = read([b"id: 7\nretry: 3000\ndata: x\n\nid: a\0b\nretry: 1s\ndata: y\n\n"])
    assert [(event.id, event.retry_ms) for event in events] == [("7", 3000), (None, None)]


def test_byte_order_mark_counts_only_at_the_start() -> None:
    events, _ = read([b"\xef\xbb", b"\xbfdata: x\n\n\xef\xbb\xbfdata: y\n\n"])
    assert [event.is_dispatched for event in events] == [True, False]


def test_broken_off_event_is_pending_and_never_an_event() -> None:
    events, rest = read([b"data: 1\n\ndata: 2\n"])
    assert len(events) == 1
    assert rest == b"data: 2\n"


def test_bare_cr_at_the_end_is_decided_by_the_end() -> None:
    reader = SseReader()
    assert reader.feed(b"data: x\r\r") == []
    assert [event.data for event in reader.finish()] == [b"x"]
    assert reader.pending == b""


@pytest.mark.parametrize("chunk", [1, 7, 1000])
@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
def test_event_over_the_limit_is_refused_however_it_comes(chunk: int, end: bytes) -> None:
    fits, too_long = b"x" * (100 - len(end)) + end, b"x" * (101 - len(end)) + end
    splitter = EventSplitter(limit=100)
    assert [frame for i in range(0, 100, chunk) for frame in splitter.feed(fits[i : min(i + chunk, 100)])] == [fits]
    with pytest.raises(GatewayError) as caught:
        _ = [splitter.feed(too_long[i : i + chunk]) for i in range(0, 101, chunk)]
    assert caught.value.kind is ErrorKind.PROVIDER_MALFORMED


def test_many_frames_longer_than_the_limit_together_are_fine() -> None:
    assert EventSplitter(limit=10).feed(b"data: x\n\n" * 50) == [b"data: x\n\n"] * 50


def test_eight_megabyte_event_in_small_chunks_takes_linear_time() -> None:
    reader = SseReader()
    body = b"data: " + b"x" * (8 * 1024 * 1024)
    for start in range(0, len(body), 16_384):
        assert reader.feed(body[start : start + 16_384]) == []
    assert len(reader.feed(b"\n\n")[0].data) == 8 * 1024 * 1024
