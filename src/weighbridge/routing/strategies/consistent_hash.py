"""By a hash of who asks, so that few callers move when a member comes or goes."""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.core.ports import Rng
from weighbridge.routing.members import Member, Traits
from weighbridge.routing.strategies.hashing import Rendezvous


class ConsistentHash:
    """Callers who do not say who they are get an order by chance."""

    def __init__(self) -> None:
        self._rendezvous = Rendezvous()

    def order(self, members: Sequence[Member], traits: Traits, rng: Rng, now_ns: int) -> Sequence[Member]:  # noqa: ARG002
        """See `routing.members.Strategy`."""
        caller = traits.sticky or str(rng.random()).encode()
        return self._rendezvous.order(members, caller)
