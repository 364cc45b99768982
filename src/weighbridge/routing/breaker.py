"""Circuit breakers: when a target is no longer asked, when it is tried again, and how fast it gets its traffic back.

A breaker is closed, open or half-open. It counts the outcomes of a sliding window in integers, and opens for one of three reasons:
too large a share has failed, too many have failed in a row, or nearly all are far slower than usual. Open, it waits a time that
doubles with each failed probe. Then one request tries the target out, and its outcome decides. After a recovery the target gets a
growing share of its traffic (slow start): a server that has just come back has cold caches and a queue of other people's retries.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.errors import ErrorKind
from weighbridge.core.ports import Rng


class BreakerState(StrEnum):
    """The three states of a circuit breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


_CLOSED: Final = BreakerState.CLOSED
_OPEN: Final = BreakerState.OPEN
_HALF_OPEN: Final = BreakerState.HALF_OPEN

TARGET_FAILURES: Final = frozenset(
    (
        ErrorKind.PROVIDER_UNREACHABLE,
        ErrorKind.PROVIDER_BROKE_OFF,
        ErrorKind.PROVIDER_MALFORMED,
        ErrorKind.PROVIDER_TIMEOUT,
        ErrorKind.PROVIDER_INTERNAL,
        ErrorKind.PROVIDER_OVERLOADED,
    )
)
"""What says that a target is not well. Everything else says nothing of it: a 400 is the caller's doing, a 429 makes a key rest, a
401 parks one (`key_pool.py`), and a client that left tells us only about the client."""


class BreakerRules(msgspec.Struct, frozen=True):
    """When a breaker opens and how it closes. Times are nanoseconds."""

    bucket_ns: int = 2 * NS_PER_S
    n_buckets: int = 10
    """Ten buckets of 2 s: short enough to notice an outage that began a moment ago, long enough for 20 answers of a model that
    takes its time."""
    min_volume: int = 20
    """Outcomes in the window below which a share of them means little."""
    failed_percent: int = 75
    """Of the window's outcomes. High, since a breaker is for targets that are down: one that fails more often than its peers is
    ejected by comparison (`outliers.py`), and a half-working one without peers is better than none."""
    in_a_row: int = 5
    """Failures one after another where hardly any were before: 1 in 10⁵ at 10% failures. More are needed the more usual failures
    are (`_NEEDED_IN_A_ROW`)."""
    slow_factor: int = 8
    """An answer that takes this many times as long as usual is slow. Prompts differ in length by 100 times, so that less than
    this is everyday."""
    slow_floor_ns: int = 2 * NS_PER_S
    """Nothing that is faster than this is slow."""
    slow_percent: int = 80
    """Of the window's outcomes: slow ones in such number are no matter of prompts."""
    open_ns: int = 5 * NS_PER_S
    max_open_ns: int = 30 * NS_PER_S
    """The first wait, and the longest after doublings: nobody is away from his traffic for longer than half a minute after he is
    back."""
    jitter: float = 0.25
    """A wait is up to this much longer, so that the workers of many hosts do not return at the same instant."""
    probe_ns: int = 30 * NS_PER_S
    """A probe that has said nothing for this long does not keep the next one waiting."""
    slow_start_ns: int = 30 * NS_PER_S
    """From `MIN_PACE` to the whole traffic."""


DEFAULT_RULES: Final = BreakerRules()
MIN_PACE: Final = 0.1
_NEEDED_IN_A_ROW: Final = ((10, 5), (30, 8), (50, 13), (60, 18), (101, 30))
"""(failed percent of the window before the row, below which; how many fifths of `in_a_row`). Each is what chance alone brings about
once in some ten thousand requests: a target that fails every second time is not taken for one that is down."""


