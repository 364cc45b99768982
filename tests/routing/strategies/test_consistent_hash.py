from __future__ import annotations

from collections import Counter

from tests.routing.conftest import NOW

from weighbridge.routing.strategies.consistent_hash import ConsistentHash


def test_a_caller_keeps_its_member_when_others_come_or_go(make, request_of, rng):
    members = [make(f"p{n}/m") for n in range(4)]
    strategy = ConsistentHash()
    for n in range(500):
        caller = request_of(sticky=b"c%d" % n)
        first = strategy.order(members, caller, rng, NOW)[0]
        others = [member for member in members if member is not first]
        assert strategy.order([first, *others[1:]], caller, rng, NOW)[0] is first


def test_callers_who_do_not_say_who_they_are_are_spread(make, request_of, rng):
    members = [make("a/m"), make("b/m")]
    strategy = ConsistentHash()
    seen = Counter(strategy.order(members, request_of(), rng, NOW)[0].id for _ in range(1000))
    assert 400 < seen["a/m"] < 600
