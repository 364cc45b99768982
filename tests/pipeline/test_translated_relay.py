from __future__ import annotations

import asyncio
import gzip

import pytest

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Dialect, Provenance, WireFormat
from weighbridge.providers.base import AuthStyle, CallPath

FORMATS = {WireFormat.ANTHROPIC_MESSAGES: CallPath("/messages")}
ASKED = {"model": "anthropic/claude-x", "messages": [{"role": "user", "content": "Hello"}]}
SSE = (("content-type", "text/event-stream"), ("request-id", "req_theirs"), ("content-length", "7"))


def event(kind, **fields):
    return f"event: {kind}\ndata: ".encode() + encode_json({"type": kind} | fields) + b"\n\n"


START = event(
    "message_start",
    message={
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x-1",
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 3, "output_tokens": 1},
    },
)
OPEN = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
HI = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hi"})
CLOSE = event("content_block_stop", index=0)
DELTA = event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 2})
STOP = event("message_stop")
PING = event("ping")
ERROR = event("error", error={"type": "overloaded_error", "message": "Overloaded, try later"})


@pytest.fixture
def world(build):
    made = build.provider("anthropic", {Dialect.ANTHROPIC: ""}, AuthStyle.X_API_KEY, formats=FORMATS)
    return build(providers=(made,))


async def stream(world, *chunks, **facts):
    world.will_reply(*chunks, **{"headers": SSE, **facts})
    return await world.ask("POST", "/v1/chat/completions", ASKED | {"stream": True})


def chunks_of(client):
    return [decode_json(line[6:]) for line in client.body.split(b"\n\n") if line.startswith(b"data: {")]


async def test_a_stream_arrives_as_the_callers_own_events_and_ends_as_its_own(world):
    client = await stream(world, START, OPEN, HI, CLOSE, DELTA, STOP)
    texts = [chunk["choices"][0]["delta"].get("content") for chunk in chunks_of(client) if chunk["choices"]]
    assert "".join(text or "" for text in texts) == "Hi"
    assert client.body.endswith(b"data: [DONE]\n\n")
    assert client.fields["content-type"].startswith("text/event-stream")
    assert (client.status, client.is_ended, client.is_aborted) == (200, True, False)


@pytest.mark.parametrize("size", [1, 7, 64])
async def test_any_split_of_the_providers_bytes_gives_the_same(world, build, size):
    whole = START + OPEN + HI + CLOSE + DELTA + STOP
    client = await stream(world, *(whole[at : at + size] for at in range(0, len(whole), size)))
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks_of(client) if c["choices"]) == "Hi"
    assert client.body.endswith(b"data: [DONE]\n\n")


async def test_the_end_waits_for_the_settlement(world):
    client = await stream(world, START, OPEN, HI, CLOSE, DELTA, STOP)
    kinds = [kind for kind, _ in world.events]
    assert kinds.index("record") < kinds.index("end")
    ends = [data for kind, data in world.events if kind == "write" and b"[DONE]" in data]
    assert ends == []
    assert client.is_ended


async def test_an_error_that_comes_first_in_a_200_is_an_error_response(world):
    client = await stream(world, START, PING, ERROR)
    assert client.status in {503, 529}
    assert "Overloaded, try later" in client.json["error"]["message"]
    assert world.record.status == client.status


async def test_an_error_in_the_midst_is_an_error_event_and_no_end(world):
    client = await stream(world, START, OPEN, HI, ERROR)
    assert client.status == 200
    assert b"[DONE]" not in client.body
    assert b"Overloaded, try later" in client.body
    assert client.is_aborted
    assert world.record.error is not None


async def test_a_stream_that_just_stops_never_ends_well(world):
    client = await stream(world, START, OPEN, HI)
    assert b"[DONE]" not in client.body
    assert b'"finish_reason":"stop"' not in client.body.replace(b" ", b"")
    assert client.is_aborted
    assert (world.record.error, world.record.usage.provenance) == ("provider_broke_off", Provenance.ESTIMATED)


async def test_a_stream_that_breaks_off_tells_so(world):
    broken = GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "The provider broke off its answer.")
    client = await stream(world, START, OPEN, HI, error=broken)
    assert b"broke off" in client.body
    assert client.is_aborted


