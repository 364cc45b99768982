"""As written: the first that is well."""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.core.ports import Rng
from weighbridge.routing.members import Member, Traits


class Ordered:
    """Keeps the configuration's order."""

    def order(self, members: Sequence[Member], traits: Traits, rng: Rng, now_ns: int) -> Sequence[Member]:  # noqa: ARG002
        """See `routing.members.Strategy`."""
        return members