class Breaker:
    """The breaker of one target, or of one key. `began_ns` tells the outcome of a probe from that of a request sent long before."""

    __slots__ = (
        "_failed",
        "_n_failed",
        "_n_failed_now",
        "_n_slow",
        "_n_slow_now",
        "_n_volume",
        "_n_volume_now",
        "_rng",
        "_row",
        "_rules",
        "_slot",
        "_slow",
        "_volume",
        "closed_ns",
        "n_opened",
        "next_probe_ns",
        "probe_ns",
        "reason",
        "retry_at_ns",
        "state",
    )

    def __init__(self, rng: Rng, rules: BreakerRules = DEFAULT_RULES) -> None:
        self._rng = rng
        self._rules = rules
        self.state = _CLOSED
        self.reason = ""
        """Why it is open."""
        self.retry_at_ns = 0
        """When the next probe is due, while open."""
        self.probe_ns = 0
        """When the first probe began, while half-open: outcomes of what began earlier are ignored."""
        self.next_probe_ns = 0
        """While half-open: until then one request is trying it out, and others stay away."""
        self.n_opened = 0
        """How often in a row it has opened without a full recovery in between."""
        self.closed_ns = 0
        """When the slow start began; 0: it has its whole traffic."""
        self._slot = 0
        # The bucket of now is counted apart and joins its ring when its time is over. The sums are those of the ring.
        self._n_volume_now = self._n_failed_now = self._n_slow_now = 0
        self._n_volume = self._n_failed = self._n_slow = 0
        self._volume, self._failed, self._slow = ([0] * rules.n_buckets for _ in range(3))
        self._row = 0

    def admits(self, now_ns: int) -> bool:
        """Whether a request may go there now: closed, or a probe is due."""
        state = self.state
        if state is _CLOSED:
            return True
        if state is _OPEN:
            return now_ns >= self.retry_at_ns
        return now_ns >= self.next_probe_ns

    def began(self, now_ns: int) -> bool:
        """A request goes there, whether or not that was advisable. True if it is a probe: `state` is half-open from now on."""
        if self.state is _CLOSED or (self.state is _HALF_OPEN and now_ns < self.next_probe_ns):
            return False
        if self.state is _OPEN:
            self.state = _HALF_OPEN
            self.probe_ns = now_ns
        self.next_probe_ns = now_ns + self._rules.probe_ns
        return True

    def succeeded(self, now_ns: int, began_ns: int, *, slow: bool = False) -> bool:
        """An answer came, `slow` compared with others. True if the state changed."""
        if self.state is not _CLOSED:
            if not self._is_of_probe(began_ns):
                return False
            if slow:
                return self._reopen(now_ns)
            self.close(now_ns)
            return True
        slot = now_ns // self._rules.bucket_ns
        if slot != self._slot:
            self._advance(slot)
        self._n_volume_now += 1
        self._row = 0
        if not slow:
            return False
        self._n_slow_now += 1
        return self._opened_by_slowness(now_ns)

    def failed(self, now_ns: int, began_ns: int) -> bool:
        """An attempt failed in a way that speaks against the target (`TARGET_FAILURES`). True if the state changed."""
        if self.state is not _CLOSED:
            return self._is_of_probe(began_ns) and self._reopen(now_ns)
        slot = now_ns // self._rules.bucket_ns
        if slot != self._slot:
            self._advance(slot)
        self._n_volume_now += 1
        self._n_failed_now += 1
        self._row += 1
        return self._opened_by_failures(now_ns)

    def said_nothing(self, began_ns: int) -> None:
        """A request ended without telling anything of the target: if it was the probe, the next one is."""
        if self._is_of_probe(began_ns):
            self.next_probe_ns = 0

    def open(self, now_ns: int, until_ns: int, reason: str) -> None:
        """Open it until then, with nothing of its own to show for it: another worker has found out. Never shortens a wait."""
        self.retry_at_ns = until_ns if self.state is _CLOSED else max(self.retry_at_ns, until_ns)
        self.n_opened = max(1, self.n_opened)
        self.state = _OPEN
        self.reason = reason
        self.closed_ns = 0
        self._forget(now_ns)

    def close(self, now_ns: int) -> None:
        """It is well again: from now on it gets its traffic back, little by little."""
        self.state = _CLOSED
        self.reason = ""
        self.retry_at_ns = 0
        self.closed_ns = now_ns
        self._forget(now_ns)

    def pace(self, now_ns: int) -> float:
        """The share of its usual traffic that it should get: `LiveTarget.pace`."""
        if self.state is not _CLOSED:
            return MIN_PACE
        if self.closed_ns == 0:
            return 1.0
        share = (now_ns - self.closed_ns) / self._rules.slow_start_ns
        if share >= 1.0:
            self.closed_ns = self.n_opened = 0
            return 1.0
        return MIN_PACE + (1.0 - MIN_PACE) * max(0.0, share)

    def counts(self, now_ns: int) -> tuple[int, int, int]:
        """Outcomes of the window: all, failed, slow."""
        slot = now_ns // self._rules.bucket_ns
        if slot != self._slot:
            self._advance(slot)
        return (
            self._n_volume + self._n_volume_now,
            self._n_failed + self._n_failed_now,
            self._n_slow + self._n_slow_now,
        )

    def _is_of_probe(self, began_ns: int) -> bool:
        return self.state is _HALF_OPEN and began_ns >= self.probe_ns

    def _opened_by_failures(self, now_ns: int) -> bool:
        volume, failed, _ = self.counts(now_ns)
        if (
            volume >= self._rules.min_volume
            and failed * 100 >= self._rules.failed_percent * volume
            and _mostly_fails(volume, failed)
        ):
            return self._trip(now_ns, f"breaker_open: {failed} of {volume} failed")
        row = self._row
        if row >= self._rules.in_a_row:
            before = max(0, failed - row) * 100 // max(1, volume - row)
            fifths = next(needed for percent, needed in _NEEDED_IN_A_ROW if before < percent)
            if row * 5 >= self._rules.in_a_row * fifths:
                return self._trip(now_ns, f"breaker_open: {row} failed in a row")
        return False

    def _opened_by_slowness(self, now_ns: int) -> bool:
        volume, _, slow = self.counts(now_ns)
        if volume < self._rules.min_volume or slow * 100 < self._rules.slow_percent * volume:
            return False
        return self._trip(now_ns, f"breaker_open: {slow} of {volume} far slower than usual")

    def _trip(self, now_ns: int, reason: str) -> bool:
        self.pace(now_ns)  # a slow start that is over ends the row of openings
        self.reason = reason
        self._wait(now_ns)
        return True

    def _reopen(self, now_ns: int) -> bool:
        """The probe failed. One that was sent before its time, since nobody else could be asked, leaves the wait as it is."""
        if self.probe_ns < self.retry_at_ns:
            self.state = _OPEN
            return True
        self._wait(now_ns)
        return True

    def _wait(self, now_ns: int) -> None:
        self.state = _OPEN
        wait = min(self._rules.max_open_ns, self._rules.open_ns << min(self.n_opened, 16))
        self.n_opened += 1
        self.retry_at_ns = now_ns + int(wait * (1.0 + self._rules.jitter * self._rng.random()))
        self.closed_ns = 0
        self._forget(now_ns)

    def _advance(self, slot: int) -> None:
        """Move the window on: the bucket that was filled joins the ring, those whose time is over leave it."""
        size = self._rules.n_buckets
        place = self._slot % size
        self._volume[place] = self._n_volume_now
        self._failed[place] = self._n_failed_now
        self._slow[place] = self._n_slow_now
        for passed in range(self._slot + 1, min(slot, self._slot + size) + 1):
            self._volume[passed % size] = self._failed[passed % size] = self._slow[passed % size] = 0
        self._n_volume, self._n_failed, self._n_slow = sum(self._volume), sum(self._failed), sum(self._slow)
        self._n_volume_now = self._n_failed_now = self._n_slow_now = 0
        self._slot = slot

    def _forget(self, now_ns: int) -> None:
        """Begin the window anew: what was before an opening or a recovery does not count against what comes after."""
        for ring in (self._volume, self._failed, self._slow):
            ring[:] = [0] * self._rules.n_buckets
        self._n_volume = self._n_failed = self._n_slow = 0
        self._n_volume_now = self._n_failed_now = self._n_slow_now = self._row = 0
        self._slot = now_ns // self._rules.bucket_ns


def _mostly_fails(volume: int, failed: int) -> bool:
    """Whether more than half must fail in truth: the count is 3.3 standard deviations (√volume / 2) above the half. Of a target
    that fails every second time, 15 of the first 20 fail once in 50 times; 18 of them do once in 5,000."""
    beyond = 2 * failed - volume
    return beyond > 0 and beyond * beyond >= 11 * volume
