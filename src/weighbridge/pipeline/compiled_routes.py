"""A name that callers ask for, compiled for one endpoint: who can answer, in which format, and by which rules one is chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from weighbridge.auth.presented_key import may_use
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.model_sizes import SizeRule, sizes_of
from weighbridge.core.rates import PriceBook, UnknownAction
from weighbridge.core.routes import Route, RouteTarget, StrategyName
from weighbridge.core.terms import Deployment, Endpoint, VirtualKey
from weighbridge.ledger.price_book import card_for
from weighbridge.ledger.pricing import HIGH_PRICER, Pricer, flat_pricer
from weighbridge.pipeline.target import Pricing, Target, dialect_asked
from weighbridge.providers.base import Credential, Provider
from weighbridge.routing.conditions import compile_condition
from weighbridge.routing.decide import first_of_each
from weighbridge.routing.fit import CountStyle, can_serve, is_native, translation_for
from weighbridge.routing.key_pool import KeyPool
from weighbridge.routing.live import LiveTarget
from weighbridge.routing.members import Branch, Candidate, Member, Strategy, Traits
from weighbridge.routing.strategies import CacheAffinity
from weighbridge.routing.strategies.most_headroom import MostHeadroom

_MAX_TARGETS: Final = 8192
"""Models can be named by callers; a full table is emptied."""


_UNKNOWN_RATE: Final = float("inf")


class RoutingMemory(Protocol):
    """What outlives a snapshot: the state of targets, and what strategies have learnt."""

    def live(self, name: str) -> LiveTarget:
        """The state of a deployment, by `provider/model`."""
        ...

    def strategy(self, route: str, name: StrategyName) -> Strategy:
        """The strategy of a route, with what it remembers."""
        ...

    def wall_ns(self) -> int:
        """Unix time, for what prices are now."""
        ...

    def key_pool(self, provider: Provider, spec: RouteTarget | None) -> KeyPool:
        """The keys that a target may be asked with."""
        ...

    def own_pool(self, name: str, credentials: Sequence[Credential]) -> KeyPool:
        """A customer's own keys, with a state of their own under this name."""
        ...


class CompiledRoute:
    """A route for one endpoint. `only` is its one candidate, where nothing has to be decided."""

    __slots__ = ("affinities", "branch", "candidates", "is_special", "learns", "only", "route")

    def __init__(self, route: Route, branch: Branch) -> None:
        self.route = route
        self.branch = branch
        self.candidates: tuple[Candidate, ...] = tuple(first_of_each(_leaves(branch)))
        _have_headroom_read(branch)
        self.affinities: tuple[CacheAffinity, ...] = tuple(_affinities(branch))
        """Who wants to know which candidate has answered a conversation."""
        self.is_special = route.joins or route.strict
        self.learns = route.hedging is not None or bool(self.affinities)
        """Whether anybody wants to know of its answers."""
        first = self.candidates[0]
        is_plain = len(self.candidates) == 1 and first.condition is None and route.demand.is_empty
        self.only: Candidate | None = first if is_plain else None

    @property
    def first_target(self) -> Target:
        """The target that is named first."""
        return target_of(self.candidates[0])

    def permitted_to(self, key: VirtualKey, requested: str, *, is_own_name: bool) -> CompiledRoute:
        """What of it a key may use: all of it by the name that it asked for, else the targets that it may use by their own names.

        `is_own_name`: the name is a route's or a bare model's; a name with another provider's prefix is not that provider's model
        when this provider was pinned. Raises `GatewayError` PERMISSION_DENIED.
        """
        if is_own_name and may_use(key.models, (requested,)):
            return self
        branch = _permitted(self.branch, key)
        if branch is None:
            raise GatewayError(
                ErrorKind.PERMISSION_DENIED,
                f"This key may not use the model '{requested}'.",
                param="model",
                code="model_not_allowed",
            )
        return self if branch is self.branch else CompiledRoute(self.route, branch)


