"""Whether a request is tried again after a failure, with whom, and after which wait. One place decides; nothing else repeats
anything.

The error says what makes sense (`core.errors.Retry`), the route's policy what is allowed, and a budget what all requests together
may cost: a provider that is down is not helped by being asked three times as often.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from weighbridge.core.errors import ErrorKind, GatewayError, Retry
from weighbridge.core.ports import Rng
from weighbridge.core.routes import RetryPolicy

_K = ErrorKind
_HINT_SLACK: Final = 0.1
"""A provider's hint is honoured and exceeded by at most this share, so that not everybody comes back in the same instant."""


class Next(Enum):
    """What comes after a failed attempt."""

    SAME = "same"
    OTHER = "other"
    STOP = "stop"


class Step(NamedTuple):
    """The next step, after a wait."""

    next: Next
    delay_ns: int = 0


STOP: Final = Step(Next.STOP)
_OTHER: Final = Step(Next.OTHER)


def next_step(
    policy: RetryPolicy,
    error: GatewayError,
    *,
    attempt: int,
    elapsed_ns: int,
    is_ambiguous: bool,
    has_next: bool,
    rng: Rng,
) -> Step:
    """What to do after `attempt` failed attempts and `elapsed_ns`.

    `is_ambiguous`: the provider may have done the work. `has_next`: another target is left.
    """
    if attempt >= policy.max_attempts or elapsed_ns > policy.time_ns or not _is_allowed(policy, error, is_ambiguous=is_ambiguous):
        return STOP
    if has_next:
        return _OTHER
    if error.retry is Retry.NEXT:
        return STOP
    delay_ns = _delay_ns(policy, error, attempt, rng)
    return STOP if delay_ns is None or elapsed_ns + delay_ns > policy.time_ns else Step(Next.SAME, delay_ns)


def _is_allowed(policy: RetryPolicy, error: GatewayError, *, is_ambiguous: bool) -> bool:
    kind = error.kind
    if error.retry is Retry.NEVER:
        return False
    if kind is _K.CONTENT_POLICY_VIOLATION:
        return policy.on_content_policy
    if kind is _K.CONTEXT_LENGTH_EXCEEDED:
        return policy.on_context_length
    return policy.retries_ambiguous or not is_ambiguous


def _delay_ns(policy: RetryPolicy, error: GatewayError, attempt: int, rng: Rng) -> int | None:
    """The provider's hint, else full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). None: too
    long to be waited for."""
    hint_ns = error.retry_after_ns
    if hint_ns:
        return None if hint_ns > policy.max_hint_ns else int(hint_ns * (1.0 + _HINT_SLACK * rng.random()))
    return int(min(policy.max_backoff_ns, policy.backoff_ns << min(attempt - 1, 30)) * rng.random())


class RetryBudget:
    """How many attempts that are likely to fail all requests of a worker together may make: a tenth of their number, and a few.

    Not asked for an attempt at another target that is well: that one is offered load, not a storm. The idea is Finagle's
    (https://twitter.github.io/finagle/guide/Clients.html#retries).
    """

    __slots__ = ("_left",)

    share: Final = 0.1
    reserve: Final = 10.0
    """So that a quiet gateway can retry at all."""

    def __init__(self) -> None:
        self._left = self.reserve

    def deposit(self) -> None:
        """A request has come."""
        if self._left < self.reserve:
            self._left += self.share

    def withdraw(self) -> bool:
        """One more attempt. False: the budget is spent."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
