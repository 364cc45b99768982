"""Who is cheapest for this request: its input at the input's price, and its bound on the output at the output's."""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.core.ports import Rng
from weighbridge.routing.members import Branch, Member, Traits


class LowestCost:
    """Ties stay in the configuration's order. What nobody knows the price of comes last: it is not free."""

    def order(self, members: Sequence[Member], traits: Traits, rng: Rng, now_ns: int) -> Sequence[Member]:  # noqa: ARG002
        """See `routing.members.Strategy`."""
        n_input, n_output = traits.input_tokens, traits.max_output_tokens
        costs = [(cost_of(member, n_input, n_output), i) for i, member in enumerate(members)]
        costs.sort()
        return [members[i] for _, i in costs]


def cost_of(member: Member, n_input: int, n_output: int) -> float:
    """Nano-dollars, infinite where it is not known. Of a route within a route: its cheapest member's."""
    if isinstance(member, Branch):
        return min((cost_of(inner, n_input, n_output) for inner in member.members), default=float("inf"))
    return (n_input or 1) * member.input_rate + (n_output or 1) * member.output_rate
