from __future__ import annotations

import asyncio

import pytest

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.rates import Bracket, PriceBook, PriceRule, PriceState, Rates
from weighbridge.core.terms import Dialect, Operation, Provenance
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.settle import settle
from weighbridge.testing.books import memory_books

WHOLE = b'{"id":"c","choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}'
DELTA = b'data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":null}]}\n\n'
LAST = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}\n\n'
DONE = b"data: [DONE]\n\n"
BROKE = ErrorKind.PROVIDER_BROKE_OFF


def broken():
    return GatewayError(BROKE, "The provider broke off.")


def order(world):
    return [event for event, _ in world.events]


async def test_whole_reply_is_accounted_for_before_its_last_byte_leaves(world):
    world.will_reply(WHOLE, length=len(WHOLE))
    client = await world.chat()
    assert order(world) == ["start", "record", "end"]
    assert client.body == WHOLE
    record = world.record
    assert (record.status, record.error, record.finish_reason, record.is_stream) == (200, None, "stop", False)
    assert (record.usage.input, record.usage.output, record.usage.provenance) == (9, 4, Provenance.REPORTED)
    assert (record.request_bytes, record.reply_bytes) == (len(client.sent), len(WHOLE))
    assert (record.provider, record.model, record.requested_model) == ("openai", "gpt-4o", "gpt-4o")
    assert (record.dialect, record.operation) == (Dialect.OPENAI, Operation.CHAT)
    assert (record.method, record.path, record.key_id, record.config_version) == ("POST", "/v1/chat/completions", "key_1", 7)
    assert record.edits == ()


async def test_times_of_a_record_are_in_order(world):
    world.will_reply(WHOLE, length=len(WHOLE))
    await world.chat()
    record = world.record
    (attempt,) = record.attempts
    assert 0 < attempt.sent_ns < attempt.first_byte_ns
    assert 0 < record.first_byte_ns < record.duration_ns
    assert attempt.end_ns == record.duration_ns
    assert record.overhead_ns != 0


async def test_stream_is_accounted_for_before_its_terminator_leaves(world):
    world.will_stream(DELTA, LAST, USAGE, DONE)
    client = await world.chat(stream=True, stream_options={"include_usage": True})
    assert order(world) == ["start", "write", "write", "write", "write", "record", "end"]
    assert client.body == DELTA + LAST + USAGE + DONE
    record = world.record
    assert record.is_stream
    assert (record.usage.input, record.usage.output) == (9, 4)
    assert record.reply_bytes == len(client.body)


async def test_attempt_carries_its_own_status_usage_and_credential(world):
    world.will_reply(WHOLE, length=len(WHOLE))
    await world.chat()
    (attempt,) = world.record.attempts
    assert (attempt.provider, attempt.model, attempt.credential, attempt.status) == ("openai", "gpt-4o", "openai#1", 200)
    assert attempt.usage.output == 4


async def test_refusal_is_accounted_for_before_it_is_sent(world):
    client = await world.ask("POST", "/v1/chat/completions", {"messages": []})
    assert order(world) == ["record", "start", "end"]
    assert client.status == world.record.status == 400
    assert world.record.error == "invalid_request"
    assert world.record.attempts == ()
    assert world.record.usage.provenance is Provenance.UNKNOWN


async def test_provider_refusal_passes_and_is_accounted_for(world):
    refusal = b'{"error":{"message":"slow down"}}'
    world.will_reply(refusal, status=429, length=len(refusal))
    client = await world.chat()
    assert (client.status, client.body) == (429, refusal)
    assert (world.record.status, world.record.attempts[0].status) == (429, 429)


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize(
    ("kind", "status"),
    [(ErrorKind.PROVIDER_UNREACHABLE, 502), (ErrorKind.PROVIDER_TIMEOUT, 504), (ErrorKind.PROVIDER_BROKE_OFF, 502)],
)
async def test_provider_failing_before_its_head_gives_an_honest_error(world, kind, status, is_stream):
    world.upstream.script.append(GatewayError(kind, "No.", detail="10.0.0.9 refused"))
    client = await world.chat(stream=is_stream)
    assert client.status == world.record.status == status
    assert client.json["error"]["message"] == "No."
    assert b"10.0.0.9" not in client.body + client.raw_head
    assert world.record.detail == "10.0.0.9 refused"
    (attempt,) = world.record.attempts
    assert (attempt.error, attempt.status, attempt.first_byte_ns) == (kind.value, 0, -1)
    assert client.fields["x-weighbridge-provider"] == "openai"


@pytest.mark.parametrize("is_stream", [False, True])
async def test_provider_breaking_off_after_its_head_but_before_a_byte_gives_an_honest_error(world, is_stream):
    send = world.will_stream if is_stream else world.will_reply
    reply = send(error=broken())
    client = await world.chat(stream=is_stream)
    assert (client.status, client.is_ended) == (502, True)
    assert client.json["error"]["code"] == "provider_broke_off"
    assert reply.is_aborted
    assert world.record.attempts[0].error == "provider_broke_off"
    assert len(world.sink.records) == 1


