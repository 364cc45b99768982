from __future__ import annotations

from tests.routing.conftest import NOW

from weighbridge.routing.strategies import cache_affinity
from weighbridge.routing.strategies.cache_affinity import WARM_NS, CacheAffinity

TURNS = [b"system", b"one", b"two", b"three"]


def first(strategy, members, request, rng, now_ns=NOW):
    return strategy.order(members, request, rng, now_ns)[0].id


def test_a_conversation_stays_where_its_beginning_is_warm(make, request_of, rng):
    members = [make("a/m"), make("b/m", in_flight=3), make("c/m")]
    strategy = CacheAffinity()
    strategy.note(TURNS[:2], "b/m", NOW)
    for turns in (TURNS[:2], TURNS[:3], TURNS):
        assert first(strategy, members, request_of(prefixes=turns), rng) == "b/m"


def test_the_longest_beginning_decides(make, request_of, rng):
    members = [make("a/m"), make("b/m")]
    strategy = CacheAffinity()
    strategy.note(TURNS[:3], "b/m", NOW)
    strategy.note(TURNS[:1], "a/m", NOW + 1)
    assert first(strategy, members, request_of(prefixes=TURNS), rng) == "b/m"
    assert first(strategy, members, request_of(prefixes=[b"system", b"another"]), rng) == "a/m"


def test_a_beginning_cools_down(make, request_of, rng):
    members = [make("a/m", in_flight=1), make("b/m")]
    strategy = CacheAffinity()
    strategy.note(TURNS, "a/m", NOW)
    assert first(strategy, members, request_of(prefixes=TURNS), rng, NOW + WARM_NS - 1) == "a/m"
    assert first(strategy, members, request_of(prefixes=TURNS), rng, NOW + WARM_NS) == "b/m"


def test_it_moves_where_staying_does_not_pay(make, request_of, rng):
    members = [make("a/m", in_flight=8), make("b/m")]
    strategy = CacheAffinity()
    strategy.note(TURNS, "a/m", NOW)
    assert first(strategy, members, request_of(prefixes=TURNS), rng) == "a/m"
    members[0].live.in_flight = 9
    assert first(strategy, members, request_of(prefixes=TURNS), rng) == "b/m"


def test_a_member_that_is_gone_is_not_waited_for(make, request_of, rng):
    strategy = CacheAffinity()
    strategy.note(TURNS, "gone/m", NOW)
    assert first(strategy, [make("a/m", in_flight=1), make("b/m")], request_of(prefixes=TURNS), rng) == "b/m"


def test_what_is_remembered_takes_bounded_memory(monkeypatch):
    monkeypatch.setattr(cache_affinity, "_MAX_REMEMBERED", 10)
    strategy = CacheAffinity()
    for n in range(100):
        strategy.note([b"%d" % n, b"x"], "a/m", NOW)
    assert len(strategy._places) == 10
