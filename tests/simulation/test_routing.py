"""Routing under virtual time, over seeds: availability, recovery, load in an outage, even use of keys, hedging."""

from __future__ import annotations

import os
from collections import Counter
from math import sqrt

import pytest
from tests.simulation.traffic import Answer, Traffic, failing, out_between, well

from weighbridge.core.routes import Hedging, RetryPolicy, Route, RouteTarget, StrategyName
from weighbridge.core.terms import Deployment
from weighbridge.routing.breaker import DEFAULT_RULES

SEEDS = range(200 if os.environ.get("WEIGHBRIDGE_PROOF") == "full" else 4)
BALANCING = [StrategyName.WEIGHTED, StrategyName.ROUND_ROBIN, StrategyName.LEAST_IN_FLIGHT]
OPEN_S = DEFAULT_RULES.max_open_ns * (1 + DEFAULT_RULES.jitter) / 1e9


def route(*providers, **facts):
    retry = facts.pop("retry", RetryPolicy())
    return Route("r", tuple(RouteTarget(Deployment(name, "m")) for name in providers), retry=retry, **facts)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("strategy", [StrategyName.ORDERED, *BALANCING])
def test_two_targets_that_fail_half_of_the_time_answer_three_quarters(strategy, seed):
    n = 1500
    two = RetryPolicy(max_attempts=2)
    traffic = Traffic((route("a", "b", strategy=strategy, retry=two),), {"a": failing(0.5), "b": failing(0.5)}, seed=seed)
    traffic.run(n)
    answered = traffic.statuses[200] / n
    # Four standard deviations of the closed form, 1 - 0.5 * 0.5.
    assert abs(answered - 0.75) < 4 * sqrt(0.75 * 0.25 / n)
    assert n < len(traffic.calls) <= 2 * n


@pytest.mark.parametrize("seed", SEEDS)
def test_a_good_stand_in_makes_every_request_succeed_through_brownout_and_outage(seed):
    for bad in (failing(0.3), failing(0.9), out_between(20, 80)):
        traffic = Traffic((route("a", "b"),), {"a": bad, "b": well()}, seed=seed).run(600, every_s=0.2)
        assert traffic.statuses == {200: 600}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_target_that_is_back_is_found_by_one_probe(seed):
    traffic = Traffic((route("a", "b"),), {"a": out_between(10, 100), "b": well()}, seed=seed).run(2000, every_s=0.1)
    during = [now for now, provider, _ in traffic.calls if provider == "a" and 20 <= now - 1 < 100]
    assert len(during) < 12  # hardly anybody is sent to a target that is down
    after = [now for now, provider, _ in traffic.calls if provider == "a" and now - 1 >= 100]
    assert after[0] - 1 - 100 < OPEN_S
    # After the probe the ordered route is back at its first target, without a failure in between.
    assert len(after) > 100
    assert traffic.statuses == {200: 2000}


@pytest.mark.parametrize("seed", SEEDS)
def test_an_outage_of_everything_is_answered_at_once_and_makes_no_storm(seed):
    n = 2000
    down = out_between(0, 10**9)
    traffic = Traffic((route("a", "b"),), {"a": down, "b": down}, seed=seed).run(n, every_s=0.05)
    assert traffic.statuses == {502: n}
    assert len(traffic.calls) <= 1.1 * n + 25
    assert max(took for _, took, _ in traffic.latencies) < 20


@pytest.mark.parametrize("seed", SEEDS)
def test_a_flapping_target_costs_callers_nothing(seed):
    def flapping(now, _key, _rng):
        return (0.01, Answer(503)) if int(now / 7) % 2 else (0.2, Answer())

    traffic = Traffic((route("a", "b"),), {"a": flapping, "b": well()}, seed=seed).run(1000, every_s=0.1)
    assert traffic.statuses == {200: 1000}


@pytest.mark.parametrize("seed", SEEDS)
def test_keys_are_used_evenly_and_never_while_they_rest(seed):
    rests: dict[str, tuple[float, float]] = {}

    def limited(now, key, rng):
        begins, ends = rests.get(key, (0, 0))
        assert not begins <= now < ends, f"{key} was used during its rest"
        if rng.random() < 0.02:
            rests[key] = (now + 0.05, now + 0.05 + 3)  # the answer comes 50 ms later
            return 0.05, Answer(429, [(b"retry-after", b"3")])
        return 0.05, Answer()

    traffic = Traffic((route("a"),), {"a": limited}, seed=seed, n_keys=5).run(3000, every_s=0.1)
    used = Counter(key for _, _, key in traffic.calls)
    mean = len(traffic.calls) / 5
    # Rests take a few percent of each key's time by chance: χ² of 4 degrees at 99.9% with room for that.
    assert sum((count - mean) ** 2 / mean for count in used.values()) < 18.5 + 12
    assert traffic.statuses[200] > 2990


@pytest.mark.parametrize("seed", SEEDS)
def test_a_storm_of_429s_waits_as_long_as_the_provider_says_and_not_longer(seed):
    def storm(now, _key, _rng):
        return (0.01, Answer(429, [(b"retry-after", b"2")])) if 10 <= now - 1 < 12 else (0.05, Answer())

    traffic = Traffic((route("a"),), {"a": storm}, seed=seed).run(200, every_s=0.1)
    assert traffic.statuses == {200: 200}
    slowest = max(took for _, took, _ in traffic.latencies)
    assert slowest < 2 * 1.1 + 2 + 0.5


@pytest.mark.parametrize("seed", SEEDS)
def test_hedging_brings_the_slowest_near_the_usual_at_a_few_more_calls(seed):
    def bimodal(_now, _key, rng):
        return (6.0 if rng.random() < 0.05 else 0.3 * (0.9 + 0.2 * rng.random())), Answer()

    n = 4000
    hedged = route("a", "b", strategy=StrategyName.ROUND_ROBIN, hedging=Hedging(percentile=0.945, max_extra=0.06))
    traffic = Traffic((hedged,), {"a": bimodal, "b": bimodal}, seed=seed).run(n, every_s=0.5)
    took = sorted(each for began, each, _ in traffic.latencies if began > 500)
    p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
    assert p99 <= 2.2 * p50
    assert len(traffic.calls) <= 1.06 * n
    assert traffic.statuses == {200: n}
    plain = Traffic((route("a", "b", strategy=StrategyName.ROUND_ROBIN),), {"a": bimodal, "b": bimodal}, seed=seed).run(1000)
    plain_took = sorted(each for _, each, _ in plain.latencies)
    assert plain_took[990] > 10 * plain_took[500]  # without it one in twenty waits twenty times as long


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_repeats_from_its_seed(seed):
    runs = [
        Traffic((route("a", "b", strategy=StrategyName.WEIGHTED),), {"a": failing(0.4), "b": failing(0.1)}, seed=seed).run(100)
        for _ in range(2)
    ]
    assert runs[0].calls == runs[1].calls
    assert runs[0].statuses == runs[1].statuses
