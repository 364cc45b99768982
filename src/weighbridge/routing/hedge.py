"""When a second target is asked beside a slow first: after the usual time to a first token, and within a bound on extra calls."""

from __future__ import annotations

from math import log
from typing import Final

from weighbridge.core.clock import NS_PER_MS
from weighbridge.core.routes import Hedging, Route

_BUCKETS: Final = 280
_LOWEST_NS: Final = NS_PER_MS
_GROWTH: Final = 1.05
"""280 buckets from 1 ms, each 5% wider than the one before, reach 14 minutes: a percentile is told within 5%, by its place within
the bucket mostly far nearer."""
_LOG_GROWTH: Final = log(_GROWTH)
_HALF_LIFE: Final = 8192
"""Requests after which an old one counts half: an hour ago is no measure for now, and few are no measure for a percentile."""
_STEP: Final = 0.05
_A_JUMP: Final = 2.0
_BEYOND: Final = 1.03
"""Where the percentile is more than twice the one five points before it, that one and a little is taken."""
_ENOUGH: Final = 50
"""Requests before anything is known of a 95th percentile."""
_LOOK_EVERY: Final = 32
"""The percentile is found anew after so many requests."""
_MOST_SAVED: Final = 10.0
"""Second calls that may be saved up while nothing is slow. Slow answers come in clusters: with five, more than one request in a
hundred was left slow in one of 200 simulated half hours."""


class RouteHedge:
    """What one route knows of its times to a first token, and its budget of second calls."""

    __slots__ = ("_budget", "_counts", "_delay_ns", "_n_noted", "_total", "hedging")

    def __init__(self, hedging: Hedging) -> None:
        self.hedging = hedging
        self._counts = [0.0] * _BUCKETS
        self._total = 0.0
        self._n_noted = 0
        self._delay_ns: int | None = None
        self._budget = 0.0

    def note(self, took_ns: int) -> None:
        """A request has got its first token."""
        place = int(log(took_ns / _LOWEST_NS) / _LOG_GROWTH) + 1 if took_ns > _LOWEST_NS else 0
        self._counts[min(place, _BUCKETS - 1)] += 1.0
        self._total += 1.0
        self._n_noted += 1
        if self._budget < _MOST_SAVED:
            self._budget += self.hedging.max_extra
        if self._n_noted % _LOOK_EVERY == 0:
            self._look()

    def delay_ns(self) -> int | None:
        """When to ask a second target; None while too little is known."""
        return self._delay_ns

    def take(self) -> bool:
        """Whether there is room for one more second call; it is used up by asking."""
        if self._budget < 1.0:
            return False
        self._budget -= 1.0
        return True

    def _look(self) -> None:
        if self._total < _ENOUGH:
            return
        if self._total > _HALF_LIFE:
            self._counts = [count / 2 for count in self._counts]
            self._total /= 2
        percentile = self.hedging.percentile
        found, before = self._value_at(percentile), self._value_at(percentile - _STEP)
        if found > _A_JUMP * before:
            # What is slow is another kind of answer, not the tail of the usual one: by chance the percentile stands among it.
            found = before * _BEYOND
        self._delay_ns = max(self.hedging.min_ns, int(found))

    def _value_at(self, percentile: float) -> float:
        wanted = self._total * percentile
        seen = 0.0
        for place, count in enumerate(self._counts):
            seen += count
            if seen >= wanted and count:
                return float(_LOWEST_NS * _GROWTH ** (place - (seen - wanted) / count))
        return float(_LOWEST_NS * _GROWTH**_BUCKETS)


class Hedges:
    """All routes that hedge, by name; they outlive a reload."""

    def __init__(self) -> None:
        self._routes: dict[str, RouteHedge] = {}

    def of(self, route: Route) -> RouteHedge:
        """The one of a route, with what its configuration says now."""
        hedging = route.hedging
        assert hedging is not None
        known = self._routes.get(route.requested_model)
        if known is None:
            known = self._routes[route.requested_model] = RouteHedge(hedging)
        known.hedging = hedging
        return known
