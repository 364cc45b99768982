"""Which of a provider's keys a request is sent with.

Keys take turns, those that are not well being passed over. What a refusal means for a key stands in one table. State is kept by
provider and key name (`provider_key.py`), so that all routes share it and a reload forgets nothing; a `KeyPool` is a snapshot's
view of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Final

from weighbridge.core.errors import ErrorKind
from weighbridge.core.ports import Rng
from weighbridge.core.secret import Secret
from weighbridge.providers.base import Credential
from weighbridge.routing.breaker import TARGET_FAILURES, BreakerState
from weighbridge.routing.live import NEVER_NS
from weighbridge.routing.provider_key import WHOLE_KEY, Block, KeyState, ProviderKey


class _Means(Enum):
    RATE_LIMIT = "rate_limit"
    NO_MONEY = "no_money"
    REFUSED = "refused"
    FORBIDDEN = "forbidden"
    FAILED = "failed"


_MEANING: Final[dict[ErrorKind, _Means]] = {
    ErrorKind.RATE_LIMIT_EXCEEDED: _Means.RATE_LIMIT,
    ErrorKind.INSUFFICIENT_QUOTA: _Means.NO_MONEY,
    ErrorKind.PROVIDER_AUTHENTICATION: _Means.REFUSED,
    ErrorKind.PROVIDER_PERMISSION: _Means.FORBIDDEN,
} | dict.fromkeys(TARGET_FAILURES, _Means.FAILED)
"""What an error says of the key that was used. Of the others it says nothing."""

_PARKED: Final = KeyState.PARKED
_NO_BOUND: Final = 1 << 30

OnKeyChange = Callable[[str, ProviderKey, str, Block | None], None]
"""(provider, key, model or `WHOLE_KEY`, its note, None where it has been cleared)."""


def _nobody(_provider: str, _key: ProviderKey, _scope: str, _block: Block | None) -> None:
    """Nobody wants to know."""


class ProviderKeys:
    """All keys of one provider."""

    __slots__ = ("is_troubled", "keys", "n_pools", "provider")

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.keys: dict[str, ProviderKey] = {}
        self.n_pools = 0
        """Pools that were made: each begins with another key, so that reloads favour none."""
        self.is_troubled = False
        """Whether any key has a note or an open breaker: if none has, taking one is a look at whose turn it is."""

    def look(self) -> None:
        """Find out anew whether any key is in trouble."""
        self.is_troubled = any(key.blocks or key.breaker.state is not BreakerState.CLOSED for key in self.keys.values())


class KeyPools:
    """The keys of all providers. One for each worker."""

    def __init__(self, rng: Rng) -> None:
        self._rng = rng
        self._providers: dict[str, ProviderKeys] = {}
        self.on_change: OnKeyChange = _nobody

    def pool(
        self,
        provider: str,
        credentials: Sequence[Credential],
        *,
        allowed: Sequence[str] = (),
        max_in_flight: int = 0,
        is_per_model: bool = True,
    ) -> KeyPool:
        """The pool of a provider's keys as a snapshot knows them, or of those of them that are `allowed` by name.

        `max_in_flight`: requests at a time with one key, 0 for no bound. `is_per_model`: its rate limits are for each model. A
        provider without keys (a server of one's own, a cloud that is signed to) has one without a name, which rests like any other.
        A key whose secret has changed under its name is a new key.
        """
        shared = self._providers.setdefault(provider, ProviderKeys(provider))
        known = shared.keys
        named: list[tuple[str, Secret | None]] = [(each.name, each.secret) for each in credentials] or [("", None)]
        shared.keys = {
            name: known[name] if name in known and known[name].secret == secret else ProviderKey(name, secret, self._rng)
            for name, secret in named
        }
        shared.look()
        members = [(index, key) for index, key in enumerate(shared.keys.values()) if not allowed or key.name in allowed]
        return KeyPool(self, shared, members, max_in_flight=max_in_flight or _NO_BOUND, is_per_model=is_per_model)

    def forget(self, provider: str) -> None:
        """Nobody uses these keys any more."""
        self._providers.pop(provider, None)

    def keys(self, provider: str) -> Iterable[ProviderKey]:
        """A provider's keys, as they stand now."""
        shared = self._providers.get(provider)
        return shared.keys.values() if shared is not None else ()

    def soonest_ns(self, provider: str, model: str, now_ns: int) -> int:
        """When one of a provider's keys can be used for a model: `now_ns` or earlier if one can."""
        shared = self._providers.get(provider)
        if shared is None or not shared.is_troubled:
            return now_ns
        return soonest_of(shared.keys.values(), model, now_ns)

    def find(self, name: str) -> list[tuple[str, ProviderKey]]:
        """The keys of this name, each with its provider."""
        return [(provider, shared.keys[name]) for provider, shared in self._providers.items() if name and name in shared.keys]

    def set_block(self, provider: str, name: str, scope: str, block: Block | None) -> None:
        """Take over what another worker found out, or clear it with None. A wait is never made shorter by another's."""
        shared = self._providers.get(provider)
        key = shared.keys.get(name) if shared is not None else None
        if shared is None or key is None:
            return
        if block is None:
            key.blocks.pop(scope, None)
        elif (own := key.blocks.get(scope)) is None or block.until_ns > own.until_ns:
            key.blocks[scope] = block
        shared.look()

    def clear(self, provider: str, key: ProviderKey) -> bool:
        """An operator says that it is well. False if nothing was held against it."""
        scopes = list(key.blocks)
        key.blocks.clear()
        for scope in scopes:
            self.on_change(provider, key, scope, None)
        if (shared := self._providers.get(provider)) is not None:
            shared.look()
        return bool(scopes)


class KeyPool:
    """The keys that a target may be asked with. Indexes are those of the credentials that the pool was made of.

    Each index that `take` gives is brought back with exactly one of `succeeded` and `failed`.
    """

    __slots__ = ("_by_index", "_careful_turn", "_is_per_model", "_max", "_members", "_n", "_pools", "_shared", "_turn")

    def __init__(
        self,
        pools: KeyPools,
        shared: ProviderKeys,
        members: Sequence[tuple[int, ProviderKey]],
        *,
        max_in_flight: int,
        is_per_model: bool,
    ) -> None:
        self._pools = pools
        self._shared = shared
        self._members = tuple(members)
        self._by_index = dict(members)
        self._n = len(self._members)
        self._max = max_in_flight
        self._is_per_model = is_per_model
        self._turn = shared.n_pools % self._n if self._n else 0
        self._careful_turn = self._turn
        shared.n_pools += 1

    def take(self, model: str, now_ns: int) -> int | None:
        """The index of the key to use, or None: each rests or has its fill of requests (`soonest_ns` says when that is over).

        Never a key that rests. Where all are parked, the one that was tried longest ago: the request at hand is its probe.
        """
        turn = self._turn
        if self._shared.is_troubled or turn >= self._n:
            return self._take_carefully(model, now_ns)
        index, key = self._members[turn]
        if key.in_flight >= self._max:
            return self._take_carefully(model, now_ns)
        self._turn = turn + 1 if turn + 1 < self._n else 0
        key.in_flight += 1
        return index

    def soonest_ns(self, model: str, now_ns: int) -> int:
        """When one of the keys can be used: not after `now_ns` if one can, or if all that is missing is a place."""
        return soonest_of(self._by_index.values(), model, now_ns)

    def has_other(self, index: int, model: str, now_ns: int) -> bool:
        """Whether another key than this one could be taken now: a refusal of one key is no reason to leave the target."""
        return any(
            each != index and key.in_flight < self._max and key.obstacle(model, now_ns) is None for each, key in self._members
        )

    def succeeded(self, index: int, model: str, now_ns: int, began_ns: int) -> None:
        """An answer came. `began_ns` is when the key was taken: what began before a rest does not end it."""
        key = self._by_index[index]
        key.in_flight -= 1
        if self._n > 1:
            key.breaker.succeeded(now_ns, began_ns)
        if not self._shared.is_troubled:
            key.worked_ns = now_ns
            return
        for scope in key.worked(model, now_ns, began_ns):
            self._pools.on_change(self._shared.provider, key, scope, None)
        self._shared.look()

    def failed(
        self,
        index: int,
        kind: ErrorKind,
        model: str,
        now_ns: int,
        began_ns: int,
        *,
        retry_after_ns: int | None = None,
        is_whole_key: bool = False,
    ) -> None:
        """It ended with an error, of whatever kind, CLIENT_CLOSED too.

        `is_whole_key`: the provider says that the limit is the account's and not the model's.
        """
        key = self._by_index[index]
        key.in_flight -= 1
        meaning = _MEANING.get(kind)
        if meaning is None:
            key.breaker.said_nothing(began_ns)
            return
        if meaning is _Means.FAILED:
            if self._n > 1:
                key.breaker.failed(now_ns, began_ns)
            self._shared.look()
            return
        key.breaker.said_nothing(began_ns)
        scope = WHOLE_KEY if is_whole_key or not self._is_per_model else model
        changed = _apply(key, meaning, scope, model, now_ns, retry_after_ns)
        self._shared.look()
        if changed is not None:
            self._pools.on_change(self._shared.provider, key, *changed)

    def _take_carefully(self, model: str, now_ns: int) -> int | None:
        usable = [(index, key) for index, key in self._members if key.in_flight < self._max and key.obstacle(model, now_ns) is None]
        if not usable:
            return self._probe(model, now_ns)
        # A key that fails where others succeed is passed over; where most fail, it is not the keys.
        well = [pair for pair in usable if pair[1].breaker.admits(now_ns)]
        chosen = well if len(well) * 2 >= len(usable) else usable
        index, key = chosen[self._careful_turn % len(chosen)]
        self._careful_turn += 1
        key.breaker.began(now_ns)
        key.in_flight += 1
        return index

    def _probe(self, model: str, now_ns: int) -> int | None:
        """The parked key that was tried longest ago: if all are parked, or if its probe is due while the others rest."""
        obstacles = [(index, key, key.obstacle(model, now_ns)) for index, key in self._members]
        parked = [
            (block.tried_ns, index, key, block)
            for index, key, block in obstacles
            if block is not None and block.state is _PARKED and key.in_flight < self._max
        ]
        if len(parked) < self._n:
            parked = [each for each in parked if each[3].until_ns <= now_ns]
        if not parked:
            return None
        _, index, key, block = min(parked, key=lambda each: each[:2])
        key.probe(block, now_ns)
        key.in_flight += 1
        scope = next(scope for scope, each in key.blocks.items() if each is block)
        self._pools.on_change(self._shared.provider, key, scope, block)
        return index


def _apply(
    key: ProviderKey, meaning: _Means, scope: str, model: str, now_ns: int, hint_ns: int | None
) -> tuple[str, Block | None] | None:
    if meaning is _Means.RATE_LIMIT:
        return key.rest(scope, KeyState.RESTING, now_ns, hint_ns, "rate_limited")
    if meaning is _Means.NO_MONEY:
        return key.rest(WHOLE_KEY, KeyState.NO_QUOTA, now_ns, None, "insufficient_quota")
    if meaning is _Means.REFUSED:
        return key.park(WHOLE_KEY, now_ns, "refused (401)")
    return key.forbidden(model, now_ns, "forbidden (403)")


def soonest_of(keys: Iterable[ProviderKey], model: str, now_ns: int) -> int:
    """When the first of these keys can be used for a model, or, if it is parked, be probed; `NEVER_NS` without keys."""
    return min((key.free_ns(model, now_ns) for key in keys), default=NEVER_NS)
