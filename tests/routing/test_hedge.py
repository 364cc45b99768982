from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.clock import NS_PER_MS
from weighbridge.core.routes import Hedging, Route
from weighbridge.routing.hedge import Hedges, RouteHedge


def test_nothing_is_hedged_before_enough_is_known():
    hedge = RouteHedge(Hedging())
    for _ in range(49):
        hedge.note(100 * NS_PER_MS)
    assert hedge.delay_ns() is None


@pytest.mark.parametrize("percentile", [0.5, 0.9, 0.95])
def test_the_percentile_is_told_within_a_twentieth(percentile):
    rng = Random(3)
    times = [int(rng.lognormvariate(0, 1) * 300 * NS_PER_MS) for _ in range(2000)]
    hedge = RouteHedge(Hedging(percentile=percentile, min_ns=1))
    for took in times:
        hedge.note(took)
    exact = sorted(times)[int(len(times) * percentile)]
    assert exact / 1.05 < hedge.delay_ns() < exact * 1.05


def test_what_was_long_ago_is_forgotten():
    hedge = RouteHedge(Hedging(min_ns=1))
    for took in (2000 * NS_PER_MS, 100 * NS_PER_MS):
        for _ in range(8192 * 2):
            hedge.note(took)
    assert hedge.delay_ns() < 150 * NS_PER_MS


def test_never_sooner_than_the_least_delay():
    hedge = RouteHedge(Hedging(min_ns=50 * NS_PER_MS))
    for _ in range(64):
        hedge.note(2 * NS_PER_MS)
    assert hedge.delay_ns() == 50 * NS_PER_MS


@given(st.lists(st.booleans(), max_size=400))
def test_second_calls_are_a_bounded_share(wants):
    hedge = RouteHedge(Hedging(max_extra=0.05))
    taken = 0
    for wish in wants:
        hedge.note(1)
        taken += wish and hedge.take()
    assert taken <= len(wants) * 0.05 + 1e-6


def test_a_route_keeps_what_it_knows_over_a_reload_and_takes_new_settings():
    hedges = Hedges()
    old, new = (Route("r", (), hedging=Hedging(max_extra=share)) for share in (0.05, 0.5))
    hedges.of(old).note(1)
    assert hedges.of(new) is hedges.of(old)
    assert hedges.of(new).hedging.max_extra == 0.5
