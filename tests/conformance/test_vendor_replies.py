"""Every reply that vendors' SDKs describe, in every dialect that callers speak: as that dialect's own SDK describes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from google.genai.types import GenerateContentResponse
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from tests.conformance.test_recordings import FORMATS, RECORDINGS, exchange, is_good, read_events, rows, stream_of
from tests.conformance.vendor_types import Variants, faults

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import GatewayError
from weighbridge.core.terms import WireFormat
from weighbridge.wire.codecs import ReplyContext
from weighbridge.wire.conversation import Conversation
from weighbridge.wire.fold import unfold
from weighbridge.wire.translate import INBOUND, OUTBOUND

F = WireFormat
REPLIES: dict[WireFormat, Any] = {
    F.OPENAI_CHAT: ChatCompletion,
    F.OPENAI_RESPONSES: Response,
    F.ANTHROPIC_MESSAGES: BetaMessage,
    F.GEMINI_GENERATE: GenerateContentResponse,
}
EVENTS: dict[WireFormat, Any] = {
    F.OPENAI_CHAT: ChatCompletionChunk,
    F.OPENAI_RESPONSES: ResponseStreamEvent,
    F.ANTHROPIC_MESSAGES: BetaRawMessageStreamEvent,
    F.GEMINI_GENERATE: GenerateContentResponse,
}
CONTEXT = ReplyContext("req_1", "m", 1_700_000_000, Conversation("m", (), stream=True, include_usage=True))
PING = '{"type":"ping"}'
"""Anthropic sends them, and its SDK describes none."""
STREAMS_EACH = 6
NOT_AS_DESCRIBED = {
    ".choices[].delta.tool_calls[].type is 'custom'": "OpenAI streams such calls, its SDK describes whole ones only",
    ".choices[].finish_reason is 'error'": "OpenRouter's word, where none of OpenAI's is true",
}


def wrong_in(said: Any, annotation: Any) -> set[str]:
    """What is missing or of another type. More than the SDK describes is no fault: what a provider adds is handed on."""
    return {fault for fault in faults(said, annotation) if not fault.endswith("is not known") and fault not in NOT_AS_DESCRIBED}


@pytest.mark.parametrize("target", list(REPLIES))
@pytest.mark.parametrize("source", list(REPLIES))
def test_a_reply_is_as_the_callers_sdk_describes_it(source: WireFormat, target: WireFormat) -> None:
    wrong, n_written = set(), 0
    for path, value in Variants(REPLIES[source]):
        try:
            reply = OUTBOUND[source].read_reply(encode_json(value))
            written = INBOUND[target].write_reply(reply, CONTEXT)
        except GatewayError:  # an error inside of a reply, or a reply without any answer
            continue
        n_written += 1
        wrong |= {(path, fault) for fault in wrong_in(decode_json(written), REPLIES[target])}
    assert not wrong
    assert n_written > 20


def events_in(written: bytes) -> set[str]:
    lines = re.split(r"[\r\n]+", written.decode())
    return {line.removeprefix("data:").strip() for line in lines if line.startswith("data:")} - {"[DONE]", PING}


@pytest.mark.parametrize(
    ("source", "target"), [(source, target) for source in REPLIES for target in EVENTS if source is not target]
)
def test_the_same_reply_is_streamed_as_the_callers_sdk_describes_it(source: WireFormat, target: WireFormat) -> None:
    wrong, seen = set(), set[str]()
    for path, value in Variants(REPLIES[source]):
        try:
            reply = OUTBOUND[source].read_reply(encode_json(value))
        except GatewayError:
            continue
        for said in events_in(INBOUND[target].event_writer(CONTEXT).write(list(unfold(reply)))) - seen:
            seen.add(said)
            wrong |= {(path, fault) for fault in wrong_in(decode_json(said.encode()), EVENTS[target])}
    assert not wrong


def test_completions_are_answered_as_their_sdk_describes_it() -> None:
    for _path, value in Variants(ChatCompletion):
        if value["choices"]:
            reply = OUTBOUND[F.OPENAI_CHAT].read_reply(encode_json(value))
            said = decode_json(INBOUND[F.OPENAI_COMPLETIONS].write_reply(reply, CONTEXT))
            assert not wrong_in(said, Completion)


def recorded_streams(source: WireFormat) -> Iterator[tuple[str, bytes]]:
    n_found = 0
    for row in rows():
        if n_found < STREAMS_EACH and FORMATS[row["wire"]] is source and is_good(row):
            data = stream_of(exchange(row)["response"])
            if data is not None:
                n_found += 1
                yield row["path"], data


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are no part of the project and are not here")
@pytest.mark.parametrize("target", list(EVENTS))
@pytest.mark.parametrize("source", list(FORMATS.values()))
def test_every_event_of_a_recorded_stream_is_as_the_callers_sdk_describes_it(source: WireFormat, target: WireFormat) -> None:
    wrong = set()
    for path, data in recorded_streams(source):
        events, _reader = read_events(source, data, len(data))
        for said in events_in(INBOUND[target].event_writer(CONTEXT).write(events)):
            wrong |= {(path, fault) for fault in wrong_in(decode_json(said.encode()), EVENTS[target])}
    assert not wrong
