"""Streams in both framings."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.events import Ended, Failed, KeepAlive
from weighbridge.wire.fold import fold
from weighbridge.wire.gemini_generate import OUTBOUND, ArrayEventReader, GenerateEventReader
from weighbridge.wire.sse import MAX_EVENT_BYTES

RECORDINGS = Path(__file__).parents[3].parent / "shared" / "recordings"
A = {"candidates": [{"content": {"parts": [{"text": 'a"}\\{'}]}}]}
B = {"candidates": [{"content": {"parts": [{"text": "b"}]}, "finishReason": "STOP"}]}


def sse(*chunks, end=b"\r\n\r\n"):
    return b"".join(b"data: " + encode_json(chunk) + end for chunk in chunks)


def array(*chunks):
    return b"[" + b"\n,\r\n".join(encode_json(chunk) for chunk in chunks) + b"\n]\n"


def read(reader, *pieces):
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.finish()


@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\n\n", b"\r\r"])
def test_lines_may_end_in_any_way(end):
    reader = GenerateEventReader()
    assert fold(read(reader, sse(A, B, end=end))) == OUTBOUND.read_reply(array(A, B))
    assert reader.is_ended


def test_a_last_event_without_its_blank_line_counts():
    reader = GenerateEventReader()
    assert read(reader, sse(A), sse(B)[:-4])[-1] == Ended()


def test_a_stream_that_broke_off_has_no_end():
    for pieces in ([sse(A)], [sse(A), sse(B)[:-20]], []):
        reader = GenerateEventReader()
        assert Ended() not in read(reader, *pieces)
        assert not reader.is_ended


def test_comments_say_that_somebody_is_there():
    assert GenerateEventReader().feed(b": hello\r\n\r\n") == [KeepAlive()]


def test_what_comes_after_an_error_is_not_read():
    reader = GenerateEventReader()
    events = read(reader, sse(A, {"error": {"code": 500, "message": "m", "status": "INTERNAL"}}, B))
    assert events[-1] == Failed("m", "INTERNAL", "", 500)
    assert reader.is_ended


def test_an_event_that_is_no_json_is_malformed():
    with pytest.raises(GatewayError) as raised:
        GenerateEventReader().feed(b"data: nonsense\r\n\r\n")
    assert raised.value.kind is ErrorKind.PROVIDER_MALFORMED


def test_done_is_no_response():
    reader = GenerateEventReader()
    read(reader, sse(A, B), b"data: [DONE]\n\n")
    assert reader.is_ended


def test_an_array_is_read_response_by_response():
    reader = ArrayEventReader()
    events = reader.feed(b"[" + encode_json(A))
    assert events
    events += read(reader, b"," + encode_json(B) + b"]")
    assert reader.is_ended
    assert fold(events) == OUTBOUND.read_reply(array(A, B))


@pytest.mark.parametrize("cut", [1, 10, -10])
def test_an_array_that_broke_off_has_no_end(cut):
    reader = ArrayEventReader()
    assert Ended() not in read(reader, array(A, B)[: len(array(A)) + cut] if cut > 0 else array(A, B)[:cut])
    assert not reader.is_ended


def test_an_array_may_be_cut_anywhere_even_within_an_escape():
    data = array(A, B)
    whole = read(ArrayEventReader(), data)
    for i in range(len(data) + 1):
        assert read(ArrayEventReader(), data[:i], data[i:]) == whole


def test_an_error_in_an_array_ends_it():
    reader = ArrayEventReader()
    assert read(reader, array({"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}, A)) == [
        Failed("m", "INVALID_ARGUMENT", "", 400)
    ]


def test_a_response_without_an_end_is_bounded():
    reader = ArrayEventReader()
    with pytest.raises(GatewayError) as raised:
        reader.feed(b'[{"' + b"x" * MAX_EVENT_BYTES)
    assert raised.value.kind is ErrorKind.PROVIDER_MALFORMED


TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
PARTS = st.one_of(
    st.builds(lambda text: {"text": text}, TEXTS),
    st.builds(lambda text: {"text": text, "thought": True}, TEXTS),
    st.builds(lambda text: {"text": text, "thoughtSignature": "QUJD"}, TEXTS),
    st.builds(lambda text, name: {"functionCall": {"name": name, "args": {"a": text}}}, TEXTS, st.sampled_from("fg")),
    st.builds(lambda text: {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": text}}, TEXTS),
    st.just({"inlineData": {"mimeType": "image/png", "data": "QQ=="}}),
)


@settings(max_examples=80)
@given(parts=st.lists(PARTS, max_size=6), cuts=st.lists(st.integers(0, 100_000), max_size=6))
def test_a_folded_stream_is_the_whole_reply_in_any_split(parts, cuts):
    end = {"finishReason": "STOP"}
    whole = OUTBOUND.read_reply(encode_json({"responseId": "r", "candidates": [{"content": {"parts": parts}, **end}]}))
    chunks = [{"responseId": "r", "candidates": [{"content": {"parts": [part]}}]} for part in parts]
    chunks.append({"responseId": "r", "candidates": [end]})
    for reader, data in ((GenerateEventReader, sse(*chunks)), (ArrayEventReader, array(*chunks))):
        places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
        events = read(reader(), *(data[a:b] for a, b in pairwise(places)))
        assert fold(events) == whole
        assert events == read(reader(), data)


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not part of the project and are not here")
def test_recorded_streams_end_with_the_expected_usage():
    with (RECORDINGS / "expected_usage.csv").open() as file:
        expected = {row["path"]: row for row in csv.DictReader(file)}
    with (RECORDINGS / "index.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["wire"] == "gemini-generate" and row["response_kind"] == "sse"]
    assert rows
    for row in rows:
        data = decode_json((RECORDINGS / row["path"]).read_bytes())["response"]["sse"].encode()
        reader = GenerateEventReader()
        events = read(reader, data)
        assert reader.is_ended, row["path"]
        assert events == read(GenerateEventReader(), *(data[i : i + 7] for i in range(0, len(data), 7)))
        usage, wanted = fold(events).usage, expected[row["path"]]
        assert (usage.total_input, usage.cache_read, usage.total_output, usage.reasoning) == tuple(
            int(wanted[name] or 0) for name in ("input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens")
        ), row["path"]
