"""What workers of a host tell one another, and what operators see, of targets and keys. Plain data: it travels between processes.

Moments are Unix nanoseconds (`*_wall_ns`): monotonic clocks of two processes cannot be compared everywhere.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from weighbridge.routing.provider_key import KeyState

OWN_KEY_MARK: Final = "~"
"""Between a provider and whose own keys it is asked with (`openai~team:search/gpt-5`); in no configured name."""


def is_of_own_key(target: str) -> bool:
    """Whether a target's name is that of one which is asked with a customer's own keys."""
    return OWN_KEY_MARK in target.partition("/")[0]


class BreakerOpened(msgspec.Struct, frozen=True, tag="breaker_opened"):
    """A target (`openai/gpt-5`) is not to be asked before then."""

    target: str
    until_wall_ns: int
    reason: str


class BreakerClosed(msgspec.Struct, frozen=True, tag="breaker_closed"):
    """A target is well again."""

    target: str


class KeyRested(msgspec.Struct, frozen=True, tag="key_rested"):
    """A key must not be used before then: `state` says whether its rate is limited or its money is gone."""

    provider: str
    credential: str
    model: str
    """Empty: for all models."""
    until_wall_ns: int
    times: int
    state: KeyState
    reason: str


class KeyParked(msgspec.Struct, frozen=True, tag="key_parked"):
    """A key was refused. The next probe of it is due then."""

    provider: str
    credential: str
    model: str
    until_wall_ns: int
    times: int
    reason: str


class KeyCleared(msgspec.Struct, frozen=True, tag="key_cleared"):
    """A key is well again."""

    provider: str
    credential: str
    model: str


HealthEvent = BreakerOpened | BreakerClosed | KeyRested | KeyParked | KeyCleared


class TargetState(StrEnum):
    """Whether a target is asked."""

    CLOSED = "closed"
    """It is: its breaker is closed."""
    OPEN = "open"
    HALF_OPEN = "half_open"
    """One request at a time tries it out."""
    EJECTED = "ejected"
    """It does far worse than its peers."""
    RESTING = "resting"
    """All its keys rest or are parked."""


class KeyStatus(msgspec.Struct, frozen=True):
    """One key, as it stands for one target's model."""

    name: str
    state: KeyState
    reason: str
    retry_in_ns: int
    """Until its rest ends; of a parked key, until the next probe is due."""
    in_flight: int


class TargetStatus(msgspec.Struct, frozen=True):
    """One target at this moment in this worker, for people."""

    id: str
    state: TargetState
    reason: str
    retry_in_ns: int
    """Until it is asked again; 0: it is asked."""
    pace: float
    """The share of its usual traffic that it gets, less than 1 after a recovery."""
    in_flight: int
    n_lately: int
    """Outcomes in the sliding window; of these the failed and the slow ones."""
    n_failed: int
    n_slow: int
    first_token_ns: int
    """Decayed means; 0 while nothing is known."""
    total_ns: int
    headroom: float
    """What is left of the provider's rate limit, 1 while nothing is known."""
    keys: tuple[KeyStatus, ...]