async def test_broken_stream_ends_with_an_error_event_and_no_proper_end(world):
    world.will_stream(DELTA, error=broken())
    client = await world.chat(stream=True)
    assert client.body.startswith(DELTA)
    assert b'"error"' in client.body[len(DELTA) :]
    assert b"[DONE]" not in client.body
    assert (client.is_aborted, client.is_ended) == (True, False)
    assert order(world).index("record") < order(world).index("abort")
    record = world.record
    assert (record.status, record.error, record.attempts[0].error) == (200, BROKE.value, BROKE.value)


@pytest.mark.parametrize(
    ("target", "body", "chunk", "tail"),
    [
        (
            "/v1/messages",
            {"model": "claude-4", "stream": True},
            b'event: ping\ndata: {"type":"ping"}\n\n',
            b'event: error\ndata: {"type":"error"',
        ),
        (
            "/v1/responses",
            {"model": "gpt-4o", "stream": True},
            b'event: x\ndata: {"type":"x"}\n\n',
            b'event: error\ndata: {"type":"error"',
        ),
        (
            "/v1beta/models/gemini-pro:streamGenerateContent?alt=sse",
            {},
            b'data: {"candidates":[]}\r\n\r\n',
            b'data: {"error":{"code":502',
        ),
    ],
)
async def test_error_event_is_of_the_callers_dialect(world, target, body, chunk, tail):
    world.will_stream(chunk, error=broken())
    client = await world.ask("POST", target, body)
    assert client.body.startswith(chunk + b"\n\n" + tail)
    assert client.is_aborted


async def test_broken_whole_reply_is_cut_and_never_completed(world):
    world.will_reply(WHOLE[:40], length=len(WHOLE), error=broken())
    client = await world.chat()
    assert (client.body, client.is_aborted, client.is_ended) == (WHOLE[:40], True, False)
    assert (world.record.error, world.record.reply_bytes) == (BROKE.value, 40)


async def test_broken_compressed_stream_is_cut_without_text_between(world):
    headers = (("content-type", "text/event-stream"), ("content-encoding", "gzip"))
    world.will_reply(b"\x1f\x8b\x08", headers=headers, error=broken())
    client = await world.chat(stream=True)
    assert (client.body, client.is_aborted) == (b"\x1f\x8b\x08", True)


@pytest.mark.parametrize("is_stream", [False, True])
async def test_client_leaving_before_the_head_cancels_the_provider(world, is_stream):
    world.upstream.script.append(None)
    task = asyncio.create_task(world.chat(stream=is_stream))
    await world.upstream.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.upstream.was_cancelled
    record = world.record
    assert (record.status, record.error) == (499, "client_closed")
    assert [attempt.error for attempt in record.attempts] == ["client_closed"]
    assert world.gateway.in_flight == 0


@pytest.mark.parametrize("is_stream", [False, True])
async def test_client_leaving_midstream_is_still_charged_and_the_provider_is_stopped(world, is_stream):
    reply = world.will_stream(DELTA, is_open=True) if is_stream else world.will_reply(WHOLE[:50], length=len(WHOLE), is_open=True)
    task = asyncio.create_task(world.chat(stream=is_stream))
    await reply.attached.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert reply.is_aborted
    record = world.record
    assert (record.status, record.error, record.attempts[0].status) == (200, "client_closed", 200)
    assert record.reply_bytes == (len(DELTA) if is_stream else 50)


@pytest.mark.parametrize("is_stream", [False, True])
async def test_client_leaving_while_its_body_is_read_is_accounted_for(world, is_stream):
    client = world.client("POST", "/v1/chat/completions", {"stream": is_stream})
    client.body_error = GatewayError(ErrorKind.CLIENT_CLOSED, "gone")
    await world.gateway.handle(client)
    assert client.is_aborted
    assert not client.has_started
    assert world.record.error == "client_closed"
    assert world.upstream.requests == []


@pytest.mark.parametrize("is_stream", [False, True])
async def test_bug_of_ours_is_settled_as_our_failure(world, is_stream):
    world.upstream.script.append(RuntimeError("secret wb-123"))
    client = world.client("POST", "/v1/chat/completions", {"model": "gpt-4o", "stream": is_stream})
    with pytest.raises(RuntimeError):
        await world.gateway.handle(client)
    record = world.record
    assert (record.status, record.error, record.detail) == (500, "internal", "RuntimeError")
    assert record.attempts[0].error == "internal"
    assert client.json["error"]["code"] == "internal"
    assert b"wb-123" not in client.body
    assert world.gateway.in_flight == 0


