"""Customers' own provider keys in the data plane: whose are used for a request, and what a route becomes by them.

A route some of whose targets a customer has keys for becomes another one: those targets are asked with the customer's keys, with a
health of their own, and what would take keys of the gateway's is left out, unless every key that is used says that it may be asked
where it fails. So whatever becomes of a request, it never costs the gateway's keys by accident.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.own_keys import Owner, OwnKey, owners_of
from weighbridge.core.routes import StrategyName
from weighbridge.core.terms import VirtualKey
from weighbridge.pipeline.compiled_routes import CompiledRoute, RoutingMemory, target_of
from weighbridge.pipeline.target import OwnPool, Pricing, Target
from weighbridge.providers.base import Credential, Provider
from weighbridge.routing.health_events import OWN_KEY_MARK
from weighbridge.routing.members import Branch, Candidate, Member

_MAX_KEPT: Final = 8_192
"""Virtual keys whose rings, and routes by rings, are remembered; a full table is emptied."""

_OF_AN_ACCOUNT: Final = frozenset(
    ("authorization", "x-api-key", "x-goog-api-key", "api-key", "openai-organization", "openai-project", "anthropic-workspace-id")
)
"""Configured headers that name, or open, the gateway's own account: a customer's key goes without them."""


class Ring:
    """The own keys that the requests of some virtual key are sent with, by the provider: those of the nearest owner."""

    __slots__ = ("pools",)

    def __init__(self, pools: Mapping[str, OwnPool]) -> None:
        self.pools = pools


class OwnKeys:
    """Those of one snapshot."""

    __slots__ = ("_by_key", "_by_owner", "_by_owners", "_routes", "_targets")

    def __init__(self, keys: Iterable[OwnKey]) -> None:
        self._by_owner: dict[Owner, dict[str, list[OwnKey]]] = {}
        for key in keys:
            self._by_owner.setdefault(key.owner, {}).setdefault(key.provider, []).append(key)
        self._by_key: dict[tuple[str, str, str], Ring | None] = {}
        self._by_owners: dict[tuple[Owner, ...], Ring | None] = {(): None}
        self._routes: dict[tuple[Ring, CompiledRoute], CompiledRoute] = {}
        self._targets: dict[tuple[Target, str], Target] = {}

    def pool_names(self) -> set[str]:
        """Under which names their state is kept."""
        return {_pool_name(provider, owner) for owner, providers in self._by_owner.items() for provider in providers}

    def ring_of(self, key: VirtualKey) -> Ring | None:
        """The keys for a virtual key's requests; None where it has none."""
        name = (key.id, key.team, key.organisation)
        try:
            return self._by_key[name]
        except KeyError:
            pass
        if len(self._by_key) >= _MAX_KEPT:
            self._by_key.clear()
        owners = tuple(owner for owner in owners_of(key) if owner in self._by_owner)
        ring = self._by_owners.get(owners)
        if ring is None and owners:
            ring = self._by_owners[owners] = self._ring(owners)
        self._by_key[name] = ring
        return ring

    def applied(self, key: VirtualKey, compiled: CompiledRoute, memory: RoutingMemory, version: int) -> CompiledRoute:
        """What a route becomes for a virtual key. Raises `GatewayError` where its own keys are to be used and none can be read."""
        ring = self.ring_of(key)
        if ring is None:
            return compiled
        name = (ring, compiled)
        found = self._routes.get(name)
        if found is None:
            found = self._applied(ring, compiled, memory, version)
            if len(self._routes) >= _MAX_KEPT:
                self._routes.clear()
                self._targets.clear()
            self._routes[name] = found
        return found

    def _ring(self, owners: Sequence[Owner]) -> Ring:
        pools: dict[str, OwnPool] = {}
        for owner in owners:  # the nearest first
            for provider, keys in self._by_owner[owner].items():
                pools.setdefault(provider, _pool(provider, owner, keys))
        return Ring(pools)

    def _applied(self, ring: Ring, compiled: CompiledRoute, memory: RoutingMemory, version: int) -> CompiledRoute:
        providers = [target_of(candidate).provider for candidate in compiled.candidates]
        mine = [(ring.pools[each.name], each) for each in providers if each.name in ring.pools]
        if not mine:
            return compiled
        falls_back = all(pool.falls_back and _is_usable(pool, provider) for pool, provider in mine)
        branch = self._branch(compiled.branch, ring, memory, version, falls_back=falls_back)
        if branch is None:
            raise _unusable(mine[0][1])
        return CompiledRoute(compiled.route, branch)

    def _branch(self, branch: Branch, ring: Ring, memory: RoutingMemory, version: int, *, falls_back: bool) -> Branch | None:
        kept: list[Member] = []
        for member in branch.members:
            if isinstance(member, Branch):
                inner = self._branch(member, ring, memory, version, falls_back=falls_back)
                kept += [] if inner is None else [inner]
                continue
            target = target_of(member)
            pool = ring.pools.get(target.provider.name)
            if pool is None:
                kept += [member] if falls_back else []
            elif _is_usable(pool, target.provider):
                own = self._candidate(member, target, pool, memory, version)
                kept.append(_one_after_another(own, member, memory) if falls_back else own)
        if not kept:
            return None
        return Branch(branch.id, kept, branch.strategy, weight=branch.weight, condition=branch.condition)

    def _candidate(self, member: Candidate, target: Target, pool: OwnPool, memory: RoutingMemory, version: int) -> Candidate:
        name = (target, pool.name)
        own = self._targets.get(name)
        if own is None:
            own = self._targets[name] = _own_target(target, member, pool, memory, version)
        return Candidate(
            member.id,
            own,
            memory.live(f"{pool.name}/{target.deployment.model}"),
            weight=member.weight,
            spec=member.spec,
            condition=member.condition,
            terms=member.terms,
            input_rate=member.input_rate,
            output_rate=member.output_rate,
        )


