from __future__ import annotations

import asyncio

import pytest

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.routes import Hedging, RetryPolicy, Route, RouteTarget
from weighbridge.core.terms import Deployment

RETRY = RetryPolicy(max_attempts=3, backoff_ns=0)
GOOD = encode_json(
    {"id": "x", "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}
)
WORD = b'data: {"id":"x","model":"m","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n'
ROLE = WORD.replace(b'"Hi"', b'""')
DONE = b"data: [DONE]\n\n"
STREAM = {"stream": True, "stream_options": {"include_usage": True}}


@pytest.fixture
def world(build):
    targets = (RouteTarget(Deployment("openai", "gpt-4o")), RouteTarget(Deployment("groq", "llama-3")))
    route = Route("two", targets, retry=RETRY, hedging=Hedging(min_ns=1_000_000))
    world = build(routes=(route,), retry=RETRY)
    for _ in range(64):
        world.gateway.fleet.note_first_token(route, 1)
    return world


def told(world):
    return [(attempt.provider, attempt.error) for attempt in world.record.attempts]


async def test_a_quick_answer_is_not_hedged(world):
    world.will_reply(GOOD, length=len(GOOD))
    assert (await world.chat(model="two")).body == GOOD
    assert told(world) == [("openai", None)]


async def test_a_second_target_answers_for_one_that_is_slow_and_the_slow_call_is_cancelled(world):
    world.upstream.script.append(None)
    world.will_reply(GOOD, length=len(GOOD))
    client = await world.chat(model="two")
    assert client.body == GOOD
    assert client.fields["x-weighbridge-provider"] == "groq"
    assert world.upstream.was_cancelled
    assert told(world) == [("openai", "hedge_lost"), ("groq", None)]
    assert (world.record.provider, world.record.model) == ("groq", "llama-3")


async def test_the_first_may_still_win(world):
    first = world.will_stream(ROLE, is_open=True)
    second = world.will_stream(ROLE, is_open=True)
    handling = asyncio.ensure_future(world.chat(model="two", **STREAM))
    await second.attached.wait()
    first.sink.on_data(WORD)
    first.sink.on_data(DONE)
    first.sink.on_end()
    client = await handling
    assert client.body == ROLE + WORD + DONE
    assert second.is_aborted
    assert not first.is_aborted
    assert told(world) == [("groq", "hedge_lost"), ("openai", None)]


async def test_a_token_of_the_second_wins_over_a_head_of_the_first(world):
    first = world.will_stream(ROLE, is_open=True)
    second = world.will_stream(ROLE, is_open=True)
    handling = asyncio.ensure_future(world.chat(model="two", **STREAM))
    await second.attached.wait()
    second.sink.on_data(WORD)
    first.sink.on_data(WORD)  # in the same turn of the loop: too late
    second.sink.on_data(DONE)
    second.sink.on_end()
    client = await handling
    assert client.body == ROLE + WORD + DONE
    assert first.is_aborted
    assert told(world) == [("openai", "hedge_lost"), ("groq", None)]


async def test_when_the_hedge_fails_the_first_is_waited_for(world):
    first = world.will_stream(ROLE, is_open=True)
    world.upstream.script.append(GatewayError(ErrorKind.PROVIDER_UNREACHABLE, "no"))
    handling = asyncio.ensure_future(world.chat(model="two", **STREAM))
    while len(world.upstream.requests) < 2:
        await asyncio.sleep(0.001)
    for _ in range(5):
        await asyncio.sleep(0)
    first.sink.on_data(WORD + DONE)
    first.sink.on_end()
    assert (await handling).body == ROLE + WORD + DONE
    assert told(world) == [("groq", "provider_unreachable"), ("openai", None)]


async def test_when_both_fail_the_failure_is_told_and_both_are_noted(world):
    slow = world.will_stream(ROLE, is_open=True)
    world.upstream.script.append(GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "no"))
    handling = asyncio.ensure_future(world.chat(model="two", **STREAM))
    while len(world.upstream.requests) < 2:
        await asyncio.sleep(0.001)
    slow.sink.on_error(GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "no"))
    client = await handling
    assert client.status == 502
    assert sorted(told(world)) == [("groq", "provider_broke_off"), ("openai", "provider_broke_off")]


async def test_a_client_that_leaves_during_a_race_is_settled_once_and_both_calls_are_cancelled(world):
    first = world.will_stream(ROLE, is_open=True)
    second = world.will_stream(ROLE, is_open=True)
    handling = asyncio.ensure_future(world.chat(model="two", **STREAM))
    await second.attached.wait()
    handling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await handling
    for _ in range(3):
        await asyncio.sleep(0)
    assert first.is_aborted
    assert second.is_aborted
    assert world.record.error == "client_closed"
    assert sorted(provider for provider, _ in told(world)) == ["groq", "openai"]


async def test_a_failure_before_the_time_goes_the_usual_way(world):
    world.upstream.script.append(GatewayError(ErrorKind.PROVIDER_UNREACHABLE, "no"))
    world.will_reply(GOOD, length=len(GOOD))
    assert (await world.chat(model="two")).body == GOOD
    assert told(world) == [("openai", "provider_unreachable"), ("groq", None)]
