from __future__ import annotations


def test_a_route_is_judged_by_its_first_member(make, branch_of):
    first = make("a/m", in_flight=3)
    assert branch_of(first, make("b/m")).live is first.live
    assert branch_of(name="empty").live.id == "empty"


def test_what_nobody_knows_the_price_of_is_infinitely_dear(make):
    assert make("a/m").input_rate == make("a/m").output_rate == float("inf")
