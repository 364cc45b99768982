from __future__ import annotations

from tests.routing.conftest import NOW

from weighbridge.routing.strategies.most_headroom import MostHeadroom


def test_who_has_most_left_is_first_and_old_news_do_not_count(make, request_of, rng):
    members = [
        make("a/m", headroom=0.2, headroom_until_ns=NOW + 1),
        make("b/m", headroom=0.6, headroom_until_ns=NOW + 1),
        make("c/m", headroom=0.0, headroom_until_ns=NOW - 1),
    ]
    assert [m.id for m in MostHeadroom().order(members, request_of(), rng, NOW)] == ["c/m", "b/m", "a/m"]


def test_ties_go_by_load(make, request_of, rng):
    members = [make("a/m", in_flight=5), make("b/m", in_flight=1)]
    assert MostHeadroom().order(members, request_of(), rng, NOW)[0].id == "b/m"
