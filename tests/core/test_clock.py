from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from weighbridge.core.clock import CountingIds, SystemClock, SystemRng, new_id, new_token, utc_from_ns


def test_duration_clock_never_goes_backwards():
    clock = SystemClock()
    readings = [clock.now_ns() for _ in range(1000)]
    assert readings == sorted(readings)


def test_wall_clock_is_unix_time():
    assert abs(utc_from_ns(SystemClock().wall_ns()) - datetime.now(UTC)).total_seconds() < 60


def test_chance_repeats_from_a_seed_and_stays_below_one():
    draws = [SystemRng(7).random() for _ in range(2)]
    assert draws[0] == draws[1]
    rng = SystemRng()
    assert all(0 <= rng.random() < 1 for _ in range(1000))


def test_request_ids_are_unique_short_and_in_order():
    ids = CountingIds()
    made = [ids.request_id() for _ in range(1000)]
    assert made == sorted(set(made))
    assert all(re.fullmatch(r"req_[0-9a-z]{1,28}", name) for name in made)


def test_request_ids_of_two_processes_differ_and_a_prefix_can_be_set():
    assert CountingIds().request_id() != CountingIds().request_id()
    assert CountingIds("x").request_id() == "req_x00000001"


def test_tokens_hold_as_many_random_bytes_as_asked():
    assert len(new_token()) == 43
    assert len({new_token(8) for _ in range(100)}) == 100
    assert re.fullmatch(r"[A-Za-z0-9_-]{11}", new_token(8))


def test_new_ids_name_their_kind():
    assert re.fullmatch(r"key_[0-9a-f]{24}", new_id("key"))
    assert new_id("key") != new_id("key")


@pytest.mark.parametrize(
    ("wall_ns", "moment"),
    [(0, datetime(1970, 1, 1, tzinfo=UTC)), (1_800_000_000_000_000_000, datetime(2027, 1, 15, 8, tzinfo=UTC))],
)
def test_unix_nanoseconds_as_a_date(wall_ns, moment):
    assert utc_from_ns(wall_ns) == moment