def target_of(candidate: Candidate) -> Target:
    """The pipeline's own of a candidate."""
    target = candidate.target
    assert isinstance(target, Target)
    return target


def _leaves(branch: Branch) -> Iterable[Candidate]:
    for member in branch.members:
        if isinstance(member, Branch):
            yield from _leaves(member)
        else:
            yield member


def _affinities(branch: Branch) -> Iterable[CacheAffinity]:
    if isinstance(branch.strategy, CacheAffinity):
        yield branch.strategy
    for member in branch.members:
        if isinstance(member, Branch):
            yield from _affinities(member)


def _have_headroom_read(branch: Branch) -> None:
    """Who goes by what is left of rate limits needs those of its candidates looked at."""
    if isinstance(branch.strategy, MostHeadroom):
        for candidate in _leaves(branch):
            candidate.live.reads_headroom = True
    for member in branch.members:
        if isinstance(member, Branch):
            _have_headroom_read(member)


def _permitted(branch: Branch, key: VirtualKey) -> Branch | None:
    kept: list[Member] = []
    for member in branch.members:
        if isinstance(member, Branch):
            if (inner := _permitted(member, key)) is not None:
                kept.append(inner)
        elif may_use(key.models, (member.id,)):
            kept.append(member)
    if not kept:
        return None
    if len(kept) == len(branch.members) and all(a is b for a, b in zip(kept, branch.members, strict=True)):
        return branch
    return Branch(branch.id, kept, branch.strategy, weight=branch.weight, condition=branch.condition)


