from __future__ import annotations

from tests.routing.conftest import NOW

from weighbridge.routing.strategies.ordered import Ordered


def test_the_order_is_that_of_the_configuration(make, request_of, rng):
    members = [make("b/m"), make("a/m", in_flight=9)]
    assert Ordered().order(members, request_of(), rng, NOW) == members
