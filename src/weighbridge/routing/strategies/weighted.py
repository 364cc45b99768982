"""By chance in proportion to weights; with `sticky`, always the same for the same caller."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from weighbridge.core.ports import Rng
from weighbridge.routing.members import Member, Traits
from weighbridge.routing.strategies.hashing import Rendezvous


class Weighted:
    """The order is drawn without putting back: the second place falls by weight among the others."""

    def __init__(self) -> None:
        self._rendezvous = Rendezvous()

    def order(self, members: Sequence[Member], traits: Traits, rng: Rng, now_ns: int) -> Sequence[Member]:  # noqa: ARG002
        """See `routing.members.Strategy`."""
        if caller := traits.sticky:
            # Not by pace: a caller who moved away during a slow start would move back after it.
            return self._rendezvous.order(members, caller)
        # https://doi.org/10.1016/j.ipl.2005.11.003: the smallest of exponentially distributed numbers, each with its weight as
        # rate.
        chance = rng.random
        drawn = [(-log(1.0 - chance()) / (member.weight * member.live.pace), i) for i, member in enumerate(members)]
        drawn.sort()
        return [members[i] for _, i in drawn]
