from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.codec import encode_json
from weighbridge.core.terms import NO_USAGE, Dialect, Endpoint, Operation, Provenance, Usage, UsageApart
from weighbridge.wire.meter import Meter, RealtimeMeter, meter_for

CHAT = Endpoint(Dialect.OPENAI, Operation.CHAT)
RESPONSES = Endpoint(Dialect.OPENAI, Operation.RESPONSES)
IMAGES = Endpoint(Dialect.OPENAI, Operation.IMAGES)
AUDIO = Endpoint(Dialect.OPENAI, Operation.AUDIO)
EMBEDDINGS = Endpoint(Dialect.OPENAI, Operation.EMBEDDINGS)
MESSAGES = Endpoint(Dialect.ANTHROPIC, Operation.MESSAGES)
GENERATE = Endpoint(Dialect.GEMINI, Operation.GENERATE)
STREAM_GENERATE = Endpoint(Dialect.GEMINI, Operation.STREAM_GENERATE)

JSON = b"application/json; charset=utf-8"
SSE = b"text/event-stream; charset=utf-8"
FACTS = ("usage", "finish_reason", "served_model", "service_tier", "response_id", "is_complete", "stream_error")


def metered(endpoint: Endpoint, kind: bytes, pieces: list[bytes], encoding: bytes = b"") -> Meter:
    meter = meter_for(endpoint, content_type=kind, content_encoding=encoding)
    for piece in pieces:
        meter.feed(piece)
    meter.finish()
    found = facts_of(meter)
    meter.finish()
    assert facts_of(meter) == found  # whoever wants to know may ask before the account is made
    return meter


def facts_of(meter: Meter) -> dict[str, object]:
    return {name: getattr(meter, name) for name in FACTS}


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def events(*values: object, end: bytes = b"\n\n", named: bool = False) -> bytes:
    frames = []
    for value in values:
        name = b"event: " + value["type"].encode() + end[: len(end) // 2] if named else b""
        frames.append(name + b"data: " + (value if isinstance(value, bytes) else compact(value)) + end)
    return b"".join(frames)


def chunk(**fields: object) -> dict[str, object]:
    choice = {"index": 0, "delta": {"content": 'says "_tokens" [DONE] "error"'}, "finish_reason": None}
    return {"id": "chatcmpl-1", "model": "gpt-x", "service_tier": "flex", "choices": [choice], "usage": None, **fields}


CHAT_USAGE = {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29, "prompt_tokens_details": {"cached_tokens": 8}}
CHAT_WHOLE = {
    "id": "chatcmpl-1",
    "model": "gpt-x",
    "service_tier": "flex",
    "choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "length"}],
    "usage": CHAT_USAGE,
}
CHAT_STREAM = (
    chunk(model="", choices=[], prompt_filter_results=[]),
    chunk(),
    chunk(),
    chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "length"}]),
    chunk(choices=[], usage=CHAT_USAGE),
    b"[DONE]",
)
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "model": "gpt-x",
    "status": "incomplete",
    "service_tier": "default",
    "incomplete_details": {"reason": "max_output_tokens"},
    "error": None,
    "output": [{"type": "web_search_call", "id": "ws"}, {"type": "message", "content": []}],
    "usage": {
        "input_tokens": 20,
        "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 29,
    },
}
RESPONSE_STREAM = (
    {"type": "response.created", "response": {**RESPONSE, "status": "in_progress", "usage": None, "output": []}},
    {"type": "response.output_text.delta", "delta": 'a "response" and an "error"', "sequence_number": 1},
    {"type": "response.incomplete", "response": RESPONSE},
)
MESSAGE_USAGE = {
    "input_tokens": 5,
    "cache_read_input_tokens": 7,
    "cache_creation_input_tokens": 30,
    "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
    "output_tokens": 12,
    "service_tier": "standard",
}
MESSAGE = {"id": "msg_1", "type": "message", "model": "claude-x", "stop_reason": "end_turn", "usage": MESSAGE_USAGE}
MESSAGE_STREAM = (
    {"type": "message_start", "message": {**MESSAGE, "stop_reason": None, "usage": {**MESSAGE_USAGE, "output_tokens": 1}}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": '"message_stop"'}},
    {"type": "ping"},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 12}},
    {"type": "message_stop"},
)


