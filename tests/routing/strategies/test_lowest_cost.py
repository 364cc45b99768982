from __future__ import annotations

from tests.routing.conftest import NOW

from weighbridge.routing.strategies.lowest_cost import LowestCost


def order(members, request, rng):
    return [member.id for member in LowestCost().order(members, request, rng, NOW)]


def test_who_is_cheapest_depends_on_the_request(make, request_of, rng):
    members = [make("a/m", input_rate=1.0, output_rate=20.0), make("b/m", input_rate=3.0, output_rate=4.0)]
    assert order(members, request_of(input_tokens=10_000, max_output_tokens=10), rng) == ["a/m", "b/m"]
    assert order(members, request_of(input_tokens=10, max_output_tokens=10_000), rng) == ["b/m", "a/m"]


def test_what_nobody_knows_the_price_of_comes_last_and_ties_stay(make, request_of, rng):
    members = [make("u/m"), make("b/m", input_rate=1.0, output_rate=1.0), make("a/m", input_rate=1.0, output_rate=1.0)]
    assert order(members, request_of(input_tokens=0), rng) == ["b/m", "a/m", "u/m"]


def test_a_route_within_costs_what_its_cheapest_member_does(make, request_of, rng, branch_of):
    inner = branch_of(make("a/m", input_rate=9.0, output_rate=9.0), make("b/m", input_rate=0.5, output_rate=0.5), name="inner")
    assert order([make("c/m", input_rate=1.0, output_rate=1.0), inner], request_of(), rng) == ["inner", "c/m"]
