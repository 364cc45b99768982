from __future__ import annotations

import asyncio

import pytest

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.routes import RetryPolicy, Route, RouteTarget
from weighbridge.core.terms import Deployment, Provenance
from weighbridge.pipeline import replay

GOOD = encode_json({"id": "x", "model": "m", "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]})
SSE = (("content-type", "text/event-stream"),)
WORDS = [b'data: {"choices":[{"index":0,"delta":{"content":"%d"}}]}\n\n' % n for n in range(4)]
KEY = (("idempotency-key", "retry-1"),)


async def settled(times=5):
    for _ in range(times):
        await asyncio.sleep(0)


async def test_a_retry_under_the_same_key_gets_the_same_answer_and_costs_nothing(world):
    world.will_reply(GOOD, length=len(GOOD))
    first = await world.chat(headers=KEY)
    second = await world.chat(headers=KEY)
    assert first.body == second.body == GOOD
    assert len(world.upstream.requests) == 1
    assert second.fields["x-weighbridge-joined"] == first.fields["x-weighbridge-request-id"]
    assert "x-weighbridge-joined" not in first.fields
    one, two = world.sink.records
    assert len(one.attempts) == 1
    assert two.attempts == ()
    assert two.usage.provenance is Provenance.UNKNOWN
    assert two.edits == ("joined:" + one.request_id,)
    assert two.reply_bytes == len(GOOD)


async def test_another_key_or_another_callers_key_is_another_request(build):
    world = build(keys=(build.virtual_key(), build.virtual_key("wb-" + "z" * 43, id="key_2")))
    for _ in range(3):
        world.will_reply(GOOD, length=len(GOOD))
    await world.chat(headers=KEY)
    await world.chat(headers=(("idempotency-key", "retry-2"),))
    await world.ask(
        "POST",
        "/v1/chat/completions",
        {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]},
        (*KEY, ("authorization", "Bearer wb-" + "z" * 43)),
        auth=False,
    )
    assert len(world.upstream.requests) == 3


async def test_a_key_that_comes_with_another_request_is_refused(world):
    world.will_reply(GOOD, length=len(GOOD))
    await world.chat(headers=KEY)
    client = await world.chat(headers=KEY, temperature=1)
    assert client.status == 422
    assert client.json["error"]["code"] == "idempotency_key_reused"


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_that_is_none_is_refused(world, key):
    assert (await world.chat(headers=(("idempotency-key", key),))).status == 400


async def test_a_failure_is_not_kept(world):
    world.upstream.script.append(GatewayError(ErrorKind.PROVIDER_UNREACHABLE, "no"))
    world.will_reply(GOOD, length=len(GOOD))
    assert (await world.chat(headers=KEY)).status == 502
    assert (await world.chat(headers=KEY)).body == GOOD
    assert len(world.upstream.requests) == 2


async def test_a_retry_joins_the_stream_that_is_still_running(world):
    reply = world.will_reply(WORDS[0], headers=SSE, is_open=True)
    first = asyncio.ensure_future(world.chat(headers=KEY, stream=True, stream_options={"include_usage": True}))
    await reply.attached.wait()
    reply.sink.on_data(WORDS[1])
    second = asyncio.ensure_future(world.chat(headers=KEY, stream=True, stream_options={"include_usage": True}))
    await settled()
    reply.sink.on_data(WORDS[2])
    reply.sink.on_data(WORDS[3])
    reply.sink.on_end()
    assert (await first).body == (await second).body == b"".join(WORDS)
    assert len(world.upstream.requests) == 1
    assert all(client.result().is_ended for client in (first, second))


async def test_the_answer_goes_on_for_others_when_the_first_client_leaves(world):
    reply = world.will_reply(WORDS[0], headers=SSE, is_open=True)
    first = asyncio.ensure_future(world.chat(headers=KEY, stream=True, stream_options={"include_usage": True}))
    await reply.attached.wait()
    second = asyncio.ensure_future(world.chat(headers=KEY, stream=True, stream_options={"include_usage": True}))
    await settled()
    first.cancel()
    await settled()
    assert not reply.is_aborted
    reply.sink.on_data(WORDS[1])
    reply.sink.on_end()
    assert (await second).body == WORDS[0] + WORDS[1]
    assert len(world.sink.records) == 2
    assert world.sink.records[0].error is None


async def test_a_stream_that_nobody_else_wants_is_cancelled_with_its_client(world):
    reply = world.will_reply(WORDS[0], headers=SSE, is_open=True)
    first = asyncio.ensure_future(world.chat(headers=KEY, stream=True, stream_options={"include_usage": True}))
    await reply.attached.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert reply.is_aborted


async def test_who_has_joined_an_answer_that_breaks_off_can_tell(world):
    reply = world.will_reply(WORDS[0], headers=SSE, is_open=True)
    first = asyncio.ensure_future(world.chat(headers=KEY, stream=True, stream_options={"include_usage": True}))
    await reply.attached.wait()
    second = asyncio.ensure_future(world.chat(headers=KEY, stream=True, stream_options={"include_usage": True}))
    await settled()
    reply.sink.on_error(GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "no"))
    assert (await first).is_aborted
    assert (await second).is_aborted
    assert [record.error for record in world.sink.records] == ["provider_broke_off", "provider_broke_off"]


