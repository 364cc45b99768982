"""What a route is, as plain data: the targets that can answer under one name, and by which rules one of them is chosen.

All are frozen msgspec Structs, since they travel to the workers in the `Plan`. Times are nanoseconds.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from weighbridge.core.clock import NS_PER_MS, NS_PER_S
from weighbridge.core.terms import DataDemand, DataTerms, Deadlines, Deployment


class StrategyName(StrEnum):
    """How the targets of a route are put in order for a request. Each is one file in `routing/strategies/`."""

    ORDERED = "ordered"
    """As written: the first that is well."""
    WEIGHTED = "weighted"
    """By chance, in proportion to their weights; with `sticky`, always the same for the same caller."""
    ROUND_ROBIN = "round_robin"
    """In turn."""
    LEAST_IN_FLIGHT = "least_in_flight"
    """Who has the fewest requests under way for its weight."""
    LOWEST_LATENCY = "lowest_latency"
    """Whose first token has come soonest lately, with a little exploration."""
    LOWEST_COST = "lowest_cost"
    """Who is cheapest for this request."""
    MOST_HEADROOM = "most_headroom"
    """Who has the most left of its rate limit, by the provider's own headers."""
    CONSISTENT_HASH = "consistent_hash"
    """By a hash of who asks, so that few callers move when a target comes or goes."""
    CACHE_AFFINITY = "cache_affinity"
    """Where the beginning of this conversation is in the provider's prompt cache, as long as that pays."""


class StickyBy(StrEnum):
    """What makes two requests the same caller's, for sticky splits and consistent hashing."""

    NOTHING = ""
    KEY = "key"
    """The virtual key."""
    USER = "user"
    """The end user that the request names (`user`, `safety_identifier`, `metadata.user_id`)."""
    SESSION = "session"
    """The session header (`x-session-id`, `helicone-session-id`), else the beginning of the conversation."""
    HEADER = "header"
    """The header that `Route.sticky_header` names."""


class Parameter(msgspec.Struct, frozen=True):
    """A member of the request's body as it is sent: its name in the provider's own words (`generationConfig.temperature` with a
    dot for one level down), and its value as JSON text."""

    name: str
    json: bytes


class RouteTarget(msgspec.Struct, frozen=True):
    """One member of a route: a deployment, or another route.

    `model` of the deployment may hold one `*`, which takes what the `*` of the route's own name matched.
    """

    deployment: Deployment | None = None
    route: str = ""
    """The name of another route, where this is no deployment."""
    weight: float = 1.0
    """Its share, relative to the others. 0: only when all others have failed."""
    credentials: tuple[str, ...] = ()
    """The provider's keys that may be used, by name (`openai#1`); empty: all."""
    when: str = ""
    """A condition in CEL; the target is considered only where it holds."""
    deadlines: Deadlines | None = None
    """In place of the provider's."""
    defaults: tuple[Parameter, ...] = ()
    """Parameters that are set where the request does not."""
    overrides: tuple[Parameter, ...] = ()
    """Parameters that are set whatever the request says."""
    terms: DataTerms | None = None
    """In place of the provider's."""
    max_in_flight: int = 0
    """Requests at a time to it, for each worker; 0: no bound of its own."""


class RetryPolicy(msgspec.Struct, frozen=True):
    """How often and for how long a request may be tried. One owner of retries: nothing below repeats a request."""

    max_attempts: int = 3
    """Calls to providers in all, hedges not counted."""
    time_ns: int = 60 * NS_PER_S
    """No further attempt begins later than this after the first."""
    backoff_ns: int = 250 * NS_PER_MS
    """The first wait before the same target is asked again is between 0 and this, doubled with each further one (full jitter)."""
    max_backoff_ns: int = 8 * NS_PER_S
    max_hint_ns: int = 10 * NS_PER_S
    """A provider that asks for a longer wait is not waited for."""
    retries_ambiguous: bool = True
    """Whether to try again after an outcome that the provider may have billed: the connection broke, or time ran out, after the
    request was sent."""
    on_empty: bool = True
    """Whether a 200 without any content, reasoning or tool call is a failure."""
    on_context_length: bool = True
    """Whether a request that is too long for one target goes to the next."""
    on_content_policy: bool = False
    """Whether a request that one target's content policy refuses goes to the next."""
    first_event_ns: int = 15 * NS_PER_S
    """How long the head of a streamed reply is held for the first event that proves it good."""


class HealthRules(msgspec.Struct, frozen=True):
    """What follows from failures for later requests."""

    breakers: bool = True
    """Targets that fail are left alone for a while."""
    keys: bool = True
    """Keys that are throttled rest, and those that are refused are parked."""


class Hedging(msgspec.Struct, frozen=True):
    """When a second target is asked beside the first that is slow to begin."""

    percentile: float = 0.95
    """Of the route's time to first token lately: that is when."""
    min_ns: int = 50 * NS_PER_MS
    """Never sooner than this."""
    max_extra: float = 0.05
    """Second calls, as a share of the route's requests: the bound on extra spend."""


class Route(msgspec.Struct, frozen=True):
    """A name that callers ask for, and who can answer.

    `requested_model` may hold one `*`. A request for it is tried at `targets`, in the order that `strategy` gives.
    """

    requested_model: str
    targets: tuple[RouteTarget, ...]
    strict: bool = False
    """A translation that would lose something is refused."""
    strategy: StrategyName = StrategyName.ORDERED
    sticky: StickyBy = StickyBy.NOTHING
    sticky_header: str = ""
    retry: RetryPolicy = RetryPolicy()
    hedging: Hedging | None = None
    continues_midstream: bool = False
    """A stream of plain text that breaks off is continued by the next target."""
    joins: bool = False
    """Identical requests at the same time share one call to a provider."""
    demand: DataDemand = DataDemand()

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        """The deployments among its targets."""
        return tuple(target.deployment for target in self.targets if target.deployment is not None)


def plain_route(requested_model: str, *deployments: Deployment, strict: bool = False) -> Route:
    """A route to these deployments in order of preference."""
    return Route(requested_model, tuple(map(RouteTarget, deployments)), strict)
