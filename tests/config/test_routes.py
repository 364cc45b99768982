from __future__ import annotations

import pytest

from weighbridge.config.compile import compile_plan
from weighbridge.config.load import load_config
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.routes import Hedging, Parameter, RetryPolicy, Route, RouteTarget, StickyBy, StrategyName
from weighbridge.core.terms import DataDemand, DataTerms, Deadlines, Deployment

PROVIDERS = "providers:\n  openai: {api_keys: [sk-aaaaaaaaaaaaaaaa, sk-bbbbbbbbbbbbbbbb]}\n  groq: {api_key: gsk-aaaaaaaaaaaaaaa}\n"


@pytest.fixture
def plan_of(tmp_path):
    def built(text):
        file = tmp_path / "weighbridge.yaml"
        file.write_text(PROVIDERS + text)
        return compile_plan(load_config(file, environ={}), version=1, stored_keys=())

    return built


def target(provider, model, **facts):
    return RouteTarget(Deployment(provider, model), **facts)


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("a: openai/gpt-5", (target("openai", "gpt-5"),)),
        ("a: [openai/gpt-5, groq/x]", (target("openai", "gpt-5"), target("groq", "x"))),
        ("a: {targets: [openai/gpt-5]}", (target("openai", "gpt-5"),)),
        ("a: {targets: [{target: openai/gpt-5, weight: 2}]}", (target("openai", "gpt-5", weight=2.0),)),
        ("'gpt-*': openai/gpt-*", (target("openai", "gpt-*"),)),
    ],
)
def test_a_route_in_each_of_its_forms(plan_of, text, targets):
    (route,) = plan_of(f"routes:\n  {text}\n").routes
    assert route.targets == targets
    assert route.retry == RetryPolicy()


def test_another_route_is_named_with_or_without_a_slash(plan_of):
    routes = plan_of(
        "routes:\n  team/x: openai/gpt-5\n  alias: team/x\n  nested: {targets: [{route: alias, weight: 3}, groq/x]}\n"
    ).routes
    assert routes[1].targets == (RouteTarget(route="team/x"),)
    assert routes[2].targets == (RouteTarget(route="alias", weight=3.0), target("groq", "x"))


def test_everything_that_a_route_can_say(plan_of):
    text = """
retry: {attempts: 5, max_hint: 3s}
routes:
  smart:
    strategy: consistent_hash
    sticky: header:X-Tenant
    strict: true
    retry: {time: 9s, ambiguous: false}
    hedge: {percentile: 90, max_extra: 10%, min_delay: 20ms}
    midstream: true
    join: true
    demand: {regions: [eu], zdr: true, max_retention: 36h, no_training: true}
    targets:
      - target: openai/gpt-5
        weight: 0.5
        when: tools
        keys: [2, "openai#1"]
        region: eu
        retention: 0s
        timeouts: {first_byte: 3s}
        defaults: {temperature: 0}
        overrides: {generationConfig.maxOutputTokens: 5, stop: [a]}
        max_in_flight: 7
""".replace("percentile: 90", "percentile: 90%")
    (route,) = plan_of(text).routes
    assert route == Route(
        "smart",
        (
            target(
                "openai",
                "gpt-5",
                weight=0.5,
                credentials=("openai#2", "openai#1"),
                when="tools",
                deadlines=Deadlines(first_byte_ns=3 * NS_PER_S),
                defaults=(Parameter("temperature", b"0"),),
                overrides=(Parameter("generationConfig.maxOutputTokens", b"5"), Parameter("stop", b'["a"]')),
                terms=DataTerms("eu", retention_days=0),
                max_in_flight=7,
            ),
        ),
        strict=True,
        strategy=StrategyName.CONSISTENT_HASH,
        sticky=StickyBy.HEADER,
        sticky_header="x-tenant",
        retry=RetryPolicy(max_attempts=5, max_hint_ns=3 * NS_PER_S, time_ns=9 * NS_PER_S, retries_ambiguous=False),
        hedging=Hedging(0.9, 20_000_000, 0.1),
        continues_midstream=True,
        joins=True,
        demand=DataDemand(("eu",), zdr=True, max_retention_days=2, no_training=True),
    )


@pytest.mark.parametrize(("text", "hedging"), [("true", Hedging()), ("false", None), ("{}", Hedging())])
def test_hedging_may_be_a_plain_yes(plan_of, text, hedging):
    (route,) = plan_of(f"routes: {{a: {{targets: [openai/x], hedge: {text}}}}}\n").routes
    assert route.hedging == hedging


def test_defaults_are_those_of_the_policy(plan_of):
    assert plan_of("").retry == RetryPolicy()
    assert plan_of("retry: {attempts: 1}\n").retry == RetryPolicy(max_attempts=1)


def test_what_a_provider_promises_is_its_own_word_or_its_clouds_region(plan_of):
    plan = plan_of("  bedrock: {region: eu-west-1, api_key: abcdefghijklmnopqrst}\n  demo: {data: {region: us, zdr: true}}\n")
    terms = {provider.name: provider.terms for provider in plan.providers}
    assert terms["bedrock"] == DataTerms("eu-west-1")
    assert terms["demo"] == DataTerms("us", zdr=True)
    assert terms["openai"] == DataTerms()


def test_what_a_key_demands_goes_with_it(plan_of):
    key = "{name: a, key: wb-aaaaaaaaaaaaaaaaaaaa, team: blue, priority: 5, demand: {zdr: true}}"
    (key,) = plan_of(f"keys: [{key}]\n").keys
    assert (key.team, key.priority, key.demand) == ("blue", 5, DataDemand(zdr=True))
