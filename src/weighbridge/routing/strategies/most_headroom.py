"""Who has the most left of its rate limit, by the provider's own headers."""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.core.ports import Rng
from weighbridge.routing.members import Member, Traits


class MostHeadroom:
    """Who sends no such headers, or has not been asked for a minute, counts as having all of it; ties go by load and in turn."""

    def __init__(self) -> None:
        self._turn = 0

    def order(self, members: Sequence[Member], traits: Traits, rng: Rng, now_ns: int) -> Sequence[Member]:  # noqa: ARG002
        """See `routing.members.Strategy`."""
        size = len(members)
        turn = self._turn = (self._turn + 1) % size
        scored = []
        for i, member in enumerate(members):
            live = member.live
            left = live.headroom if now_ns < live.headroom_until_ns else 1.0
            share = member.weight * live.pace
            scored.append((-left * min(share, 1.0), live.in_flight / share, (i - turn) % size, i))
        scored.sort()
        return [members[i] for _, _, _, i in scored]
