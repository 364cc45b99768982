from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.codec import encode_private, private_decoder
from weighbridge.core.routes import Hedging, Parameter, RetryPolicy, Route, RouteTarget, StrategyName, plain_route
from weighbridge.core.terms import DataDemand, DataTerms, Deployment


def test_a_route_travels_to_the_workers_as_it_is():
    target = RouteTarget(
        Deployment("openai", "gpt-5"),
        weight=2.5,
        credentials=("openai#1",),
        when="tools",
        overrides=(Parameter("temperature", b"0"),),
        terms=DataTerms("eu", zdr=True),
    )
    route = Route("smart", (target, RouteTarget(route="backup")), strategy=StrategyName.WEIGHTED, hedging=Hedging())
    assert private_decoder(Route)(encode_private(route)) == route


def test_the_deployments_of_a_route_are_those_it_names_itself():
    one, two = Deployment("a", "x"), Deployment("b", "y")
    assert plain_route("r", one, two).deployments == (one, two)
    assert Route("r", (RouteTarget(one), RouteTarget(route="other"))).deployments == (one,)


@given(st.builds(DataDemand, st.tuples(), st.booleans(), st.none() | st.integers(0, 30), st.booleans()))
def test_an_empty_demand_is_one_that_asks_for_nothing(demand):
    assert demand.is_empty == (demand == DataDemand())


def test_one_policy_bounds_attempts_and_time_by_default():
    policy = RetryPolicy()
    assert policy.max_attempts > 1
    assert policy.max_hint_ns < policy.time_ns