def gemini_chunk(tokens: int, **candidate: object) -> dict[str, object]:
    counts = {"promptTokenCount": 15, "candidatesTokenCount": tokens, "thoughtsTokenCount": 3, "serviceTier": "standard"}
    return {
        "candidates": [{"content": {"parts": [{"text": "hi"}]}, "index": 0, **candidate}],
        "usageMetadata": counts,
        "modelVersion": "gemini-x",
        "responseId": "r_1",
    }


GEMINI_WHOLE = gemini_chunk(9, finishReason="STOP")
GEMINI_STREAM = (gemini_chunk(1), gemini_chunk(4), GEMINI_WHOLE)

LAW = [
    (CHAT, CHAT_WHOLE, CHAT, events(*CHAT_STREAM)),
    (CHAT, CHAT_WHOLE, CHAT, events(*CHAT_STREAM, end=b"\r\n\r\n")),
    (RESPONSES, RESPONSE, RESPONSES, events(*RESPONSE_STREAM, named=True)),
    (MESSAGES, MESSAGE, MESSAGES, events(*MESSAGE_STREAM, named=True)),
    (GENERATE, GEMINI_WHOLE, STREAM_GENERATE, events(*GEMINI_STREAM, end=b"\r\n\r\n")),
]
LAW_IDS = ["chat", "chat-crlf", "responses", "messages", "gemini"]


@pytest.mark.parametrize(("whole_endpoint", "whole", "endpoint", "stream"), LAW, ids=LAW_IDS)
def test_a_reply_tells_the_same_streamed_and_whole(whole_endpoint, whole, endpoint, stream) -> None:
    expected = facts_of(metered(whole_endpoint, JSON, [compact(whole)]))
    assert facts_of(metered(endpoint, SSE, [stream])) == expected
    assert expected["usage"].provenance is Provenance.REPORTED
    assert expected["is_complete"]


@given(st.sampled_from(LAW), st.data())
def test_every_split_of_a_stream_tells_the_same(law, data) -> None:
    _, _, endpoint, stream = law
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=15)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert facts_of(metered(endpoint, SSE, pieces)) == facts_of(metered(endpoint, SSE, [stream]))


@pytest.mark.parametrize("frame_by_frame", [False, True])
def test_a_chat_stream_in_whole_frames_is_metered(frame_by_frame) -> None:
    frames = [events(value) for value in CHAT_STREAM]
    meter = metered(CHAT, SSE, frames if frame_by_frame else [b"".join(frames)])
    assert meter.usage == Usage(12, 8, output=9)
    assert (meter.finish_reason, meter.served_model, meter.service_tier) == ("length", "gpt-x", "flex")


def test_spaced_json_is_metered_frame_by_frame() -> None:
    frames = [b"data: " + (v if isinstance(v, bytes) else json.dumps(v).encode()) + b"\n\n" for v in CHAT_STREAM]
    assert metered(CHAT, SSE, frames).finish_reason == "length"


def test_groq_usage_in_its_own_place_is_read() -> None:
    stream = events(chunk(), chunk(choices=[], x_groq={"usage": CHAT_USAGE}), b"[DONE]")
    assert metered(CHAT, SSE, [stream]).usage == Usage(12, 8, output=9)


def test_a_stream_without_done_is_complete_once_the_model_finished() -> None:
    assert metered(CHAT, SSE, [events(*CHAT_STREAM[:-1])]).is_complete
    assert metered(CHAT, SSE, [events(*CHAT_STREAM).removesuffix(b"\n\n")]).is_complete


