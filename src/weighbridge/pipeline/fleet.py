"""What is known of everybody whom we call, and what strategies have learnt: all that outlives a request and a reload."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Clock, Rng
from weighbridge.core.routes import Route, RouteTarget, StrategyName
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.target import Target
from weighbridge.pipeline.waiting_room import WaitingRoom
from weighbridge.providers.base import Credential, Provider
from weighbridge.routing.health import HealthBook
from weighbridge.routing.hedge import Hedges
from weighbridge.routing.key_pool import KeyPool
from weighbridge.routing.live import LiveTarget
from weighbridge.routing.members import Candidate, Strategy
from weighbridge.routing.retry import RetryBudget
from weighbridge.routing.strategies import STRATEGIES

_CLIENT_CLOSED: Final = ErrorKind.CLIENT_CLOSED
_MAX_ROOMS: Final = 1_000
"""Names can come from callers; rooms that are empty are then forgotten."""


class Fleet:
    """One for each worker."""

    def __init__(self, rng: Rng, clock: Clock) -> None:
        self.rng = rng
        self.health = HealthBook(rng, clock)
        self.budget = RetryBudget()
        self.hedges = Hedges()
        self._clock = clock
        self._rooms: dict[str, WaitingRoom] = {}
        self._strategies: dict[tuple[str, StrategyName], Strategy] = {}

    # --- for snapshots ------------------------------------------------------------------------------------------

    def live(self, name: str) -> LiveTarget:
        """The state of a deployment, by `provider/model`."""
        return self.health.live(name)

    def strategy(self, route: str, name: StrategyName) -> Strategy:
        """The strategy of a route, with what it remembers."""
        strategy = self._strategies.get((route, name))
        if strategy is None:
            strategy = self._strategies[route, name] = STRATEGIES[name]()
        return strategy

    def wall_ns(self) -> int:
        """Unix time."""
        return self._clock.wall_ns()

    def key_pool(self, provider: Provider, spec: RouteTarget | None) -> KeyPool:
        """The keys that a target may be asked with."""
        allowed = spec.credentials if spec is not None else ()
        return self.health.keys.pool(
            provider.name, provider.credentials, allowed=allowed, max_in_flight=provider.max_in_flight_per_key
        )

    def own_pool(self, name: str, credentials: Sequence[Credential]) -> KeyPool:
        """A customer's own keys, with a state of their own under this name."""
        return self.health.keys.pool(name, credentials)

    def forget_pools(self, names: Iterable[str]) -> None:
        """Own keys that are gone, or may not be used for now: what was held against them is no more."""
        self.health.forget(frozenset(names))

    def set_routes(self, routes: Iterable[Route]) -> None:
        """Which targets are peers, by the configuration: those of one route."""
        peers = {
            route.requested_model: [f"{d.provider}/{d.model}" for d in route.deployments if "*" not in d.model] for route in routes
        }
        self.health.set_routes(peers)

    # --- around each attempt --------------------------------------------------------------------------------------

    def began(self, candidate: Candidate, now_ns: int) -> None:
        """A request is about to be sent."""
        self.health.began(candidate.live.id, now_ns)

    def ended(self, exchange: Exchange, candidate: Candidate, target: Target, turn: int, error: GatewayError | None) -> None:
        """An attempt is over: an answer came whole (no error and a reply that has begun), or it failed, or its client has gone."""
        now_ns = self._clock.now_ns()
        began_ns = exchange.decided_ns
        model = target.deployment.model
        if error is None and exchange.status:
            first_ns = exchange.first_byte_ns - began_ns if exchange.is_stream and exchange.first_byte_ns else 0
            self.health.succeeded(candidate.live.id, now_ns, began_ns, first_ns)
            target.keys.succeeded(turn, model, now_ns, began_ns)
            self._free_place(candidate, target)
            return
        kind = error.kind if error is not None else _CLIENT_CLOSED
        hint_ns = error.retry_after_ns if error is not None else None
        rules = exchange.snapshot.plan.health
        self.health.failed(candidate.live.id, now_ns, began_ns, kind if rules.breakers else _CLIENT_CLOSED)
        of_key = kind if rules.keys else _CLIENT_CLOSED
        target.keys.failed(turn, of_key, model, now_ns, began_ns, retry_after_ns=hint_ns)

        self._free_place(candidate, target)

    # --- places ---------------------------------------------------------------------------------------------------

    def room_at(self, name: str) -> WaitingRoom:
        """Where to wait for a place at a target, or at a pool of keys (by the provider's name, or that of own ones)."""
        room = self._rooms.get(name)
        if room is None:
            if len(self._rooms) > _MAX_ROOMS:
                self._rooms = {each: kept for each, kept in self._rooms.items() if len(kept)}
            room = self._rooms[name] = WaitingRoom("All places at the provider are taken.")
        return room

    def _free_place(self, candidate: Candidate, target: Target) -> None:
        if self._rooms:
            for each in (candidate.live.id, target.pool_name):
                if (room := self._rooms.get(each)) is not None:
                    room.wake()

    # --- hedging --------------------------------------------------------------------------------------------------

    def hedge_after_ns(self, route: Route) -> int | None:
        """After which time without a token a second target is asked; None where that is not known yet, or not wanted."""
        return None if route.hedging is None else self.hedges.of(route).delay_ns()

    def may_hedge(self, route: Route) -> bool:
        """Whether the bound on second calls leaves room for one."""
        return self.hedges.of(route).take()

    def note_first_token(self, route: Route, took_ns: int) -> None:
        """A request of a hedged route has got its first token."""
        self.hedges.of(route).note(took_ns)
