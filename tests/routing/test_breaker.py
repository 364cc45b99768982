from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.clock import NS_PER_S, SystemRng
from weighbridge.core.errors import ErrorKind, GatewayError, Source
from weighbridge.routing.breaker import DEFAULT_RULES, MIN_PACE, TARGET_FAILURES, Breaker, BreakerState

CLOSED, OPEN, HALF_OPEN = BreakerState
START = 1000 * NS_PER_S


@pytest.fixture
def breaker():
    return Breaker(SystemRng(1))


def fail(breaker, times, now_ns=START):
    return sum(breaker.failed(now_ns, now_ns) for _ in range(times)) > 0


def test_a_few_failures_in_a_row_open_it(breaker):
    assert not fail(breaker, DEFAULT_RULES.in_a_row - 1)
    assert fail(breaker, 1)
    assert breaker.state is OPEN
    assert "failed in a row" in breaker.reason
    assert START + DEFAULT_RULES.open_ns <= breaker.retry_at_ns <= START + DEFAULT_RULES.open_ns * (1 + DEFAULT_RULES.jitter)


@pytest.mark.parametrize(("failures_in_ten", "opens"), [(5, False), (9, True)])
def test_a_share_of_failures_opens_it_but_not_half_of_them(breaker, failures_in_ten, opens):
    for n in range(60):
        if n * 7 % 10 < failures_in_ten:
            breaker.failed(START, START)
        else:
            breaker.succeeded(START, START)
    assert (breaker.state is OPEN) is opens


def test_a_target_that_fails_every_second_time_for_long_is_not_taken_for_one_that_is_down():
    breaker, rng = Breaker(SystemRng(1)), Random(5)
    opened = 0
    for n in range(20_000):
        now_ns = START + n * NS_PER_S // 20
        opened += breaker.failed(now_ns, now_ns) if rng.random() < 0.5 else breaker.succeeded(now_ns, now_ns)
        if breaker.state is not CLOSED:
            breaker.close(now_ns)
    assert opened <= 4


def test_old_failures_leave_the_window(breaker):
    fail(breaker, DEFAULT_RULES.in_a_row - 1)
    later = START + DEFAULT_RULES.bucket_ns * (DEFAULT_RULES.n_buckets + 1)
    assert breaker.counts(later) == (0, 0, 0)


def test_one_probe_at_a_time_and_a_good_one_closes_it(breaker):
    fail(breaker, 9)
    due = breaker.retry_at_ns
    assert not breaker.admits(due - 1)
    assert breaker.admits(due)
    assert breaker.began(due)
    assert breaker.state is HALF_OPEN
    assert not breaker.admits(due + 1)
    assert not breaker.began(due + 1)
    assert not breaker.succeeded(due + 2, due - 5)  # it was sent before the outage was noticed
    assert breaker.succeeded(due + 2, due)
    assert breaker.state is CLOSED


def test_a_failed_probe_waits_twice_as_long_up_to_a_bound(breaker):
    fail(breaker, 9)
    waits = []
    for _ in range(8):
        due = breaker.retry_at_ns
        breaker.began(due)
        breaker.failed(due, due)
        waits.append(breaker.retry_at_ns - due)
    for n, wait in enumerate(waits, 1):
        least = min(DEFAULT_RULES.max_open_ns, DEFAULT_RULES.open_ns << n)
        assert least <= wait <= least * (1 + DEFAULT_RULES.jitter)


def test_a_probe_that_says_nothing_or_never_ends_does_not_keep_the_next_one_waiting(breaker):
    fail(breaker, 9)
    due = breaker.retry_at_ns
    breaker.began(due)
    breaker.said_nothing(due)
    assert breaker.admits(due + 1)
    breaker.began(due + 1)
    assert not breaker.admits(due + 2)
    assert breaker.admits(due + 1 + DEFAULT_RULES.probe_ns)


def test_a_streak_of_bad_luck_does_not_open_it_for_one_that_fails_every_second_time(breaker):
    unlucky = "fffsfffsfffsfffsfffs"  # 15 of 20
    for outcome in unlucky:
        (breaker.failed if outcome == "f" else breaker.succeeded)(START, START)
    assert breaker.state is CLOSED
    for outcome in unlucky * 2:  # 45 of 60 are no bad luck
        (breaker.failed if outcome == "f" else breaker.succeeded)(START, START)
    assert breaker.state is OPEN


def test_traffic_comes_back_little_by_little(breaker):
    assert breaker.pace(START) == 1.0
    breaker.close(START)
    paces = [breaker.pace(START + DEFAULT_RULES.slow_start_ns * part // 4) for part in range(5)]
    assert paces[0] == MIN_PACE
    assert paces == sorted(paces)
    assert paces[-1] == 1.0


def test_answers_that_are_nearly_all_far_slower_than_usual_open_it(breaker):
    for _ in range(DEFAULT_RULES.min_volume):
        breaker.succeeded(START, START, slow=True)
    assert breaker.state is OPEN
    assert "slower" in breaker.reason


def test_another_workers_news_opens_it_and_never_shortens_a_wait(breaker):
    breaker.open(START, START + 9, "told")
    assert (breaker.state, breaker.retry_at_ns, breaker.reason) == (OPEN, START + 9, "told")
    breaker.open(START, START + 5, "told")
    assert breaker.retry_at_ns == START + 9


@pytest.mark.parametrize("kind", sorted(TARGET_FAILURES, key=str))
def test_only_the_upstreams_faults_speak_against_a_target(kind):
    assert GatewayError(kind, "").source is Source.UPSTREAM
    assert not {ErrorKind.RATE_LIMIT_EXCEEDED, ErrorKind.PROVIDER_AUTHENTICATION, ErrorKind.CLIENT_CLOSED} & TARGET_FAILURES


@given(st.lists(st.tuples(st.sampled_from("sfnb"), st.integers(0, 20)), max_size=150), st.integers(0, 99))
def test_counts_are_those_of_the_window_and_a_wait_is_bounded(steps, seed):
    breaker = Breaker(SystemRng(seed))
    now_ns = START
    for step, seconds in steps:
        now_ns += seconds * NS_PER_S
        if step == "b":
            breaker.began(now_ns)
        elif step == "n":
            breaker.said_nothing(now_ns)
        else:
            (breaker.succeeded if step == "s" else breaker.failed)(now_ns, now_ns)
        volume, failed, slow = breaker.counts(now_ns)
        assert 0 <= failed + slow <= volume <= len(steps)
        assert breaker.retry_at_ns <= now_ns + DEFAULT_RULES.max_open_ns * (1 + DEFAULT_RULES.jitter)
        assert (breaker.state is CLOSED) == (breaker.retry_at_ns == 0)
