"""What is kept of one target: its breaker, how fast it is lately and usually, and whether its peers show it to be ill."""

from __future__ import annotations

from typing import Final

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.ports import Rng
from weighbridge.routing.breaker import Breaker, BreakerRules, BreakerState
from weighbridge.routing.live import LiveTarget
from weighbridge.routing.outliers import Sample

_LATELY: Final = 1 / 16
"""Weight of the newest latency in its decayed mean: some sixteen answers count."""
_LATELY_NS: Final = 60 * NS_PER_S
"""After a pause of this length the past counts half."""
_USUALLY: Final = 1 / 256
"""The same for what is usual: an hour's bad quarter does not become the norm."""
_NEEDED: Final = 50
"""Answers before anything is known to be usual."""
_PROBED: Final = 0.25
"""A probe's weight: a target that has become slower for good is taken as it is after a few of them."""

_CLOSED: Final = BreakerState.CLOSED
_HALF_OPEN: Final = BreakerState.HALF_OPEN


class Usual:
    """The usual duration of one kind of answer, and whether another is far beyond it."""

    __slots__ = ("mean_ns", "n")

    def __init__(self) -> None:
        self.mean_ns = 0.0
        self.n = 0

    def is_slow(self, ns: int, rules: BreakerRules, *, is_probe: bool) -> bool:
        """Whether an answer that took so long was far slower than usual; it then counts for what is usual from now on."""
        mean = self.mean_ns
        if self.n < _NEEDED:
            self.n += 1
            self.mean_ns = mean + (ns - mean) / self.n
            return False
        bound = mean * rules.slow_factor
        if ns <= bound:
            self.mean_ns = mean + (ns - mean) * _USUALLY
            return False
        self.mean_ns = mean + (bound - mean) * (_PROBED if is_probe else _USUALLY)
        return ns > rules.slow_floor_ns


class TargetHealth:
    """The state of one target behind its `LiveTarget`."""

    __slots__ = (
        "_rules",
        "_usual_first",
        "_usual_total",
        "breaker",
        "ejected_reason",
        "ejected_until_ns",
        "live",
        "model",
        "n_ejected",
        "name",
        "needs_care",
        "provider",
        "told_ns",
    )

    def __init__(self, name: str, rng: Rng, rules: BreakerRules) -> None:
        self.name = name
        self.provider, _, self.model = name.partition("/")
        self.live = LiveTarget(name)
        self.breaker = Breaker(rng, rules)
        self._rules = rules
        self._usual_first = Usual()
        self._usual_total = Usual()
        self.ejected_until_ns = 0
        self.ejected_reason = ""
        self.n_ejected = 0
        self.told_ns = 0
        """The breaker's `retry_at_ns` that other workers have heard of."""
        self.needs_care = False
        """Anything but well: `show` is due at each event."""

    def measured(self, now_ns: int, total_ns: int, first_token_ns: int) -> bool:
        """An answer came: whether it was far slower than usual. Of a stream (`first_token_ns` > 0) its first token counts, since
        the rest is as long as the answer is."""
        live = self.live
        pause_ns = now_ns - live.measured_ns
        weight = max(_LATELY, pause_ns / (pause_ns + _LATELY_NS))
        live.measured_ns = now_ns
        live.n_measured += 1
        is_probe = self.breaker.state is not _CLOSED
        if first_token_ns > 0:
            known = live.first_token_ns
            live.first_token_ns = known + (first_token_ns - known) * weight if known else float(first_token_ns)
            return self._usual_first.is_slow(first_token_ns, self._rules, is_probe=is_probe)
        known = live.total_ns
        live.total_ns = known + (total_ns - known) * weight if known else float(total_ns)
        return self._usual_total.is_slow(total_ns, self._rules, is_probe=is_probe)

    def sample(self, now_ns: int) -> Sample:
        """What the window shows of it, for a comparison with its peers. Of streams where there are any."""
        volume, failed, _ = self.breaker.counts(now_ns)
        live = self.live
        is_first = live.first_token_ns > 0
        usual = self._usual_first if is_first else self._usual_total
        return Sample(volume, failed, live.first_token_ns if is_first else live.total_ns, usual.mean_ns)

    def show(self, now_ns: int, keys_ns: int) -> None:
        """Write to `live` what follows from breaker, ejection and keys (the first of which can be used at `keys_ns`)."""
        live, breaker = self.live, self.breaker
        if self.ejected_until_ns and now_ns >= self.ejected_until_ns and breaker.state is _CLOSED and self.ejected_reason:
            self.ejected_reason = ""
            breaker.close(now_ns)
        live.is_probing = breaker.state is _HALF_OPEN and now_ns < breaker.next_probe_ns
        retry_at_ns, reason = (0, "") if breaker.state is _CLOSED else (breaker.retry_at_ns, breaker.reason)
        if self.ejected_reason and self.ejected_until_ns > max(now_ns, retry_at_ns):
            retry_at_ns, reason = self.ejected_until_ns, self.ejected_reason
        if keys_ns > max(now_ns, retry_at_ns):
            retry_at_ns, reason = keys_ns, "keys_resting: none can be used before"
        live.retry_at_ns, live.reason = retry_at_ns, reason
        live.pace = breaker.pace(now_ns)
        self.needs_care = bool(retry_at_ns) or breaker.state is not _CLOSED or breaker.closed_ns != 0
