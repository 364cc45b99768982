"""Recorded streams, cut at every event: what a caller then has is a valid continuation or a typed error; never a false end, and
never a text twice."""

from __future__ import annotations

import pytest
from tests.conformance.test_recordings import FORMATS, RECORDINGS, exchange, is_good, rows, stream_of

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import WireFormat
from weighbridge.pipeline.said import Graft, Said
from weighbridge.wire.codecs import ReplyContext
from weighbridge.wire.conversation import Conversation
from weighbridge.wire.events import (
    Ended,
    Failed,
    Finished,
    FinishReason,
    PartEnded,
    PartKind,
    PartStarted,
    Started,
    TextDelta,
)
from weighbridge.wire.sse import EventSplitter
from weighbridge.wire.translate import INBOUND, OUTBOUND

pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are no part of the project and are not here")

CONTEXT = ReplyContext("req_1", "m", 1_800_000_000, Conversation("m", (), stream=True, include_usage=True))
BROKEN = GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "The provider broke off its answer.")
MAX_CUTS = 60
"""Of a long stream so many places are tried, evenly."""


def recorded():
    if not RECORDINGS.is_dir():
        return []
    return [row for row in rows() if is_good(row) and FORMATS[row["wire"]] in INBOUND and "sse" in exchange(row)["response"]]


def read(spoken, data):
    reader = OUTBOUND[spoken].event_reader()
    return [*reader.feed(data), *reader.finish()], reader.is_ended


def text_of(events):
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def continued(said, rest):
    """What another provider answers: the rest, as a stream of its own."""
    answer = [Started("other"), PartStarted(0, 0, PartKind.TEXT)]
    answer += [TextDelta(0, 0, rest)] if rest else []
    answer += [PartEnded(0, 0), Finished(0, FinishReason.STOP), Ended()]
    return said.writer.write(Graft(said).take(answer))


@pytest.mark.parametrize("row", recorded(), ids=lambda row: row["path"])
def test_a_recorded_stream_that_is_cut_anywhere_ends_honestly(row):
    spoken: WireFormat = FORMATS[row["wire"]]
    stream = stream_of(exchange(row)["response"])
    frames = EventSplitter().feed(stream)
    whole, _ = read(spoken, stream)
    text = text_of(whole)
    if any(getattr(event, "choice", 0) for event in whole):
        pytest.skip("several choices: never continued, see wire/continuation.py")
    for cut in range(0, len(frames), max(1, len(frames) // MAX_CUTS)):
        said = Said(INBOUND[spoken].event_writer(CONTEXT), OUTBOUND[spoken].event_reader())
        sent = said.take_bytes(b"".join(frames[:cut]))
        before, was_ended = read(spoken, sent)
        if was_ended:
            break
        if said.can_go_on and spoken is not WireFormat.OPENAI_RESPONSES:  # as `Attempts` has it
            assert text.startswith(said.text) or not said.text
            sent += continued(said, text[len(said.text) :])
            events, is_ended = read(spoken, sent)
            assert is_ended
            assert text_of(events) == text, cut
            assert any(isinstance(event, Ended) for event in events)
            assert not any(isinstance(event, Failed) for event in events)
        else:
            sent += said.writer.fail(BROKEN)
            events, _ = read(spoken, sent)
            assert isinstance(events[-1], Failed), cut
            assert not any(isinstance(event, Ended) for event in events)
            assert text_of(events) == text_of(before)
