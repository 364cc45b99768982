from __future__ import annotations

from collections import Counter

from tests.routing.conftest import NOW

from weighbridge.routing.strategies.round_robin import RoundRobin


def test_each_request_begins_with_the_next_member(make, request_of, rng):
    members = [make("a/m"), make("b/m"), make("c/m")]
    strategy = RoundRobin()
    orders = ["".join(member.id[0] for member in strategy.order(members, request_of(), rng, NOW)) for _ in range(4)]
    assert orders == ["abc", "bca", "cab", "abc"]


def test_a_member_in_its_slow_start_lets_its_turn_pass(make, request_of, rng):
    members = [make("a/m", pace=0.2), make("b/m")]
    strategy = RoundRobin()
    seen = Counter(strategy.order(members, request_of(), rng, NOW)[0].id for _ in range(4000))
    assert 300 < seen["a/m"] < 500
