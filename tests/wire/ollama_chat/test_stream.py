"""Streams of Ollama."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Usage
from weighbridge.wire.conversation import Text
from weighbridge.wire.events import (
    ArgumentsDelta,
    Ended,
    Failed,
    Finished,
    FinishReason,
    PartEnded,
    PartKind,
    PartStarted,
    ReasoningDelta,
    Started,
    TextDelta,
    UsageReported,
)
from weighbridge.wire.fold import fold
from weighbridge.wire.ollama_chat import OUTBOUND
from weighbridge.wire.ollama_chat.stream import MAX_LINE_BYTES

RECORDINGS = Path(__file__).parents[3].parent / "shared" / "recordings"
MOMENT = "2026-08-07T06:08:09.335586Z"
COUNTS = {"prompt_eval_count": 3, "eval_count": 4}


def line(message=None, **fields):
    data = {"model": "qwen3", "created_at": MOMENT} | ({} if message is None else {"message": message}) | {"done": False} | fields
    return encode_json(data) + b"\n"


def end(reason="stop"):
    return line({"role": "assistant", "content": ""}, done=True, done_reason=reason, **COUNTS)


def read(*pieces):
    reader = OUTBOUND.event_reader()
    events = [found for piece in pieces for found in reader.feed(piece)]
    return reader, events + reader.finish()


def test_thinking_text_and_calls_as_events():
    call = {"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}
    reader, events = read(
        line({"content": "", "thinking": "h"}), line({"content": "", "thinking": "m"}), line({"content": "hi"}),
        line({"content": "", "tool_calls": [call]}), end(),
    )  # fmt: skip
    assert events == [
        Started(model="qwen3", created_s=1_786_082_889),
        PartStarted(0, 0, PartKind.REASONING),
        ReasoningDelta(0, 0, "h"),
        ReasoningDelta(0, 0, "m"),
        PartEnded(0, 0),
        PartStarted(0, 1, PartKind.TEXT),
        TextDelta(0, 1, "hi"),
        PartEnded(0, 1),
        PartStarted(0, 2, PartKind.TOOL_CALL, "c", "f"),
        ArgumentsDelta(0, 2, '{"a":1}'),
        PartEnded(0, 2),
        Finished(0, FinishReason.TOOL_CALLS, "stop"),
        UsageReported(Usage(3, output=4)),
        Ended(),
    ]
    assert reader.is_ended


@pytest.mark.parametrize(
    ("reason", "meaning"), [("stop", FinishReason.STOP), ("length", FinishReason.LENGTH), ("x", FinishReason.OTHER)]
)
def test_reasons(reason, meaning):
    assert Finished(0, meaning, reason) in read(line({"content": "a"}), end(reason))[1]


def test_an_error_line_is_a_failure():
    reader, events = read(line({"content": "a"}), b'{"error":"an error was encountered"}\n', end())
    assert events[-1] == Failed("an error was encountered")
    assert reader.is_ended
    assert read(b'{"error":{"message":"m","type":"t","code":"c"}}\n')[1] == [Failed("m", "t", "c")]


def test_a_last_line_without_a_line_feed_still_ends_the_stream():
    reader, events = read(line({"content": "a"}), end()[:-1])
    assert reader.is_ended
    assert events[-1] == Ended()


def test_a_stream_that_breaks_off_never_ends():
    for cut in (end()[:-3], b"", b"  "):
        reader, events = read(line({"content": "a"}), cut)
        assert not reader.is_ended
        assert Ended() not in events


def test_log_probabilities():
    token = {"token": "hi", "logprob": -0.5, "bytes": [104, 105], "top_logprobs": []}
    assert fold(read(line({"content": "hi"}, logprobs=[token, 5]), end())[1]).choices[0].logprobs == (token,)


@pytest.mark.parametrize("odd", [b"\n", b"\r\n", line(), line({}), line({"holo": 1}), line(5), line({"content": 5}), b"{}\n"])
def test_odd_lines_do_no_harm(odd):
    assert fold(read(line({"content": "a"}), odd, end())[1]).choices[0].parts == (Text("a"),)


def test_a_line_that_is_no_json_or_too_long_is_refused():
    for data in (b"<html>\n", b"x" * (MAX_LINE_BYTES + 1)):
        with pytest.raises(GatewayError) as raised:
            OUTBOUND.event_reader().feed(data)
        assert raised.value.kind is ErrorKind.PROVIDER_MALFORMED


# --- fold(stream) == whole, in any split

words = st.text(max_size=12)
calls = st.lists(st.tuples(words, st.dictionaries(words, words, max_size=2)), max_size=3)


@settings(deadline=None)
@given(words, words, calls, st.lists(st.integers(0, 5000), max_size=9))
def test_a_folded_stream_is_the_whole_reply_in_any_split(thought, text, made, cuts):
    written = [{"function": {"name": name, "arguments": arguments}} for name, arguments in made]
    message = {"role": "assistant", "content": text, "thinking": thought, "tool_calls": written}
    whole = OUTBOUND.read_reply(line(message, done=True, done_reason="stop", **COUNTS))
    pieces = [line({"content": "", "thinking": piece}) for piece in thought] + [line({"content": piece}) for piece in text]
    data = b"".join([*pieces, line({"content": "", "tool_calls": written}), end()])
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    reader, events = read(*(data[a:b] for a, b in pairwise(places)))
    assert reader.is_ended
    assert fold(events) == whole
    assert events == read(data)[1]


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not here")
def test_recorded_streams_end_with_the_expected_usage():
    with (RECORDINGS / "expected_usage.csv").open() as file:
        expected = {row["path"]: row for row in csv.DictReader(file)}
    with (RECORDINGS / "index.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["wire"] == "ollama-native-chat" and row["response_kind"] == "ndjson"]
    assert rows
    for row in rows:
        data = decode_json((RECORDINGS / row["path"]).read_bytes())["response"]["ndjson"].encode()
        reader, events = read(data)
        assert reader.is_ended
        assert events == read(*(data[i : i + 7] for i in range(0, len(data), 7)))[1]
        usage, wanted = fold(events).usage, expected[row["path"]]
        assert (usage.total_input, usage.total_output) == (int(wanted["input_tokens"]), int(wanted["output_tokens"]))