async def test_bug_after_the_first_byte_never_ends_the_reply_properly(world):
    reply = world.will_stream(DELTA, is_open=True)
    client = world.client("POST", "/v1/chat/completions", {"model": "gpt-4o", "stream": True})
    task = asyncio.create_task(world.gateway.handle(client))
    await reply.attached.wait()
    await asyncio.sleep(0)
    reply.sink._over.set(RuntimeError("bug"))
    with pytest.raises(RuntimeError):
        await task
    assert client.is_aborted
    assert not client.is_ended
    assert world.record.error == "internal"
    assert reply.is_aborted


async def test_second_settlement_does_nothing(world):
    client = world.client("GET", "/v1/models")
    exchange = Exchange(client, world.gateway.snapshot, "req_x", 1)
    settle(exchange, world.clock, memory_books(), world.sink)
    settle(exchange, world.clock, memory_books(), world.sink)
    assert len(world.sink.records) == 1


async def test_query_is_in_no_record(world):
    await world.ask("POST", f"/v1beta/models/gemini-pro:generateContent?key={world.key}", {}, auth=False)
    assert world.record.path == "/v1beta/models/gemini-pro:generateContent"
    assert world.key not in repr(world.record)


async def test_error_event_inside_a_complete_stream_is_noted(world):
    world.will_stream(DELTA, b'data: {"error":{"message":"x","type":"server_error"}}\n\n')
    await world.chat(stream=True)
    assert world.record.error is not None
    assert world.record.status == 200


async def test_size_of_an_upload_is_noted(world):
    await world.ask("POST", "/v1/files", b"x" * 1000)
    assert world.record.request_bytes == 1000


# --- what it costs

GPT = Bracket(Rates(input=1_000_000, output=10_000_000, cache_read=100_000))
PRICES = PriceBook(rules=(PriceRule("openai/*", own=(GPT,), source="tests"),))
ANSWER = encode_json(
    {
        "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 400}},
    }
)


async def test_a_record_has_the_cost_of_each_attempt_and_of_all(build):
    world = build(prices=PRICES)
    world.will_reply(ANSWER, length=len(ANSWER))
    await world.chat()
    record = world.record
    assert record.cost_nanousd == record.attempts[0].cost_nanousd == 600 * 1000 + 400 * 100 + 100 * 10_000
    assert record.price_state is record.attempts[0].price_state is PriceState.KNOWN
    assert record.attempts[0].cache_saved_nanousd == 400 * (1_000 - 100)


async def test_a_model_without_a_price_costs_nobody_knows_what_and_not_nothing(build):
    world = build(prices=PRICES)
    world.will_reply(ANSWER, length=len(ANSWER))
    await world.chat(model="groq/llama-3")
    assert (world.record.cost_nanousd, world.record.price_state) == (None, PriceState.UNKNOWN)


async def test_a_provider_that_says_nothing_of_its_usage_is_charged_an_estimate_that_says_so(build):
    world = build(prices=PRICES)
    await world.chat()
    usage = world.record.usage
    assert (usage.provenance, usage.output) == (Provenance.ESTIMATED, len(b"{}"))
    assert usage.input == world.record.request_bytes + 1_024  # a token has a byte at least, and providers add some of their own
    assert world.record.price_state is PriceState.ESTIMATED
    assert world.record.cost_nanousd == usage.input * 1_000 + usage.output * 10_000


@pytest.mark.parametrize(
    ("failure", "cost", "state"),
    [
        (500, 0, PriceState.KNOWN),
        (ErrorKind.PROVIDER_UNREACHABLE, 0, PriceState.KNOWN),
        (ErrorKind.PROVIDER_TIMEOUT, None, PriceState.UNKNOWN),
        (ErrorKind.PROVIDER_BROKE_OFF, None, PriceState.UNKNOWN),
    ],
)
async def test_a_refusal_is_free_and_what_may_have_been_billed_is_unknown(build, failure, cost, state):
    world = build(prices=PRICES)
    if isinstance(failure, int):
        world.will_reply(b'{"error":{}}', status=failure, length=12)
    else:
        world.upstream.script.append(GatewayError(failure, "no"))
    await world.chat()
    assert (world.record.attempts[0].cost_nanousd, world.record.attempts[0].price_state) == (cost, state)
    assert (world.record.cost_nanousd, world.record.price_state) == (cost, state)


async def test_a_request_that_was_sent_nowhere_costs_nothing(build):
    world = build(prices=PRICES)
    await world.chat(model="unheard-of")
    assert (world.record.cost_nanousd, world.record.price_state) == (0, PriceState.KNOWN)


async def test_the_record_names_end_user_route_and_team(build):
    world = build(keys=(build.virtual_key(team="blue"),))
    await world.chat(model="smart", user="ann")
    assert (world.record.end_user, world.record.route, world.record.team) == ("ann", "smart", "blue")
