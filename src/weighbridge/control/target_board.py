"""What the host's workers know of targets and keys: passed on between them, and told to operators as one picture."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from weighbridge.routing.health_events import (
    BreakerClosed,
    BreakerOpened,
    HealthEvent,
    KeyCleared,
    KeyParked,
    KeyRested,
    KeyStatus,
    TargetState,
    TargetStatus,
)
from weighbridge.routing.provider_key import KeyState

_TARGET_ORDER = (TargetState.CLOSED, TargetState.HALF_OPEN, TargetState.RESTING, TargetState.EJECTED, TargetState.OPEN)
_KEY_ORDER = (KeyState.WELL, KeyState.RESTING, KeyState.NO_QUOTA, KeyState.PARKED)


class TargetBoard:
    """Keeps what is held against targets and keys, and each worker's last picture of its targets."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, ...], HealthEvent] = {}
        self._pictures: dict[int, list[TargetStatus]] = {}

    def heard(self, events: Iterable[HealthEvent]) -> None:
        """A worker has found something out."""
        for event in events:
            if isinstance(event, (BreakerOpened, KeyRested, KeyParked)):
                self._held[_subject(event)] = event
            else:
                self._held.pop(_subject(event), None)

    def saw(self, worker: int, statuses: list[TargetStatus]) -> None:
        """How a worker (by its number) sees its targets."""
        self._pictures[worker] = statuses

    def held(self, wall_ns: int) -> list[HealthEvent]:
        """What a new worker has to know: what is held against whom, and has not run out."""
        self._held = {
            subject: event
            for subject, event in self._held.items()
            if isinstance(event, KeyParked) or (isinstance(event, (BreakerOpened, KeyRested)) and event.until_wall_ns > wall_ns)
        }
        return list(self._held.values())

    def statuses(self) -> list[TargetStatus]:
        """All targets, in the order of their names: of several workers' pictures, the sum of what is counted and the worst
        state."""
        by_name: dict[str, list[TargetStatus]] = {}
        for picture in self._pictures.values():
            for status in picture:
                by_name.setdefault(status.id, []).append(status)
        return [_joined(statuses) for _, statuses in sorted(by_name.items())]


def _subject(event: HealthEvent) -> tuple[str, ...]:
    if isinstance(event, (BreakerOpened, BreakerClosed)):
        return ("target", event.target)
    assert isinstance(event, (KeyRested, KeyParked, KeyCleared))
    return ("key", event.provider, event.credential, event.model)


def _joined(statuses: list[TargetStatus]) -> TargetStatus:
    if len(statuses) == 1:
        return statuses[0]
    worst = max(statuses, key=lambda status: (_TARGET_ORDER.index(status.state), status.retry_in_ns))
    return msgspec.structs.replace(
        worst,
        pace=min(status.pace for status in statuses),
        in_flight=sum(status.in_flight for status in statuses),
        n_lately=sum(status.n_lately for status in statuses),
        n_failed=sum(status.n_failed for status in statuses),
        n_slow=sum(status.n_slow for status in statuses),
        first_token_ns=_mean([status.first_token_ns for status in statuses]),
        total_ns=_mean([status.total_ns for status in statuses]),
        headroom=min(status.headroom for status in statuses),
        keys=_joined_keys(statuses),
    )


def _joined_keys(statuses: list[TargetStatus]) -> tuple[KeyStatus, ...]:
    by_name: dict[str, list[KeyStatus]] = {}
    for status in statuses:
        for key in status.keys:
            by_name.setdefault(key.name, []).append(key)
    joined = []
    for keys in by_name.values():
        worst = max(keys, key=lambda key: (_KEY_ORDER.index(key.state), key.retry_in_ns))
        joined.append(msgspec.structs.replace(worst, in_flight=sum(key.in_flight for key in keys)))
    return tuple(joined)


def _mean(values: list[int]) -> int:
    known = [value for value in values if value]
    return sum(known) // len(known) if known else 0
