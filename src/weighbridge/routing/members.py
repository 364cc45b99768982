"""The words in which strategies and decisions are told: members of a compiled route, and what a request shows of itself.

A route is compiled once for each snapshot and endpoint into a tree: a `Branch` for the route and for each route within it, and
a `Candidate` for each deployment that can serve the endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from weighbridge.core.ports import Rng
from weighbridge.core.routes import RouteTarget
from weighbridge.core.terms import DataTerms
from weighbridge.routing.live import LiveTarget


class Traits(Protocol):
    """What a request shows to routing. Everything that takes effort is found out when it is first asked for."""

    is_stream: bool

    @property
    def sticky(self) -> bytes:
        """What makes two requests the same caller's, by the route's `sticky`; empty where the request does not say."""
        ...

    @property
    def prefixes(self) -> Sequence[bytes]:
        """Digests of the conversation's beginnings, one for each turn, the shortest first: what a prompt cache may hold."""
        ...

    @property
    def input_tokens(self) -> int:
        """An estimate of the tokens that go in."""
        ...

    @property
    def max_output_tokens(self) -> int:
        """The bound on the output that the request names, or a usual answer's length."""
        ...

    def values(self, names: frozenset[str]) -> dict[str, object]:
        """The variables of a condition (`conditions.VARIABLES`), of those that it names."""
        ...


class Preferences(msgspec.Struct, frozen=True):
    """What a request itself says of who may serve it (OpenRouter's `provider` object). Rates in nano-dollars per token."""

    order: tuple[str, ...] = ()
    """Providers, or `provider/model`, to be tried first."""
    only: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    sort: str = ""
    """`price`, `latency` or `throughput`."""
    max_input_rate: float = float("inf")
    max_output_rate: float = float("inf")
    allow_fallbacks: bool = True


class Candidate:
    """A deployment that can serve an endpoint under a route. `target` is the pipeline's own, which routing never looks into."""

    __slots__ = ("condition", "id", "input_rate", "live", "output_rate", "spec", "target", "terms", "weight")

    def __init__(
        self,
        name: str,
        target: object,
        live: LiveTarget,
        *,
        weight: float = 1.0,
        spec: RouteTarget | None = None,
        condition: Callable[[Traits], bool] | None = None,
        terms: DataTerms | None = None,
        input_rate: float = float("inf"),
        output_rate: float = float("inf"),
    ) -> None:
        self.id = name
        """`provider/model`, the name under which its health is kept."""
        self.target = target
        self.live = live
        self.weight = weight
        self.spec = spec
        self.condition = condition
        """Whether it is considered at all (`RouteTarget.when`), compiled; None: always."""
        self.terms = terms
        self.input_rate = input_rate
        """Nano-dollars per token; infinite where the price is not known: what nobody knows the price of is never the cheapest."""
        self.output_rate = output_rate


class Branch:
    """A route within a route, and the whole tree's root: its members and the strategy that puts them in order."""

    __slots__ = ("condition", "id", "is_plain", "live", "members", "strategy", "weight")

    def __init__(
        self,
        name: str,
        members: Sequence[Member],
        strategy: Strategy,
        *,
        weight: float = 1.0,
        condition: Callable[[Traits], bool] | None = None,
    ) -> None:
        self.id = name
        self.members = tuple(members)
        self.strategy = strategy
        self.weight = weight
        self.condition = condition
        self.is_plain = _are_plain(self.members)
        """Nothing but different candidates that are always considered: while all are well, the strategy's order is the decision."""
        self.live: LiveTarget = members[0].live if members else LiveTarget(name)
        """That of its first member, by which an outer strategy judges it."""


Member = Candidate | Branch


def _are_plain(members: Sequence[Member]) -> bool:
    candidates = [member for member in members if isinstance(member, Candidate) and member.condition is None and member.weight > 0]
    return len(candidates) == len(members) > 1 and len({candidate.target for candidate in candidates}) == len(members)


class Strategy(Protocol):
    """Puts the members of one route in order: the first is asked first, the next ones if it fails.

    One object for each route and worker; it survives reloads under the route's name, so that turns and what it has learnt are
    not forgotten. `members` are those that may serve this request and are well, at least two. Pure but for its own memory.
    """

    def order(self, members: Sequence[Member], traits: Traits, rng: Rng, now_ns: int) -> Sequence[Member]:
        """All the members, in the order in which they are to be tried."""
        ...
