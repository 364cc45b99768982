from __future__ import annotations

from collections import Counter

from tests.routing.conftest import NOW

from weighbridge.routing.strategies.least_in_flight import LeastInFlight


def test_who_has_least_to_do_for_its_weight_is_first(make, request_of, rng):
    members = [make("a/m", in_flight=9), make("b/m", in_flight=3), make("c/m", in_flight=11, weight=4)]
    assert [m.id for m in LeastInFlight().order(members, request_of(), rng, NOW)] == ["c/m", "b/m", "a/m"]


def test_ties_go_in_turn(make, request_of, rng):
    members = [make("a/m"), make("b/m"), make("c/m")]
    strategy = LeastInFlight()
    seen = Counter(strategy.order(members, request_of(), rng, NOW)[0].id for _ in range(300))
    assert set(seen.values()) == {100}