def _pool(provider: str, owner: Owner, keys: Sequence[OwnKey]) -> OwnPool:
    usable = tuple(key for key in keys if key.secret is not None)
    return OwnPool(_pool_name(provider, owner), owner, usable, all(key.falls_back for key in keys))


def _pool_name(provider: str, owner: Owner) -> str:
    """Where its health is kept. There is no slash in it, which ends a provider's name in that of a target."""
    return f"{provider}{OWN_KEY_MARK}{quote(str(owner), safe=':')}"


def _is_usable(pool: OwnPool, provider: Provider) -> bool:
    return bool(pool.keys) and provider.takes_keys is not None


def _own_target(target: Target, member: Candidate, pool: OwnPool, memory: RoutingMemory, version: int) -> Target:
    provider = target.provider
    credentials = tuple(Credential(key.credential, key.secret) for key in pool.keys if key.secret is not None)
    own = msgspec.structs.replace(
        provider,
        credentials=credentials,
        auth=provider.takes_keys or provider.auth,
        account=None,
        headers=tuple(pair for pair in provider.headers if pair[0].lower() not in _OF_AN_ACCOUNT),
    )
    return Target(
        own,
        target.dialect,
        target.deployment.model,
        version,
        target.translated_into,
        member.spec,
        memory.own_pool(pool.name, credentials),
        Pricing(target.pricer, target.ceiling),
        pool,
        target.sizes,
    )


def _one_after_another(own: Candidate, member: Candidate, memory: RoutingMemory) -> Branch:
    """The customer's key first, then the gateway's."""
    strategy = memory.strategy("", StrategyName.ORDERED)
    return Branch(member.id, [own, member], strategy, weight=member.weight, condition=member.condition)


# --- what callers are told ------------------------------------------------------------------------------------------


def own_key_failed(error: GatewayError, target: Target, turn: int) -> GatewayError:
    """What a provider has said of a customer's own key, told as that."""
    return GatewayError(
        error.kind,
        f"{_named(target, turn)} was used for this request, and the provider did not take it: {error.public}",
        detail=error.detail,
        code="own_key_failed",
        retry_after_ns=error.retry_after_ns,
        status=error.status,
        provider_code=error.provider_code,
        provider_type=error.provider_type,
    )


def own_keys_rest(target: Target, wait_ns: int) -> GatewayError:
    """Every own key that could be used was throttled by the provider, or has no money left."""
    wait = f"{-(-max(wait_ns, 0) // NS_PER_S)} s"
    return GatewayError(
        ErrorKind.RATE_LIMIT_EXCEEDED,
        f"{_named(target, 0)} rests for another {wait}: the provider has said that its rate limit or its quota is used up.",
        code="own_key_rests",
        retry_after_ns=max(wait_ns, 0),
    )


def _unusable(provider: Provider) -> GatewayError:
    return GatewayError(
        ErrorKind.INTERNAL,
        f"Your own key for '{provider.name}' cannot be read by the gateway, so that this request was not sent: whoever runs the "
        "gateway has to put its master key back, or you hand in your key anew.",
        code="own_key_unreadable",
        status=503,
    )


def _named(target: Target, turn: int) -> str:
    pool = target.own
    provider = target.deployment.provider
    key = pool.keys[turn] if pool is not None and turn < len(pool.keys) else None
    ending = f" (it ends in {key.hint})" if key is not None and key.hint else ""
    return f"Your own key for '{provider}'{ending}"
