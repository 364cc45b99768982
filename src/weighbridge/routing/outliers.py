"""Which targets of a route are far worse than their peers.

A breaker judges a target by itself and opens when it is down. What works badly, while others do the same work well, shows only in
comparison: it is ejected for a while, and the others carry its share.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Final, NamedTuple

from weighbridge.core.clock import NS_PER_MS, NS_PER_S

MIN_VOLUME: Final = 20
"""Outcomes in the window, of a target and of at least one peer, before they are compared."""
WORSE_BY_POINTS: Final = 30
"""Failed percent above the peers' median: less is not far worse."""
WORSE_BY_DEVIATIONS: Final = 4.0
"""And standard deviations of the difference of two shares, above what chance brings about: of two targets that fail every second
time, one in 30 windows of 20 outcomes is 30 points above the other, and one in 30,000 is so by four deviations. 60% against none
are seen in 20 outcomes, 30% against none in 46."""
SLOWER_FACTOR: Final = 4
"""Times the peers' median latency."""
OWN_FACTOR: Final = 3
"""And times its own usual latency: a large model is slower than the small one that stands in for it, and is not ill for that."""
SLOW_FLOOR_NS: Final = 500 * NS_PER_MS
"""What answers sooner than this is fast enough, however fast the others are."""

FIRST_EJECTION_NS: Final = 30 * NS_PER_S
LONGEST_EJECTION_NS: Final = 300 * NS_PER_S
"""Each further ejection takes that much longer than the one before (Envoy does the same), up to five minutes."""
FORGIVEN_AFTER_NS: Final = 600 * NS_PER_S
"""After so long without one, an ejection is a first one again."""


class Sample(NamedTuple):
    """What a window shows of one target."""

    volume: int
    failed: int
    latency_ns: float
    """Lately; 0 while nothing is known."""
    usual_ns: float
    """In the long run."""


def outliers(samples: Sequence[Sample]) -> list[tuple[int, str]]:
    """The indexes of those that are far worse than the others, the worst first, each with the reason in words."""
    found = []
    for index, sample in enumerate(samples):
        if sample.volume < MIN_VOLUME:
            continue
        peers = [peer for other, peer in enumerate(samples) if other != index and peer.volume >= MIN_VOLUME]
        if peers and (verdict := _verdict(sample, peers)):
            found.append((verdict[0], index, verdict[1]))
    found.sort(reverse=True)
    return [(index, reason) for _, index, reason in found]


def _verdict(sample: Sample, peers: Sequence[Sample]) -> tuple[float, str] | None:
    percent = _failed_percent(sample)
    typical = sorted(peers, key=_failed_percent)[_lower_middle(len(peers))]
    usual = _failed_percent(typical)
    if percent >= usual + WORSE_BY_POINTS and _deviations(sample, typical) >= WORSE_BY_DEVIATIONS:
        return 100.0 + percent, f"ejected: {percent:.0f}% of {sample.volume} failed, {usual:.0f}% at its peers"
    latencies = [peer.latency_ns for peer in peers if peer.latency_ns > 0]
    if not latencies or sample.latency_ns < SLOW_FLOOR_NS:
        return None
    theirs = sorted(latencies)[_lower_middle(len(latencies))]
    if sample.latency_ns > SLOWER_FACTOR * theirs and sample.latency_ns > OWN_FACTOR * sample.usual_ns > 0:
        took = f"{sample.latency_ns / NS_PER_S:.1f} s, {theirs / NS_PER_S:.1f} s at its peers"
        return min(100.0, sample.latency_ns / theirs), f"ejected: it takes {took}"
    return None


def ejection_ns(times: int) -> int:
    """How long the n-th ejection in a row lasts."""
    return min(LONGEST_EJECTION_NS, FIRST_EJECTION_NS * times)


def _failed_percent(sample: Sample) -> float:
    return sample.failed * 100 / sample.volume


def _deviations(one: Sample, other: Sample) -> float:
    """How many standard deviations the failed share of `one` is above that of `other`, if both are equal in truth."""
    pooled = (one.failed + other.failed) / (one.volume + other.volume)
    deviation = sqrt(pooled * (1 - pooled) * (1 / one.volume + 1 / other.volume))
    return (one.failed / one.volume - other.failed / other.volume) / deviation if deviation else 0.0


def _lower_middle(size: int) -> int:
    """Where the median of so many sorted values is: of two peers, the better one."""
    return (size - 1) // 2
