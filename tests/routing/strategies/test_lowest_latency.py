from __future__ import annotations

from collections import Counter

from tests.routing.conftest import NOW

from weighbridge.core.clock import NS_PER_S
from weighbridge.routing.strategies.lowest_latency import EXPLORED, LowestLatency


def firsts(members, request, rng, times=4000):
    return Counter(LowestLatency().order(members, request, rng, NOW)[0].id for _ in range(times))


def test_streams_go_by_the_first_token_and_whole_replies_by_the_last(make, request_of, rng):
    members = [
        make("a/m", first_token_ns=1e8, total_ns=9e9, measured_ns=NOW),
        make("b/m", first_token_ns=5e8, total_ns=2e9, measured_ns=NOW),
    ]
    assert firsts(members, request_of(is_stream=True), rng)["a/m"] > 3800
    assert firsts(members, request_of(), rng)["b/m"] > 3800


def test_one_request_in_twenty_explores(make, request_of, rng):
    members = [make("a/m", total_ns=1e8, measured_ns=NOW), make("b/m", total_ns=1e9, measured_ns=NOW)]
    assert 0.3 * EXPLORED < firsts(members, request_of(), rng)["b/m"] / 4000 < 0.8 * EXPLORED


def test_somebody_new_is_found_out_about_by_one_request_at_a_time(make, request_of, rng):
    known, new = make("a/m", total_ns=1e8, measured_ns=NOW), make("b/m")
    assert firsts([known, new], request_of(), rng)["b/m"] > 3800
    new.live.in_flight = 1
    assert firsts([known, new], request_of(), rng)["b/m"] < 200


def test_what_was_measured_long_ago_is_worth_another_try(make, request_of, rng):
    members = [
        make("a/m", total_ns=1e9, measured_ns=NOW),
        make("b/m", total_ns=3e9, measured_ns=NOW - 600 * NS_PER_S),
    ]
    assert firsts(members, request_of(), rng)["b/m"] > 3800
