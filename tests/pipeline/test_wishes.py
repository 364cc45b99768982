from __future__ import annotations

import json

import pytest

from weighbridge.core.errors import GatewayError
from weighbridge.core.routes import RetryPolicy, Route, RouteTarget
from weighbridge.core.terms import DataDemand, DataTerms, Deployment
from weighbridge.pipeline.wishes import read_demand

GOOD = b'{"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}]}'
RETRY = RetryPolicy(max_attempts=2, backoff_ns=0)
EU = RouteTarget(Deployment("openai", "gpt-4o"), terms=DataTerms("eu-west-1", zdr=True, trains=False))
US = RouteTarget(Deployment("groq", "llama-3"), terms=DataTerms("us", retention_days=30))


def asked(world):
    return [request.origin.host.split(".")[1] for request in world.upstream.requests]


@pytest.fixture
def world_of(build):
    def built(*, key=None, **route):
        facts = {"demand": key} if key is not None else {}
        routes = (Route("two", (US, EU), retry=RETRY, **route), Route("us", (US,), retry=RETRY))
        world = build(routes=routes, retry=RETRY, keys=(build.virtual_key(**facts),))
        world.upstream.usual = GOOD
        return world

    return built


@pytest.mark.parametrize(
    ("header", "demand"),
    [
        (b"region=eu", DataDemand(("eu",))),
        (b"Region=EU|us, ZDR", DataDemand(("eu", "us"), zdr=True)),
        (b"no-training,max-retention=30d", DataDemand(max_retention_days=30, no_training=True)),
    ],
)
def test_a_header_of_demands(header, demand):
    assert read_demand(header) == demand


@pytest.mark.parametrize("header", [b"", b"region", b"zero-data", b"region=eu;zdr", b"max-retention=soon"])
def test_a_demand_that_is_not_understood_is_never_passed_over(header):
    with pytest.raises(GatewayError) as caught:
        read_demand(header)
    assert caught.value.code == "invalid_demand"


async def test_key_route_and_request_each_can_demand_a_region(world_of):
    for world, headers in (
        (world_of(key=DataDemand(("eu",))), ()),
        (world_of(demand=DataDemand(zdr=True)), ()),
        (world_of(), (("x-weighbridge-demand", "no-training"),)),
    ):
        await world.chat(model="two", headers=headers)
        assert asked(world) == ["openai"]


async def test_a_request_that_no_target_satisfies_is_refused_and_sent_nowhere(world_of):
    world = world_of(key=DataDemand(("eu",)))
    for model in ("us", "groq/llama-3", "llama-3"):
        client = await world.chat(model=model)
        assert client.status == 403
        assert client.json["error"]["code"] == "no_target_allowed"
        assert "groq/llama-3: region" in client.json["error"]["message"]
    assert world.upstream.requests == []


async def test_it_is_not_served_elsewhere_when_the_only_allowed_target_fails(world_of):
    world = world_of(key=DataDemand(("eu",)))
    body = b'{"error":{"message":"no","type":"server_error"}}'
    for _ in range(3):
        world.will_reply(body, status=500, length=len(body))
    assert (await world.chat(model="two")).status == 500
    assert set(asked(world)) == {"openai"}


async def test_openrouters_preferences_choose_and_go_to_nobody_else(world_of):
    world = world_of()
    client = await world.chat(model="two", provider={"order": ["openai"]}, models=["us"], temperature=1)
    assert asked(world) == ["openai"]
    sent = json.loads(world.sent_body)
    assert not {"provider", "models"} & sent.keys()
    assert sent["temperature"] == 1
    assert client.fields["x-weighbridge-edits"] == "model,removed:provider,removed:models"


async def test_a_list_of_models_is_a_list_of_fallbacks(world_of):
    world = world_of()
    body = b'{"error":{"message":"no","type":"server_error"}}'
    world.will_reply(body, status=503, length=len(body))
    await world.chat(model="openai/gpt-4o", models=["groq/llama-3"])
    assert asked(world) == ["openai", "groq"]


async def test_a_suffix_sorts_a_routes_targets(world_of):
    world = world_of()
    world.gateway.fleet.live("groq/llama-3").total_ns = 5e9
    world.gateway.fleet.live("openai/gpt-4o").total_ns = 1e9
    await world.chat(model="two:nitro")
    await world.chat(model="two:floor")
    assert asked(world) == ["openai", "groq"]
    assert (await world.chat(model="two:unheard-of")).status == 404


async def test_preferences_that_make_no_sense_are_refused(world_of):
    client = await world_of().chat(model="two", provider={"sort": "cheapest"})
    assert client.status == 400
    assert client.json["error"]["param"] == "provider"
