from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.clock import NS_PER_S, SystemRng
from weighbridge.core.errors import ErrorKind, GatewayError, Retry
from weighbridge.core.routes import RetryPolicy
from weighbridge.routing.retry import Next, RetryBudget, next_step

K = ErrorKind


def step(kind, *, policy=None, attempt=1, elapsed_ns=0, is_ambiguous=False, has_next=False, hint=None, seed=1):
    error = GatewayError(kind, "x", retry_after_ns=hint)
    return next_step(
        policy or RetryPolicy(),
        error,
        attempt=attempt,
        elapsed_ns=elapsed_ns,
        is_ambiguous=is_ambiguous,
        has_next=has_next,
        rng=SystemRng(seed),
    )


@pytest.mark.parametrize("kind", [kind for kind in K if GatewayError(kind, "").retry is Retry.NEVER])
def test_what_fails_everywhere_is_never_tried_again(kind):
    assert step(kind, has_next=True).next is step(kind).next is Next.STOP


@pytest.mark.parametrize("kind", [K.RATE_LIMIT_EXCEEDED, K.PROVIDER_OVERLOADED, K.PROVIDER_INTERNAL, K.PROVIDER_UNREACHABLE])
def test_what_passes_goes_to_another_target_at_once_and_to_the_same_after_a_wait(kind):
    assert step(kind, has_next=True) == (Next.OTHER, 0)
    assert step(kind).next is Next.SAME


@pytest.mark.parametrize("kind", [K.INSUFFICIENT_QUOTA, K.PROVIDER_AUTHENTICATION, K.PROVIDER_MODEL_NOT_FOUND, K.PROVIDER_TIMEOUT])
def test_what_this_target_will_not_answer_goes_to_another_or_nowhere(kind):
    assert step(kind, has_next=True).next is Next.OTHER
    assert step(kind).next is Next.STOP


def test_policy_says_whether_limits_and_policies_of_one_target_are_tried_elsewhere():
    for kind, field in ((K.CONTEXT_LENGTH_EXCEEDED, "on_context_length"), (K.CONTENT_POLICY_VIOLATION, "on_content_policy")):
        for allowed, then in ((True, Next.OTHER), (False, Next.STOP)):
            assert step(kind, policy=RetryPolicy(**{field: allowed}), has_next=True).next is then


def test_an_outcome_that_may_have_been_billed_is_repeated_only_where_that_is_allowed():
    for allowed, then in ((True, Next.OTHER), (False, Next.STOP)):
        policy = RetryPolicy(retries_ambiguous=allowed)
        assert step(K.PROVIDER_BROKE_OFF, policy=policy, is_ambiguous=True, has_next=True).next is then


def test_attempts_and_time_are_bounded():
    policy = RetryPolicy(max_attempts=2, time_ns=NS_PER_S)
    assert step(K.PROVIDER_INTERNAL, policy=policy, attempt=2, has_next=True).next is Next.STOP
    assert step(K.PROVIDER_INTERNAL, policy=policy, elapsed_ns=NS_PER_S + 1, has_next=True).next is Next.STOP
    assert step(K.RATE_LIMIT_EXCEEDED, policy=policy, elapsed_ns=NS_PER_S // 2, hint=NS_PER_S).next is Next.STOP


@given(st.integers(1, 10 * NS_PER_S), st.integers(0, 1000))
def test_a_providers_hint_is_never_undercut_and_exceeded_by_a_tenth_at_most(hint, seed):
    made = step(K.RATE_LIMIT_EXCEEDED, hint=hint, seed=seed)
    assert made.next is Next.SAME
    assert hint <= made.delay_ns <= hint * 1.1 + 1


def test_a_hint_beyond_the_bound_is_not_waited_for():
    assert step(K.RATE_LIMIT_EXCEEDED, hint=11 * NS_PER_S).next is Next.STOP


@given(st.integers(1, 40), st.integers(0, 1000))
def test_waits_of_our_own_double_up_to_a_bound_with_full_jitter(attempt, seed):
    policy = RetryPolicy(max_attempts=100)
    made = step(K.PROVIDER_INTERNAL, policy=policy, attempt=attempt, seed=seed)
    assert 0 <= made.delay_ns <= min(policy.max_backoff_ns, policy.backoff_ns << (attempt - 1))


@given(st.lists(st.booleans(), max_size=500))
def test_retries_are_a_tenth_of_the_requests_and_a_few_more(wants_retry):
    budget = RetryBudget()
    retries = 0
    for wants in wants_retry:
        budget.deposit()
        retries += wants and budget.withdraw()
    assert retries <= len(wants_retry) * budget.share + budget.reserve + 1


def test_in_an_outage_load_stays_within_a_tenth_above_what_is_offered():
    budget = RetryBudget()
    calls = 0
    for _ in range(10_000):
        budget.deposit()
        calls += 1
        while budget.withdraw():
            calls += 1
    assert calls <= 1.1 * 10_000 + budget.reserve
