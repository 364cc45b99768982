from __future__ import annotations

import pytest

from weighbridge.core.codec import decode_json
from weighbridge.core.model_sizes import SizeRule
from weighbridge.core.routes import Parameter, RetryPolicy, Route, RouteTarget, StrategyName
from weighbridge.core.terms import DataDemand, DataTerms, Deployment

RETRY = RetryPolicy(max_attempts=3, backoff_ns=0)
CHAT = {"model": "two", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 100}


def route(*targets, **facts):
    return Route("two", targets, retry=RETRY, **facts)


def target(provider, model, **facts):
    return RouteTarget(Deployment(provider, model), **facts)


@pytest.fixture
def world_of(build):
    def built(*targets, **facts):
        return build(routes=(route(*targets, **facts),), retry=RETRY)

    return built


async def ask(world, body=CHAT, **facts):
    client = await world.ask("POST", "/v1/explain", body, **facts)
    return client.json


def order(told):
    return [choice["target"] for choice in told["candidates"]]


async def test_the_explanation_is_the_decision_and_nothing_is_sent(world_of):
    world = world_of(target("openai", "gpt-4o"), target("groq", "llama-3"), strategy=StrategyName.WEIGHTED)
    for _ in range(30):
        told = await ask(world)
        assert await ask(world) == told  # asking changes nothing
        world.upstream.requests.clear()
        await world.chat(model="two", max_tokens=100)
        asked = world.upstream.requests[0].origin.host.split(".")[1]
        assert asked == order(told)[0].partition("/")[0]


async def test_round_robin_is_told_without_a_turn(world_of):
    world = world_of(target("openai", "gpt-4o"), target("groq", "llama-3"), strategy=StrategyName.ROUND_ROBIN)
    assert order(await ask(world)) == order(await ask(world)) == ["openai/gpt-4o", "groq/llama-3"]


async def test_who_is_not_asked_is_told_with_the_reason(world_of):
    world = world_of(target("openai", "gpt-4o", when="tools"), target("groq", "llama-3"))
    told = await ask(world)
    assert told["lost"] == [{"target": "openai/gpt-4o", "reason": "condition does not hold: tools"}]
    assert order(await ask(world, CHAT | {"tools": [{"type": "function"}]})) == ["openai/gpt-4o", "groq/llama-3"]


async def test_edits_and_state_are_told(world_of):
    world = world_of(target("openai", "gpt-4o"), target("groq", "llama-3"))
    live = world.gateway.fleet.live("openai/gpt-4o")
    live.retry_at_ns, live.reason = world.clock.now + 5_000_000_000, "breaker_open: 5 failed in a row"
    told = await ask(world)
    assert order(told) == ["groq/llama-3", "openai/gpt-4o"]
    assert told["candidates"][0]["edits"] == ["model"]
    assert told["candidates"][1]["state"].startswith("breaker_open")
    assert 4000 < told["candidates"][1]["retry_in_ms"] <= 5000


async def test_a_request_of_another_kind_is_named_by_its_path(build):
    world = build(retry=RETRY)
    told = await ask(world, {"path": "/v1/messages", "body": {"model": "claude-4", "max_tokens": 5, "messages": []}})
    assert order(told) == ["anthropic/claude-4"]


async def test_headers_that_would_be_sent_count(world_of):
    eu = target("openai", "gpt-4o", terms=DataTerms("eu"))
    world = world_of(eu, target("groq", "llama-3"))
    told = await ask(world, {"headers": {"x-weighbridge-demand": "region=eu"}, "body": CHAT})
    assert order(told) == ["openai/gpt-4o"]
    assert told["demand"]["regions"] == ["eu"]


async def test_a_refusal_is_a_refusal_here_too(world_of):
    world = world_of(target("openai", "gpt-4o"), demand=DataDemand(("eu",)))
    told = await ask(world)
    assert told["candidates"] == []
    assert told["lost"][0]["reason"] == "region 'not declared' is none of eu"
    for body, status in (({"model": "unheard-of", "messages": []}, 404), (b"nonsense", 400), ({"path": "x", "body": CHAT}, 400)):
        assert (await world.ask("POST", "/v1/explain", body)).status == status


async def test_it_needs_a_key_and_leaves_a_record(world_of):
    world = world_of(target("openai", "gpt-4o"))
    assert (await world.ask("POST", "/v1/explain", CHAT, auth=False)).status == 401
    await ask(world)
    record = world.sink.records[-1]
    assert (record.operation.value, record.attempts, record.status) == ("explain", (), 200)


async def test_nothing_can_be_sent_to_a_request_that_is_only_talked_about():
    from weighbridge.pipeline.explain import Described

    described = Described(b"POST", b"/", [], 0, 0)
    described.flush()
    described.abort()
    described.throttle(None)
    for call in (
        lambda: described.start(200, b"", 0),
        lambda: described.write(b"x"),
        described.end,
        lambda: described.take_over(None),
    ):
        with pytest.raises(NotImplementedError):
            call()
    assert decode_json(b"1") == 1


@pytest.mark.parametrize(
    ("asked", "facts", "bound"),
    [
        ({"max_tokens": 100}, {}, (100, "the request")),
        ({}, {}, (16_384, "its page")),
        ({}, {"defaults": (Parameter("max_tokens", b"70"),)}, (70, "the route")),
        ({"max_tokens": 100}, {"defaults": (Parameter("max_tokens", b"70"),)}, (100, "the request")),
        ({"max_tokens": 100}, {"overrides": (Parameter("max_tokens", b"70"),)}, (70, "the route")),
    ],
)
async def test_what_bounds_the_output_is_told_with_whose_word_it_is(build, asked, facts, bound):
    sizes = (SizeRule("openai/*", max_output_tokens=16_384, source="its page"),)
    world = build(routes=(route(target("openai", "gpt-4o", **facts)),), retry=RETRY, sizes=sizes)
    (choice,) = (await ask(world, {"model": "two", "messages": [], **asked}))["candidates"]
    assert (choice["output_bound"]["tokens"], choice["output_bound"]["source"]) == bound


async def test_a_keys_maximum_bounds_the_output_too(build):
    world = build(routes=(route(target("openai", "gpt-4o")),), retry=RETRY, keys=(build.virtual_key(max_output_tokens=64),))
    (choice,) = (await ask(world))["candidates"]
    assert choice["output_bound"] == {"tokens": 64, "source": "the key"}
