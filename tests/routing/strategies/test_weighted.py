from __future__ import annotations

from collections import Counter

from tests.routing.conftest import NOW

from weighbridge.routing.strategies.weighted import Weighted

_CHI_SQUARE_99_9 = {2: 13.8, 3: 16.3}  # of so many degrees of freedom


def firsts(members, requests, rng):
    strategy = Weighted()
    return Counter(strategy.order(members, request, rng, NOW)[0].id for request in requests)


def chi_square(seen, expected):
    return sum((seen[name] - share) ** 2 / share for name, share in expected.items())


def test_shares_are_those_of_the_weights(make, request_of, rng):
    members = [make("a/m", weight=1), make("b/m", weight=2), make("c/m", weight=7)]
    seen = firsts(members, [request_of()] * 10_000, rng)
    assert chi_square(seen, {"a/m": 1000, "b/m": 2000, "c/m": 7000}) < _CHI_SQUARE_99_9[2]


def test_the_second_place_falls_by_weight_among_the_others(make, request_of, rng):
    members = [make("a/m", weight=1), make("b/m", weight=1), make("c/m", weight=8)]
    strategy = Weighted()
    seconds = Counter(
        order[1].id for _ in range(10_000) if (order := strategy.order(members, request_of(), rng, NOW))[0].id == "c/m"
    )
    assert abs(seconds["a/m"] - seconds["b/m"]) < 400


def test_a_member_in_its_slow_start_gets_less(make, request_of, rng):
    members = [make("a/m", pace=0.1), make("b/m")]
    assert 600 < firsts(members, [request_of()] * 10_000, rng)["a/m"] < 1250


def test_a_sticky_caller_always_begins_with_the_same_member_and_shares_still_hold(make, request_of, rng):
    members = [make("a/m", weight=1), make("b/m", weight=3)]
    callers = [request_of(sticky=b"user-%d" % n) for n in range(10_000)]
    strategy = Weighted()
    first = [strategy.order(members, caller, rng, NOW)[0].id for caller in callers]
    assert first == [Weighted().order(members, caller, rng, NOW)[0].id for caller in callers]
    assert chi_square(Counter(first), {"a/m": 2500, "b/m": 7500}) < _CHI_SQUARE_99_9[2]


def test_few_callers_move_when_a_member_goes_or_a_weight_changes(make, request_of, rng):
    members = [make(f"p{n}/m") for n in range(5)]
    callers = [request_of(sticky=b"user-%d" % n) for n in range(2_000)]
    strategy = Weighted()
    before = [strategy.order(members, caller, rng, NOW)[0].id for caller in callers]
    without = [strategy.order(members[1:], caller, rng, NOW)[0].id for caller in callers]
    assert all(b == w for b, w in zip(before, without, strict=True) if b != "p0/m")
    members[0].weight = 1.2
    heavier = [strategy.order(members, caller, rng, NOW)[0].id for caller in callers]
    moved = [h for b, h in zip(before, heavier, strict=True) if b != h]
    assert len(moved) < 150
    assert set(moved) <= {"p0/m"}