@pytest.mark.parametrize(("endpoint", "stream"), [(law[2], law[3]) for law in LAW], ids=LAW_IDS)
def test_a_stream_that_breaks_off_is_not_complete(endpoint, stream) -> None:
    broken = metered(endpoint, SSE, [stream[: len(stream) // 3]])
    assert not broken.is_complete
    assert broken.finish_reason in {None, "in_progress"}


def test_counts_of_a_stream_that_broke_off_are_a_floor() -> None:
    assert metered(MESSAGES, SSE, [events(*MESSAGE_STREAM[:2], named=True)]).usage == Usage(
        5, 7, 10, 20, 1, provenance=Provenance.DERIVED
    )
    assert metered(STREAM_GENERATE, SSE, [events(*GEMINI_STREAM[:2])]).usage == Usage(
        15, output=7, reasoning=3, provenance=Provenance.DERIVED
    )


def test_searches_that_gemini_tells_of_in_several_chunks_are_counted_once_each() -> None:
    chunks = (
        gemini_chunk(1, groundingMetadata={"webSearchQueries": ["weather Rome"]}),
        gemini_chunk(4),
        gemini_chunk(9, groundingMetadata={"webSearchQueries": ["weather Rome", "", "weather Paris"]}, finishReason="STOP"),
    )
    meter = metered(STREAM_GENERATE, SSE, [b"data: " + encode_json(chunk) + b"\r\n\r\n" for chunk in chunks])
    assert (meter.usage.tool_calls, meter.usage.output) == (2, metered(GENERATE, JSON, [encode_json(GEMINI_WHOLE)]).usage.output)
    assert meter.is_complete


def test_a_gemini_array_is_metered_like_a_stream_of_events() -> None:
    body = compact(list(GEMINI_STREAM))
    assert facts_of(metered(STREAM_GENERATE, JSON, [body])) == facts_of(metered(STREAM_GENERATE, SSE, [events(*GEMINI_STREAM)]))
    broken = metered(STREAM_GENERATE, JSON, [body[:-40]])
    assert not broken.is_complete
    assert broken.usage.provenance is Provenance.DERIVED


def test_a_blocked_gemini_prompt_is_a_complete_reply() -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}
    for meter in (metered(GENERATE, JSON, [compact(blocked)]), metered(STREAM_GENERATE, SSE, [events(blocked)])):
        assert (meter.finish_reason, meter.is_complete, meter.usage) == ("SAFETY", True, Usage(4))


@pytest.mark.parametrize(
    ("endpoint", "stream", "name"),
    [
        (CHAT, events(chunk(), {"error": {"message": "m", "type": "server_error", "code": "overloaded"}}), "overloaded"),
        (CHAT, events(chunk(), {"error": {"message": "m", "code": 502}}, b"[DONE]"), "502"),
        (RESPONSES, events({"type": "error", "code": "server_error", "message": "m", "param": None}), "server_error"),
        (
            RESPONSES,
            events({"type": "response.failed", "response": {"status": "failed", "error": {"code": "rate_limit_exceeded"}}}),
            "rate_limit_exceeded",
        ),
        (MESSAGES, events({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}), "overloaded_error"),
        (STREAM_GENERATE, events({"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}), "UNAVAILABLE"),
    ],
)
def test_an_error_inside_a_stream_is_named(endpoint, stream, name) -> None:
    assert metered(endpoint, SSE, [stream]).stream_error == name
    frames = [frame + b"\n\n" for frame in stream.split(b"\n\n")[:-1]]
    assert metered(endpoint, SSE, frames).stream_error == name


def test_images_and_audio_are_metered() -> None:
    usage = {"input_tokens": 60, "output_tokens": 1000, "input_tokens_details": {"text_tokens": 10, "image_tokens": 50}}
    done = {"type": "image_generation.completed", "b64_json": "x" * 500, "usage": usage}
    whole = metered(IMAGES, JSON, [compact({"created": 1, "data": [{"b64_json": "x"}], "usage": usage})])
    assert whole.usage == metered(IMAGES, SSE, [events(done)]).usage == Usage(10, input_image=50, output_image=1000)
    heard = {"type": "transcript.text.done", "text": "hi", "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 3}}
    meter = metered(AUDIO, SSE, [events({"type": "transcript.text.delta", "delta": "hi"}, heard)])
    assert (meter.usage, meter.is_complete) == (Usage(14, output=3), True)


def test_a_reply_that_holds_nothing_to_read_is_left_alone() -> None:
    meter = metered(AUDIO, b"audio/mpeg", [b"\x00" * 1000])
    assert (meter.usage, meter.is_complete) == (NO_USAGE, True)


def test_a_stored_response_tells_what_it_took_and_whether_it_went_on_in_the_background() -> None:
    """It is charged for that in the second case alone: see `pipeline/background.py`."""
    stored = Endpoint(Dialect.OPENAI, Operation.RESPONSES_STORED)
    meter = metered(stored, JSON, [compact(RESPONSE)])
    assert (meter.usage.total_input, meter.is_background) == (20, False)
    meter = metered(stored, JSON, [compact(RESPONSE | {"background": True, "status": "queued"})])
    assert (meter.is_background, meter.finish_reason) == (True, None)
    meter = metered(stored, SSE, [events({"type": "response.completed", "response": RESPONSE | {"background": True}})])
    assert (meter.is_background, meter.is_complete) == (True, True)


def test_a_compressed_reply_is_decoded_on_a_copy() -> None:
    assert facts_of(metered(CHAT, JSON, [gzip.compress(compact(CHAT_WHOLE))], b"gzip")) == facts_of(
        metered(CHAT, JSON, [compact(CHAT_WHOLE)])
    )
    for _, _, endpoint, stream in LAW:
        packed = gzip.compress(stream)
        pieces = [packed[at : at + 50] for at in range(0, len(packed), 50)]
        assert facts_of(metered(endpoint, SSE, pieces, b"gzip")) == facts_of(metered(endpoint, SSE, [stream]))


def test_bytes_that_are_not_what_they_are_said_to_be_leave_the_usage_unknown() -> None:
    assert metered(CHAT, JSON, [b"\x1f\x8b broken", compact(CHAT_WHOLE)], b"gzip").usage is NO_USAGE
    assert metered(CHAT, JSON, [compact(CHAT_WHOLE)], b"unheard-of").usage is NO_USAGE
    for body in (b"", b"null", b"[]", b"<html>", compact(CHAT_WHOLE)[:-3], b'{"a":' * 5000, b'{"id":"\xff"}'):
        meter = metered(CHAT, JSON, [body])
        assert (meter.usage, meter.is_complete) == (NO_USAGE, False), body[:20]


def test_one_wrong_field_does_not_cost_the_others() -> None:
    wrong = {**CHAT_WHOLE, "usage": {"prompt_tokens": -5, "completion_tokens": 1}, "service_tier": 7}
    meter = metered(CHAT, JSON, [compact(wrong)])
    assert (meter.usage, meter.finish_reason, meter.served_model) == (NO_USAGE, "length", "gpt-x")


@given(
    st.sampled_from([CHAT, RESPONSES, IMAGES, MESSAGES, GENERATE, STREAM_GENERATE]),
    st.sampled_from([JSON, SSE]),
    st.sampled_from([b"", b"gzip"]),
    st.lists(st.binary(max_size=40) | st.sampled_from([b'data: {"usage":', b'"_tokens"', b"\n\n", b"}", b"[DONE]"]), max_size=8),
)
def test_a_meter_never_raises(endpoint, kind, encoding, pieces) -> None:
    assert metered(endpoint, kind, pieces, encoding).usage is NO_USAGE


def test_a_realtime_session_adds_up_its_responses() -> None:
    details = {"text_tokens": 10, "audio_tokens": 40, "cached_tokens": 30, "cached_tokens_details": {"audio_tokens": 25}}
    usage = {"input_tokens": 50, "output_tokens": 9, "input_token_details": details, "output_token_details": {"audio_tokens": 4}}
    meter = RealtimeMeter()
    meter.feed(compact({"type": "session.created", "session": {"model": "gpt-realtime"}}))
    for number in range(2):
        meter.feed(compact({"type": "response.audio.delta", "delta": "AAAA"}))
        meter.feed(compact({"type": "response.done", "response": {"id": f"resp_{number}", "status": "completed", "usage": usage}}))
    meter.feed(b'{"type":"response.done" broken')
    assert meter.usage == Usage(10, 60, output=10, input_audio=30, output_audio=8, cached_audio=50)
    assert (meter.served_model, meter.response_id, meter.finish_reason) == ("gpt-realtime", "resp_1", "completed")
    meter.feed(
        compact(
            {
                "type": "conversation.item.input_audio_transcription.completed",
                "usage": {"type": "tokens", "input_tokens": 6, "output_tokens": 2},
            }
        )
    )
    assert (meter.usage.total_input, meter.usage.total_output) == (106, 20)
    assert meter.apart == ()  # nobody has said whose it is


@pytest.mark.parametrize(
    "named",
    [
        {"audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}},
        {"input_audio_transcription": {"model": "gpt-4o-transcribe"}},
    ],
)
def test_what_a_session_wrote_down_is_counted_apart_as_its_own_models(named: dict[str, object]) -> None:
    meter = RealtimeMeter()
    meter.feed(compact({"type": "session.created", "session": {"model": "gpt-realtime"}}))
    meter.feed(compact({"type": "session.updated", "session": {"model": "gpt-realtime"} | named}))
    heard = {"type": "tokens", "input_tokens": 6, "input_token_details": {"audio_tokens": 6}, "output_tokens": 2, "total_tokens": 8}
    for _ in range(2):
        meter.feed(compact({"type": "conversation.item.input_audio_transcription.completed", "usage": heard}))
    answered = {"input_tokens": 50, "output_tokens": 9, "total_tokens": 59}
    meter.feed(compact({"type": "response.done", "response": {"status": "completed", "usage": answered}}))
    meter.feed(compact({"type": "session.updated", "session": {"audio": {"input": None}}}))
    assert meter.apart == (UsageApart("gpt-4o-transcribe", Usage(input_audio=12, output=4)),)
    assert meter.usage == Usage(50, input_audio=12, output=13)


RECORDINGS = Path(__file__).parents[2].parent / "shared" / "recordings"
WIRES = {
    "openai-chat": CHAT,
    "openai-completions": Endpoint(Dialect.OPENAI, Operation.COMPLETIONS),
    "openai-responses": RESPONSES,
    "openai-responses-compact": RESPONSES,
    "openai-embeddings": EMBEDDINGS,
    "openai-images": IMAGES,
    "openai-audio": AUDIO,
    "anthropic-messages": MESSAGES,
    "gemini-generate": GENERATE,
    "gemini-embed": Endpoint(Dialect.GEMINI, Operation.EMBED),
}
# Replies, by folder and number, whose parts overlap, so that they cannot all be kept beside the total, with the reason.
OVERLAPPING = {
    "anthropic/103": "message_delta gives a new total of cache writes without a new split",
    "azure-ai-foundry/003": "more cached tokens than prompt tokens",
    "azure-ai-foundry/004": "more cached tokens than prompt tokens",
    "azure-ai-foundry/009": "more cached tokens than prompt tokens",
    "azure-ai-foundry/010": "image tokens that were cached count as both",
    "azure-ai-foundry/015": "more cached tokens than prompt tokens",
    "openai/013": "all output is audio, yet some of it is said to be reasoning",
}


def recorded() -> list[tuple[str, Endpoint, bytes, bytes]]:
    with (RECORDINGS / "index.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["wire"] in WIRES and row["response_kind"] in {"body", "sse"}]
    cases = []
    for row in rows:
        response = json.loads((RECORDINGS / row["path"]).read_bytes())["response"]
        if "sse" in response:
            cases.append((row["path"], WIRES[row["wire"]], SSE, response["sse"].encode()))
        else:
            is_array = row["wire"] == "gemini-generate" and isinstance(response["body"], list)
            endpoint = STREAM_GENERATE if is_array else WIRES[row["wire"]]
            cases.append((row["path"], endpoint, JSON, compact(response["body"])))
    return cases


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recorded provider replies are not beside this checkout")
def test_recorded_replies_are_metered_as_their_providers_billed_them() -> None:
    with (RECORDINGS / "expected_usage.csv").open() as file:
        expected = {row["path"]: row for row in csv.DictReader(file)}
    compared = 0
    for path, endpoint, kind, body in recorded():
        meter = metered(endpoint, kind, [body[at : at + 1000] for at in range(0, len(body), 1000)])
        usage = meter.usage
        row = expected.get(path)
        if row is None or not row["input_tokens"]:
            assert usage in (NO_USAGE, Usage(told_nanousd=usage.told_nanousd)), path  # of xAI's pictures a price and no tokens
            continue
        compared += 1
        assert usage.provenance is not Provenance.UNKNOWN, path
        # The table has what the providers' totals say; what they leave out of these is told apart.
        left_out = [part.usage for part in meter.apart if part.usage != usage]
        total_input = usage.total_input - sum(part.total_input for part in left_out)
        total_output = usage.total_output - sum(part.total_output for part in left_out)
        assert (total_input, total_output) == (int(row["input_tokens"]), int(row["output_tokens"] or 0)), path
        if path[: path.index("/") + 4] in OVERLAPPING:
            assert usage.provenance is Provenance.DERIVED, path
            continue
        parts = {
            "cache_read_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
            "cache_write_5m": usage.cache_write_5m,
            "cache_write_1h": usage.cache_write_1h,
            "reasoning_tokens": usage.reasoning,
            "input_audio_tokens": usage.input_audio,
            "output_audio_tokens": usage.output_audio,
            "input_image_tokens": usage.input_image,
            "output_image_tokens": usage.output_image,
        }
        parts["output_image_tokens"] -= sum(part.output_image for part in left_out)
        assert {name: count for name, count in parts.items() if row[name] and int(row[name]) != count} == {}, path
    assert compared > 300
