from __future__ import annotations

import asyncio

import msgspec
import pytest

from weighbridge.core.codec import encode_json
from weighbridge.core.routes import RetryPolicy, Route, RouteTarget
from weighbridge.core.terms import Deployment
from weighbridge.pipeline.plan import Limits

GOOD = encode_json({"id": "x", "model": "m", "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]})
HOUR = 3_600_000_000_000


async def settled():
    for _ in range(8):
        await asyncio.sleep(0)


def start(world, **fields):
    return asyncio.ensure_future(world.chat(**fields))


async def test_a_request_waits_for_a_place_in_the_worker_and_gets_it(build):
    world = build(limits=Limits(max_in_flight=1, queue_timeout_ns=HOUR))
    reply = world.will_reply(is_open=True)
    first = start(world)
    await reply.attached.wait()
    second = start(world)
    await settled()
    assert len(world.upstream.requests) == 1
    reply.sink.on_data(GOOD)
    reply.sink.on_end()
    assert (await first).status == 200
    assert (await second).status == 200
    assert world.gateway._n_admitted == 0


async def test_more_than_may_wait_are_refused_and_so_is_who_waits_too_long(build):
    world = build(limits=Limits(max_in_flight=1, max_queue=1, queue_timeout_ns=20_000_000))
    world.upstream.script.append(None)
    first = start(world)
    await world.upstream.asked.wait()
    second = start(world)
    await settled()
    refused = await world.chat()
    assert (refused.status, refused.fields["retry-after"]) == (503, "1")
    assert (await second).status == 503
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert (await world.chat()).status == 200


async def test_a_client_that_leaves_the_queue_gives_up_its_turn(build):
    world = build(limits=Limits(max_in_flight=1, queue_timeout_ns=HOUR))
    world.upstream.script.append(None)
    first = start(world)
    await world.upstream.asked.wait()
    second, third = start(world), start(world)
    await settled()
    second.cancel()
    await settled()
    first.cancel()
    assert (await third).status == 200
    await asyncio.gather(first, second, return_exceptions=True)
    assert world.gateway._n_admitted == 0
    assert len(world.gateway._room) == 0


async def test_a_key_of_higher_priority_goes_first(build):
    low, high = build.virtual_key(), build.virtual_key("wb-" + "h" * 43, id="key_2", priority=9)
    world = build(keys=(low, high), limits=Limits(max_in_flight=1, queue_timeout_ns=HOUR))
    world.upstream.script.append(None)
    first = start(world)
    await world.upstream.asked.wait()
    waiting = start(world)
    body = {"model": "gpt-4o", "messages": []}
    urgent = asyncio.ensure_future(
        world.ask("POST", "/v1/chat/completions", body, (("authorization", "Bearer wb-" + "h" * 43),), auth=False)
    )
    await settled()
    first.cancel()
    await asyncio.gather(first, waiting, urgent, return_exceptions=True)
    assert [record.key_id for record in world.sink.records] == ["key_1", "key_2", "key_1"]


@pytest.mark.parametrize("bound", ["target", "key"])
async def test_a_target_or_a_key_that_has_its_fill_is_waited_for(build, bound):
    providers = build().plan.providers
    if bound == "key":
        providers = (msgspec.structs.replace(providers[0], max_in_flight_per_key=1), *providers[1:])
    target = RouteTarget(Deployment("openai", "gpt-4o"), max_in_flight=1 if bound == "target" else 0)
    world = build(providers=providers, routes=(Route("one", (target,)),), limits=Limits(queue_timeout_ns=HOUR))
    reply = world.will_reply(is_open=True)
    first = start(world, model="one")
    await reply.attached.wait()
    second = start(world, model="one")
    await settled()
    assert len(world.upstream.requests) == 1
    reply.sink.on_data(GOOD)
    reply.sink.on_end()
    assert (await first).status == (await second).status == 200


async def test_a_target_that_has_its_fill_is_passed_over_for_the_next(build):
    targets = (RouteTarget(Deployment("openai", "gpt-4o"), max_in_flight=1), RouteTarget(Deployment("groq", "llama-3")))
    world = build(routes=(Route("two", targets, retry=RetryPolicy(max_attempts=2)),))
    reply = world.will_reply(is_open=True)
    first = start(world, model="two")
    await reply.attached.wait()
    world.will_reply(GOOD, length=len(GOOD))
    assert (await world.chat(model="two")).fields["x-weighbridge-provider"] == "groq"
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
