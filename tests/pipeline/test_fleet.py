from __future__ import annotations

import pytest

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.routes import RetryPolicy, Route, RouteTarget, StrategyName
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Deployment, Dialect
from weighbridge.providers.base import Credential

RETRY = RetryPolicy(max_attempts=3, backoff_ns=0)
GOOD = encode_json({"id": "x", "model": "m", "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]})
TARGETS = (RouteTarget(Deployment("openai", "gpt-4o")), RouteTarget(Deployment("groq", "llama-3")))


@pytest.fixture
def world_of(build):
    def built(n_keys=1, strategy=StrategyName.ORDERED):
        credentials = tuple(Credential(f"openai#{n}", Secret(f"sk-{n}")) for n in range(1, n_keys + 1))
        openai = build.provider("openai", {Dialect.OPENAI: "/v1"}, credentials=credentials)
        providers = (openai, *build().plan.providers[1:])
        return build(providers=providers, routes=(Route("two", TARGETS, retry=RETRY, strategy=strategy),), retry=RETRY)

    return built


def refuse(world, status, kind="x", **headers):
    body = encode_json({"error": {"message": "no", "type": kind, "code": kind}})
    world.will_reply(body, status=status, length=len(body), headers=(("content-type", "application/json"), *headers.items()))


def keys(world):
    return [attempt.credential for attempt in world.sink.records[-1].attempts]


def asked(world):
    return [request.origin.host.split(".")[1] for request in world.upstream.requests]


async def test_a_throttled_key_rests_and_another_key_of_the_same_target_answers(world_of):
    world = world_of(n_keys=2)
    refuse(world, 429, **{"retry-after": "20"})
    world.will_reply(GOOD, length=len(GOOD))
    assert (await world.chat(model="two")).body == GOOD
    assert keys(world) == ["openai#1", "openai#2"]
    for _ in range(4):
        world.will_reply(GOOD, length=len(GOOD))
        await world.chat(model="two")
        assert keys(world) == ["openai#2"]
    world.clock.now += 20 * NS_PER_S
    used = set()
    for _ in range(4):
        world.will_reply(GOOD, length=len(GOOD))
        await world.chat(model="two")
        used |= set(keys(world))
    assert used == {"openai#1", "openai#2"}


async def test_when_all_keys_rest_the_next_target_answers_and_without_one_the_caller_is_told_when(world_of):
    world = world_of()
    refuse(world, 429, **{"retry-after": "20"})
    world.will_reply(GOOD, length=len(GOOD))
    await world.chat(model="two")
    world.upstream.requests.clear()
    world.will_reply(GOOD, length=len(GOOD))
    assert (await world.chat(model="two")).body == GOOD
    assert asked(world) == ["groq"]
    client = await world.chat(model="openai/gpt-4o")
    assert client.status == 429
    assert 18 <= int(client.fields["retry-after"]) <= 20
    assert asked(world) == ["groq"]  # a key that rests is never used


async def test_a_refused_key_is_parked_and_an_unpaid_one_is_no_rate_limit(world_of):
    for status, kind, state in ((401, "invalid_api_key", "parked"), (429, "insufficient_quota", "no_quota")):
        world = world_of(n_keys=2)
        refuse(world, status, kind)
        for _ in range(4):
            world.will_reply(GOOD, length=len(GOOD))
            assert (await world.chat(model="two")).status == 200
        (status_,) = [each for each in world.gateway.fleet.health.statuses(world.clock.now_ns()) if each.id == "openai/gpt-4o"]
        assert [key.state.value for key in status_.keys] == [state, "well"]


async def test_a_target_that_is_down_is_left_alone_and_comes_back_by_one_probe(world_of):
    world = world_of()
    for _ in range(5):
        world.upstream.script.append(GatewayError(ErrorKind.PROVIDER_UNREACHABLE, "no"))
        world.will_reply(GOOD, length=len(GOOD))
        assert (await world.chat(model="two")).status == 200
    world.upstream.requests.clear()
    for _ in range(5):
        world.will_reply(GOOD, length=len(GOOD))
        await world.chat(model="two")
    assert asked(world) == ["groq"] * 5
    world.clock.now += 10 * NS_PER_S
    for _ in range(3):
        world.will_reply(GOOD, length=len(GOOD))
        await world.chat(model="two")
    assert asked(world)[5:] == ["openai"] * 3


async def test_requests_under_way_are_back_to_none_whatever_happens(world_of):
    world = world_of(strategy=StrategyName.LEAST_IN_FLIGHT)
    refuse(world, 400)
    await world.chat(model="two")
    world.upstream.script.append(GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "no"))
    world.will_reply(GOOD, length=len(GOOD))
    await world.chat(model="two")
    for name in ("openai/gpt-4o", "groq/llama-3"):
        assert world.gateway.fleet.live(name).in_flight == 0
    for provider in ("openai", "groq"):
        assert all(key.in_flight == 0 for key in world.gateway.fleet.health.keys.keys(provider))


async def test_an_outage_of_everything_is_no_storm(world_of):
    world = world_of()
    n = 200
    for _ in range(3 * n):
        world.upstream.script.append(GatewayError(ErrorKind.PROVIDER_UNREACHABLE, "no"))
    for _ in range(n):
        assert (await world.chat(model="two")).status == 502
    assert n <= len(world.upstream.requests) <= 1.1 * n + 25