async def test_who_has_joined_what_failed_before_its_first_byte_is_carried_out_anew(world):
    world.upstream.script.append(None)  # hangs
    world.will_reply(GOOD, length=len(GOOD))
    first = asyncio.ensure_future(world.chat(headers=KEY))
    await world.upstream.asked.wait()
    second = asyncio.ensure_future(world.chat(headers=KEY))
    await settled()
    first.cancel()
    assert (await second).body == GOOD
    assert len(world.upstream.requests) == 2


async def test_equal_requests_at_the_same_time_share_one_call_where_the_route_says_so(build):
    def route(name, *, joins):
        return Route(name, (RouteTarget(Deployment("openai", "gpt-4o")),), retry=RetryPolicy(max_attempts=1), joins=joins)

    world = build(routes=(route("shared", joins=True), route("apart", joins=False)))
    for model, calls in (("shared", 1), ("apart", 3)):
        reply = world.will_reply(GOOD, length=len(GOOD), is_open=True)
        first = asyncio.ensure_future(world.chat(model=model))
        await reply.attached.wait()
        for _ in range(2):
            world.will_reply(GOOD, length=len(GOOD))
        others = [asyncio.ensure_future(world.chat(model=model)) for _ in range(2)]
        await settled(10)
        reply.sink.on_end()
        assert {client.body for client in await asyncio.gather(first, *others)} == {GOOD}
        assert len(world.upstream.requests) == calls
        world.upstream.script.clear()
        world.upstream.requests.clear()
    world.will_reply(GOOD, length=len(GOOD))
    await world.chat(model="shared")
    assert len(world.upstream.requests) == 1  # what is over is not joined


async def test_kept_answers_take_bounded_memory_and_are_forgotten_in_time(world, monkeypatch):
    monkeypatch.setattr(replay, "_MAX_KEPT_BYTES", 3 * len(GOOD))
    for number in range(6):
        world.will_reply(GOOD, length=len(GOOD))
        await world.chat(headers=(("idempotency-key", str(number)),))
    assert len(world.gateway._shelf._recordings) == 3
    world.clock.now += 601 * 10**9
    world.will_reply(GOOD, length=len(GOOD))
    await world.chat(headers=(("idempotency-key", "5"),))
    assert len(world.upstream.requests) == 7


async def test_an_answer_that_is_too_long_to_keep_is_given_and_forgotten(world, monkeypatch):
    monkeypatch.setattr(replay, "_MAX_ANSWER_BYTES", 10)
    for _ in range(2):
        world.will_reply(GOOD, length=len(GOOD))
        assert (await world.chat(headers=KEY)).body == GOOD
    assert len(world.upstream.requests) == 2
