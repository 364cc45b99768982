from __future__ import annotations

import pytest

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.routes import Route, RouteTarget, StrategyName, plain_route
from weighbridge.core.terms import DataDemand, DataTerms, Deployment, Dialect, Endpoint, ModelPlace, Operation
from weighbridge.pipeline.compiled_routes import target_of

CHAT = Endpoint(Dialect.OPENAI, Operation.CHAT, ModelPlace.BODY)
OPENAI, GROQ, CLAUDE = Deployment("openai", "gpt-4o"), Deployment("groq", "llama-3"), Deployment("anthropic", "claude-4")


@pytest.fixture
def compiled(build):
    def of(*routes, name="r", endpoint=CHAT):
        return build(routes=routes).gateway.snapshot.route_for(name, endpoint, None)

    return of


def names(route):
    return [candidate.id for candidate in route.candidates]


def test_targets_that_cannot_serve_the_endpoint_are_no_candidates(compiled):
    assert names(compiled(plain_route("r", CLAUDE, OPENAI, Deployment("gone", "x")))) == ["openai/gpt-4o"]


def test_a_route_of_which_nobody_can_serve_the_endpoint_is_refused(compiled):
    with pytest.raises(GatewayError) as caught:
        compiled(plain_route("r", CLAUDE))
    assert (caught.value.kind, caught.value.code) == (ErrorKind.NOT_IMPLEMENTED, "dialect_not_spoken")


def test_a_route_within_a_route_keeps_its_own_strategy(compiled):
    inner = Route("inner", (RouteTarget(OPENAI), RouteTarget(GROQ)), strategy=StrategyName.ROUND_ROBIN)
    outer = Route("r", (RouteTarget(route="inner", weight=3), RouteTarget(OPENAI)))
    route = compiled(outer, inner)
    assert names(route) == ["openai/gpt-4o", "groq/llama-3"]
    assert route.branch.members[0].weight == 3


def test_a_route_that_leads_to_itself_ends(compiled):
    assert names(compiled(Route("r", (RouteTarget(route="r"), RouteTarget(OPENAI))))) == ["openai/gpt-4o"]


def test_a_star_takes_what_the_routes_name_matched(compiled):
    route = compiled(plain_route("fast-*", Deployment("groq", "llama-*")), name="fast-3.3-70b")
    assert names(route) == ["groq/llama-3.3-70b"]
    assert target_of(route.candidates[0]).deployment.model == "llama-3.3-70b"


def test_nothing_has_to_be_decided_for_one_plain_target(compiled):
    assert compiled(plain_route("r", OPENAI)).only is not None
    assert compiled(plain_route("r", OPENAI, GROQ)).only is None
    assert compiled(Route("r", (RouteTarget(OPENAI, when="tools"),))).only is None
    assert compiled(Route("r", (RouteTarget(OPENAI),), demand=DataDemand(("eu",)))).only is None


def test_terms_are_the_targets_own_or_the_providers(compiled):
    own, plain = compiled(Route("r", (RouteTarget(OPENAI, terms=DataTerms("eu")), RouteTarget(GROQ)))).candidates
    assert (own.terms, plain.terms) == (DataTerms("eu"), DataTerms())


def test_a_key_for_some_targets_gets_these_of_a_route(compiled, build):
    inner = plain_route("inner", GROQ, OPENAI)
    route = compiled(Route("r", (RouteTarget(route="inner"), RouteTarget(OPENAI))), inner)
    allowed = route.permitted_to(build.virtual_key(models=("groq/*",)), "r", is_own_name=True)
    assert names(allowed) == ["groq/llama-3"]
    assert route.permitted_to(build.virtual_key(models=("r",)), "r", is_own_name=True) is route
    assert route.permitted_to(build.virtual_key(models=("groq/*", "openai/*")), "r", is_own_name=True) is route
    with pytest.raises(GatewayError) as caught:
        route.permitted_to(build.virtual_key(models=("mistral/*",)), "r", is_own_name=True)
    assert caught.value.kind is ErrorKind.PERMISSION_DENIED


def test_what_a_strategy_has_learnt_outlives_a_reload(build):
    from weighbridge.pipeline.plan import Plan

    route = Route("r", (RouteTarget(OPENAI), RouteTarget(GROQ)), strategy=StrategyName.CACHE_AFFINITY)
    world = build(routes=(route,))
    before = world.gateway.snapshot.route_for("r", CHAT, None)
    world.gateway.swap(Plan(8, world.plan.providers, (route,), world.plan.keys))
    after = world.gateway.snapshot.route_for("r", CHAT, None)
    assert before is not after
    assert before.affinities[0] is after.affinities[0]
    assert before.candidates[0].live is after.candidates[0].live
