"""Who has the fewest requests under way for its weight: the best guess at who is least busy, where servers are one's own."""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.core.ports import Rng
from weighbridge.routing.members import Member, Traits


class LeastInFlight:
    """Ties go in turn, so that a quiet route does not send everything to its first member."""

    def __init__(self) -> None:
        self._turn = 0

    def order(self, members: Sequence[Member], traits: Traits, rng: Rng, now_ns: int) -> Sequence[Member]:  # noqa: ARG002
        """See `routing.members.Strategy`."""
        size = len(members)
        turn = self._turn = (self._turn + 1) % size
        loads = [
            ((member.live.in_flight + 1) / (member.weight * member.live.pace), (i - turn) % size, i)
            for i, member in enumerate(members)
        ]
        loads.sort()
        return [members[i] for _, _, i in loads]
