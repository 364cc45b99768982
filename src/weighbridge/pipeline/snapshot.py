"""What a request sees: one version of the configuration and keys, indexed for the hot path, never changed once made.

A reload makes another snapshot and swaps it in by one assignment; requests under way keep the one they began with. What
must survive a reload (turns of keys, pools, counters) lives elsewhere, under stable names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from weighbridge.auth.presented_key import may_use
from weighbridge.auth.virtual_keys import KeysDelta
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.routes import Route, RouteTarget
from weighbridge.core.terms import Deployment, Dialect, Endpoint, Operation, VirtualKey
from weighbridge.ledger.pricing import Pricer
from weighbridge.ledger.tariffs import Tariffs
from weighbridge.limits.accounts import Ledgers
from weighbridge.pipeline.compiled_routes import CompiledRoute, RouteCompiler, RoutingMemory
from weighbridge.pipeline.own_keys import OwnKeys
from weighbridge.pipeline.plan import Limits, Plan
from weighbridge.pipeline.target import Target
from weighbridge.providers.base import Provider
from weighbridge.routing.live import LiveTarget
from weighbridge.routing.members import Branch, Candidate
from weighbridge.routing.preferences import SUFFIXES
from weighbridge.routing.resolve import find_route, home_provider, resolve
from weighbridge.wire.model_lists import ModelEntry

_MAX_RESOLVED: Final = 4096
"""Resolved names that are remembered. They come from callers, so there must be a bound; a full table is emptied."""

_Asked = tuple[str, Dialect, Operation, str | None]


class Snapshot:
    """Indexes over a `Plan`."""

    def __init__(
        self,
        plan: Plan,
        memory: RoutingMemory,
        keys: Mapping[bytes, VirtualKey] | None = None,
    ) -> None:
        self.plan = plan
        self.ledgers = Ledgers(plan.allowances, has_leases=plan.has_leases)
        """Which budgets and limits count whom."""
        self.tariffs = Tariffs(plan.tariffs)
        self.version = plan.version
        self.limits: Limits = plan.limits
        self.providers: dict[str, Provider] = {provider.name: provider for provider in plan.providers}
        self.routes: dict[str, Route] = {route.requested_model: route for route in plan.routes}
        self.keys: dict[bytes, VirtualKey] = dict(keys) if keys is not None else {key.digest: key for key in plan.keys}
        self.models: tuple[ModelEntry, ...] = tuple(_model_entries(plan))
        self.own_keys = OwnKeys(plan.own_keys) if plan.own_keys else None
        """What customers have brought; None where nobody has, so that nobody's requests pay for it."""
        self.payloads = plan.payloads
        self._memory = memory
        self._compiler = RouteCompiler(self.providers, self.routes, plan.version, memory, plan.prices, plan.sizes)
        self._compiled: dict[_Asked, CompiledRoute] = {}
        self._homes: dict[tuple[Dialect, str | None], CompiledRoute] = {}
        self._permitted: dict[tuple[str, CompiledRoute], CompiledRoute] = {}
        self._chains: dict[tuple[CompiledRoute, ...], CompiledRoute] = {}

    def pricer_of(self, provider: str, model: str) -> Pricer | None:
        """The prices of a model that a provider has run without being asked for it by name; None: nobody knows them."""
        return self._compiler.pricer_of(provider, model)

    def with_keys(self, delta: KeysDelta) -> Snapshot:
        """The same configuration with other keys."""
        keys = dict(self.keys)
        for digest in delta.removed:
            keys.pop(digest, None)
        for key in delta.upserted:
            keys[key.digest] = key
        return Snapshot(self.plan, self._memory, keys)

    def with_plan(self, plan: Plan) -> Snapshot:
        """The same keys with a plan that differs in what customers have brought."""
        return Snapshot(plan, self._memory, self.keys)

    def by_own_keys(self, key: VirtualKey, compiled: CompiledRoute) -> CompiledRoute:
        """What a route becomes by the provider keys that a virtual key's requests are sent with. Raises `GatewayError` where none
        of those can be read."""
        return compiled if self.own_keys is None else self.own_keys.applied(key, compiled, self._memory, self.version)

    def route_for(self, requested: str, endpoint: Endpoint, pinned: str | None) -> CompiledRoute:
        """Who serves a requested model, and in which format. Raises `GatewayError` (see `routing.resolve`)."""
        name = (requested, endpoint.dialect, endpoint.operation, pinned)
        compiled = self._compiled.get(name)
        if compiled is None:
            compiled = self._compile(requested, endpoint, pinned)
            if len(self._compiled) >= _MAX_RESOLVED:
                self._compiled.clear()
            self._compiled[name] = compiled
        return compiled

    def without_suffix(self, requested: str) -> tuple[str, str | None]:
        """A route's name and how its targets are sorted (`smart:floor` -> `smart`, `price`); any other name as it is."""
        name, colon, suffix = requested.rpartition(":")
        if colon and suffix in SUFFIXES and requested not in self.routes and find_route(name, self.routes) is not None:
            return name, SUFFIXES[suffix]
        return requested, None

    def one_after_another(self, alternatives: Sequence[CompiledRoute]) -> CompiledRoute:
        """Several compiled routes as one (a request's `models`)."""
        name = tuple(alternatives)
        chain = self._chains.get(name)
        if chain is None:
            chain = self._compiler.one_after_another(alternatives[0].route.requested_model, alternatives)
            if len(self._chains) >= _MAX_RESOLVED:
                self._chains.clear()
            self._chains[name] = chain
        return chain

    def _compile(self, requested: str, endpoint: Endpoint, pinned: str | None) -> CompiledRoute:
        if pinned is None and (found := find_route(requested, self.routes)) is not None:
            return self._compiler.compile(found[0], endpoint, found[1])
        deployment = resolve(requested, endpoint.dialect, endpoint.operation, pinned=pinned, providers=self.providers, routes={})
        return self._compiler.compile(Route(requested, (RouteTarget(deployment),), retry=self.plan.retry), endpoint)

    def home_for(self, dialect: Dialect, pinned: str | None) -> CompiledRoute:
        """Who serves a request without a model. Raises `GatewayError`."""
        name = (dialect, pinned)
        home = self._homes.get(name)
        if home is None:
            provider = home_provider(dialect, pinned=pinned, providers=self.providers)
            spec = RouteTarget(Deployment(provider.name, ""))
            target = Target(provider, dialect, "", self.version, keys=self._memory.key_pool(provider, spec))
            # Nobody waits for such a provider to be well: it is the only one that can know the file or batch that is asked for.
            member = Candidate(provider.name, target, LiveTarget(provider.name), spec=spec)
            route = Route("", (spec,), retry=self.plan.retry)
            home = CompiledRoute(route, Branch("", [member], self._memory.strategy("", route.strategy)))
            self._homes[name] = home
        return home

    def permitted(self, key: VirtualKey, requested: str, compiled: CompiledRoute) -> CompiledRoute:
        """What of a compiled route a limited key may use. Raises `GatewayError` PERMISSION_DENIED."""
        name = (key.id, compiled)
        allowed = self._permitted.get(name)
        if allowed is None:
            is_own_name = "/" not in requested or find_route(requested, self.routes) is not None
            allowed = compiled.permitted_to(key, requested, is_own_name=is_own_name)
            if len(self._permitted) >= _MAX_RESOLVED:
                self._permitted.clear()
            self._permitted[name] = allowed
        return allowed

    def check_whole_provider(self, key: VirtualKey, home: CompiledRoute) -> None:
        """Whether a key may use every model of a provider (`openai/*`), for requests whose model is not seen. Raises
        PERMISSION_DENIED."""
        provider = home.first_target.provider.name
        if not may_use(key.models, (f"{provider}/*",)):
            raise GatewayError(
                ErrorKind.PERMISSION_DENIED,
                f"This key is limited to certain models, and this request does not show which it uses. It needs '{provider}/*'.",
                code="model_not_allowed",
            )


def _model_entries(plan: Plan) -> list[ModelEntry]:
    """What `/v1/models` lists: routes, then every provider's models as `provider/model`."""
    entries = [ModelEntry(id=route.requested_model, owned_by="weighbridge") for route in plan.routes]
    for provider in plan.providers:
        named = dict.fromkeys((*provider.models, *provider.live_models))
        entries += [ModelEntry(id=f"{provider.name}/{model}", owned_by=provider.name) for model in named]
    return entries
