"""Whose first token has come soonest lately (of replies that are not streamed: who was done soonest), with some exploration.

A decayed mean forgets, but only with new measurements; whoever is never asked is never measured. So one request in twenty begins
with a member drawn by chance, whoever is not known yet is asked first, and what was measured long ago counts for less and less.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.ports import Rng
from weighbridge.routing.members import Member, Traits

EXPLORED: Final = 0.05
"""The share of requests that begin with a member by chance."""

_STALE_NS: Final = 120 * NS_PER_S
"""A measurement of this age counts half: after ten minutes a slow member is worth another try."""


class LowestLatency:
    """Keeps nothing of its own: latencies are the members'."""

    def order(self, members: Sequence[Member], traits: Traits, rng: Rng, now_ns: int) -> Sequence[Member]:
        """See `routing.members.Strategy`."""
        is_stream = traits.is_stream
        scored = []
        for i, member in enumerate(members):
            live = member.live
            latency = live.first_token_ns if is_stream else live.total_ns
            if latency:
                age_ns = now_ns - live.measured_ns
                latency *= _STALE_NS / (_STALE_NS + age_ns) / live.pace
            else:
                # One request at a time finds out about somebody new.
                latency = float(live.in_flight and 1 << 60)
            scored.append((latency, i))
        scored.sort()
        order = [members[i] for _, i in scored]
        if rng.random() < EXPLORED:
            place = int(rng.random() * len(order))
            order.insert(0, order.pop(place))
        return order
