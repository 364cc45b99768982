"""In turn."""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.core.ports import Rng
from weighbridge.routing.members import Member, Traits


class RoundRobin:
    """Each request begins with the next member. One in its slow start lets its turn pass as often as its pace says."""

    def __init__(self) -> None:
        self._turn = 0

    def order(self, members: Sequence[Member], traits: Traits, rng: Rng, now_ns: int) -> Sequence[Member]:  # noqa: ARG002
        """See `routing.members.Strategy`."""
        start = self._turn % len(members)
        self._turn += 1
        if (pace := members[start].live.pace) < 1.0 and rng.random() >= pace:
            start = (start + 1) % len(members)
        return [*members[start:], *members[:start]]
