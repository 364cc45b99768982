from __future__ import annotations

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.routes import Parameter, RouteTarget
from weighbridge.core.terms import Deadlines, Deployment, Dialect
from weighbridge.pipeline.target import Target


def test_a_route_may_set_what_holds_for_its_target(build):
    provider = build().plan.providers[0]
    plain = Target(provider, Dialect.OPENAI, "gpt-4o", 1)
    spec = RouteTarget(
        Deployment("openai", "gpt-4o"),
        deadlines=Deadlines(first_byte_ns=NS_PER_S),
        overrides=(Parameter("seed", b"1"),),
        max_in_flight=3,
    )
    special = Target(provider, Dialect.OPENAI, "gpt-4o", 1, spec=spec)
    assert (plain.deadlines, plain.overrides, plain.max_in_flight) == (provider.deadlines, (), 0)
    assert (special.deadlines, special.overrides, special.max_in_flight) == (spec.deadlines, spec.overrides, 3)


def test_a_target_by_itself_has_its_providers_keys(build):
    target = Target(build().plan.providers[0], Dialect.OPENAI, "gpt-4o", 1)
    assert [target.keys.take("gpt-4o", 0) for _ in range(3)] == [0, 0, 0]