class RouteCompiler:
    """Makes routes for the endpoints of one snapshot."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        routes: Mapping[str, Route],
        version: int,
        memory: RoutingMemory,
        prices: PriceBook,
        sizes: tuple[SizeRule, ...] = (),
    ) -> None:
        self._providers = providers
        self._routes = routes
        self._version = version
        self._memory = memory
        self._prices = prices
        self._sizes = sizes
        self._targets: dict[tuple[object, ...], Target] = {}
        self._pricers: dict[tuple[str, str], Pricer | None] = {}

    def compile(self, route: Route, endpoint: Endpoint, star: str = "") -> CompiledRoute:
        """A route for an endpoint; `star` is what the `*` of its name matched. Raises `GatewayError` NOT_IMPLEMENTED where none of
        its targets can serve the endpoint."""
        branch = self._branch(route, endpoint, star, (route.requested_model,))
        if branch is None:
            raise GatewayError(
                ErrorKind.NOT_IMPLEMENTED,
                f"No target of the route '{route.requested_model}' speaks the {endpoint.dialect.value} dialect.",
                param="model",
                code="dialect_not_spoken",
            )
        return CompiledRoute(route, branch)

    def one_after_another(self, name: str, alternatives: Iterable[CompiledRoute]) -> CompiledRoute:
        """Several compiled routes as one: the next is asked when all of the one before have failed."""
        parts = list(alternatives)
        strategy = self._memory.strategy(name, StrategyName.ORDERED)
        return CompiledRoute(parts[0].route, Branch(name, [part.branch for part in parts], strategy))

    def target(self, deployment: Deployment, endpoint: Endpoint, spec: RouteTarget | None = None, route: str = "") -> Target:
        """A deployment, addressed for an endpoint that it can serve; the same object for what is the same on the wire and is priced
        in the same way."""
        name = (deployment, endpoint, route if route in self._prices.unknown_by_route else "", *_own_of(spec))
        target = self._targets.get(name)
        if target is None:
            if len(self._targets) >= _MAX_TARGETS:
                self._targets.clear()
            target = self._targets[name] = self._made(deployment, endpoint, spec, route)
        return target

    def _made(self, deployment: Deployment, endpoint: Endpoint, spec: RouteTarget | None, route: str) -> Target:
        provider = self._providers[deployment.provider]
        dialect, operation, model = endpoint.dialect, endpoint.operation, deployment.model
        keys = self._memory.key_pool(provider, spec)
        pricing = self._pricing(provider.name, model, route)
        sizes = sizes_of(self._sizes, f"{provider.name}/{model}", pricing.facts)
        if is_native(provider, dialect, operation, model):
            return Target(provider, dialect, model, self._version, spec=spec, keys=keys, pricing=pricing, sizes=sizes)
        wanted = translation_for(provider, operation, model)
        assert wanted is not None  # the caller found that it can be served
        # Where the gateway counts nobody is asked, so any of its addresses will do.
        address = next(iter(provider.bases)) if wanted is CountStyle.ESTIMATE else dialect_asked(wanted)
        return Target(provider, address, model, self._version, wanted, spec, keys, pricing, sizes=sizes)

    def pricer_of(self, provider: str, model: str) -> Pricer | None:
        """The prices of any model of a provider; None: nobody knows them."""
        name = (provider, model)
        if name not in self._pricers:
            if len(self._pricers) >= _MAX_TARGETS:  # names come from providers' replies
                self._pricers.clear()
            card = card_for(self._prices, provider, model)
            self._pricers[name] = None if card is None else Pricer(card)
        return self._pricers[name]

    def _pricing(self, provider: str, model: str, route: str) -> Pricing:
        prices = self._prices
        policy = prices.unknown_by_route.get(route, prices.unknown)
        card = card_for(prices, provider, model)
        pricer = None if card is None else Pricer(card)
        if policy.action is UnknownAction.REFUSE:
            return Pricing(pricer, None)
        if policy.action is UnknownAction.CEILING and policy.ceiling is not None:
            declared = flat_pricer(policy.ceiling, model, "the operator's ceiling")
            return Pricing(pricer if card is not None and card.periods else declared, declared)
        return Pricing(pricer, HIGH_PRICER)

    def _branch(self, route: Route, endpoint: Endpoint, star: str, within: tuple[str, ...]) -> Branch | None:
        members = [m for spec in route.targets if (m := self._member(spec, endpoint, star, within)) is not None]
        if not members:
            return None
        return Branch(route.requested_model, members, self._memory.strategy(route.requested_model, route.strategy))

    def _member(self, spec: RouteTarget, endpoint: Endpoint, star: str, within: tuple[str, ...]) -> Member | None:
        condition = compiled_condition(spec.when)
        if spec.deployment is None:
            inner = self._routes.get(spec.route)
            if inner is None or spec.route in within:  # the configuration refuses both
                return None
            branch = self._branch(inner, endpoint, star, (*within, spec.route))
            if branch is not None:
                branch.weight, branch.condition = spec.weight, condition
            return branch
        provider = self._providers.get(spec.deployment.provider)
        deployment = Deployment(spec.deployment.provider, spec.deployment.model.replace("*", star))
        if provider is None or not can_serve(provider, endpoint.dialect, endpoint.operation, deployment.model):
            return None
        name = f"{deployment.provider}/{deployment.model}"
        target = self.target(deployment, endpoint, spec, within[0])
        rates = (None, None) if target.pricer is None else target.pricer.rates_now(self._memory.wall_ns())
        input_rate, output_rate = (_UNKNOWN_RATE if rate is None else rate for rate in rates)
        return Candidate(
            name,
            target,
            self._memory.live(name),
            weight=spec.weight,
            spec=spec,
            condition=condition,
            terms=spec.terms if spec.terms is not None else provider.terms,
            input_rate=input_rate,
            output_rate=output_rate,
        )


def _own_of(spec: RouteTarget | None) -> tuple[object, ...]:
    """What a route says of a target that shows on the wire."""
    if spec is None:
        return ()
    return (spec.credentials, spec.deadlines, spec.defaults, spec.overrides, spec.max_in_flight)


def compiled_condition(when: str) -> Callable[[Traits], bool] | None:
    """A target's condition, ready to be asked; None where it has none."""
    if not when:
        return None
    condition = compile_condition(when)
    return lambda traits: condition.holds(traits.values(condition.names))