async def test_nothing_is_sent_before_the_reply_proves_good(world):
    reply = world.will_reply(START, PING, headers=SSE, is_open=True)
    client = world.client("POST", "/v1/chat/completions", ASKED | {"stream": True})
    handled = world.gateway.handle(client)
    task = asyncio.ensure_future(handled)
    await reply.attached.wait()
    assert not client.has_started
    reply.sink.on_data(OPEN + HI)
    assert client.has_started
    assert b"Hi" in client.body
    reply.sink.on_data(CLOSE + DELTA + STOP)
    reply.sink.on_end()
    await task
    assert client.is_ended


async def test_a_whole_reply_to_a_caller_who_streams_is_streamed(world):
    whole = encode_json(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [{"type": "text", "text": "Hi"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
    )
    world.will_reply(whole)
    client = await world.ask("POST", "/v1/chat/completions", ASKED | {"stream": True})
    assert client.body.endswith(b"data: [DONE]\n\n")


async def test_a_stream_to_a_caller_who_does_not_stream_is_folded(world):
    world.will_reply(START, OPEN, HI, CLOSE, DELTA, STOP, headers=SSE)
    client = await world.ask("POST", "/v1/chat/completions", ASKED)
    assert client.json["choices"][0]["message"]["content"] == "Hi"
    assert client.fields["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "kind", "expected", "code"),
    [
        (429, "rate_limit_error", 429, "rate_limit_exceeded"),
        (529, "overloaded_error", 503, None),  # OpenAI's own number for it
        (400, "invalid_request_error", 400, None),
        (404, "not_found_error", 404, None),
        (500, "api_error", 500, None),
    ],
)
async def test_an_error_reply_has_the_callers_shape_the_status_and_the_providers_text(world, status, kind, expected, code):
    body = encode_json({"type": "error", "error": {"type": kind, "message": "what they say"}, "request_id": "r"})
    world.will_reply(body, status=status)
    client = await world.ask("POST", "/v1/chat/completions", ASKED)
    assert client.status == expected
    assert "what they say" in client.json["error"]["message"]
    if code is not None:
        assert client.json["error"]["code"] == code
    assert world.record.attempts[0].status == status


async def test_a_compressed_reply_is_unpacked_although_none_was_asked_for(world):
    packed = gzip.compress(START + OPEN + HI + CLOSE + DELTA + STOP)
    headers = (*SSE[:1], ("content-encoding", "gzip"))
    client = await stream(world, packed, headers=headers)
    assert client.body.endswith(b"data: [DONE]\n\n")
    assert "content-encoding" not in client.fields


async def test_the_providers_own_headers_pass_but_for_those_of_its_body(world):
    client = await stream(world, START, OPEN, HI, CLOSE, DELTA, STOP)
    assert client.fields["request-id"] == "req_theirs"
    assert "content-length" not in client.fields
    assert client.fields["x-weighbridge-provider"] == "anthropic"


async def test_a_reply_that_makes_no_sense_is_a_bad_gateway(world):
    world.will_reply(b"<html>")
    client = await world.ask("POST", "/v1/chat/completions", ASKED)
    assert (client.status, world.record.error) == (502, "provider_malformed")


@pytest.mark.parametrize("streams", [False, True])
async def test_what_a_model_used_before_it_gave_up_is_counted(build, streams):
    formats = {
        WireFormat.GEMINI_GENERATE: CallPath("/models/{model}:generateContent", "/models/{model}:streamGenerateContent?alt=sse")
    }
    world = build(providers=(build.provider("gemini", {Dialect.GEMINI: ""}, AuthStyle.X_GOOG_API_KEY, formats=formats),))
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12}
    candidate = {"content": {"parts": [{"text": "Hm"}], "role": "model"}, "finishReason": "MALFORMED_RESPONSE"}
    body = encode_json({"candidates": [candidate], "usageMetadata": usage})
    world.will_reply(body, length=len(body))
    asked = ASKED | {"model": "gemini/gemini-x", "stream": streams}
    client = await world.ask("POST", "/v1/chat/completions", asked)
    (attempt,) = world.record.attempts
    assert (attempt.usage.input, attempt.usage.output) == (7, 5)
    assert attempt.error == "provider_internal"
    assert client.status == 502
