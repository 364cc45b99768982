"""The health of all targets of a worker, under their stable names: who writes `LiveTarget`.

`began` and one of `succeeded` and `failed` stand around each attempt. Breakers and comparison with peers say who is not to be
asked; the keys' rests come from `key_pool.py`. What this worker finds out goes to the host's other workers as small events.
Nothing here needs a timer: what only time changes is looked at once a second when a request begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.errors import ErrorKind
from weighbridge.core.ports import Clock, Headers, Rng
from weighbridge.routing.breaker import DEFAULT_RULES, TARGET_FAILURES, BreakerRules, BreakerState
from weighbridge.routing.headroom import VALID_NS, headroom
from weighbridge.routing.health_events import (
    BreakerClosed,
    BreakerOpened,
    HealthEvent,
    KeyCleared,
    KeyParked,
    KeyRested,
    KeyStatus,
    TargetState,
    TargetStatus,
    is_of_own_key,
)
from weighbridge.routing.key_pool import KeyPools
from weighbridge.routing.live import LiveTarget
from weighbridge.routing.outliers import FORGIVEN_AFTER_NS, ejection_ns, outliers
from weighbridge.routing.provider_key import WHOLE_KEY, Block, KeyState, ProviderKey
from weighbridge.routing.target_health import TargetHealth

_LOOK_NS: Final = NS_PER_S
"""How often peers are compared: ten routes of ten targets take some 0.2 ms."""
_MAX_TARGETS: Final = 10_000
"""Names can come from callers (`openai/*`). Beyond that, those that are well and idle are forgotten."""

_CLOSED: Final = BreakerState.CLOSED
_HALF_OPEN: Final = BreakerState.HALF_OPEN


def _nobody(_event: HealthEvent) -> None:
    """Nobody wants to know."""


class HealthBook:
    """Registry of targets and keys. One for each worker; it survives reloads.

    `on_change` is told what other workers should know. `clock` is read only when something changes, for dates.
    """

    def __init__(
        self,
        rng: Rng,
        clock: Clock,
        *,
        rules: BreakerRules = DEFAULT_RULES,
        on_change: Callable[[HealthEvent], None] = _nobody,
    ) -> None:
        self._rng = rng
        self._clock = clock
        self._rules = rules
        self.on_change = on_change
        self.keys = KeyPools(rng)
        self.keys.on_change = self._key_changed
        self._targets: dict[str, TargetHealth] = {}
        self._peers: tuple[tuple[str, ...], ...] = ()
        self._look_ns = 0

    # --- around each attempt

    def live(self, name: str) -> LiveTarget:
        """The state of a target (`openai/gpt-5`); always the same object for a name."""
        return (self._targets.get(name) or self._new(name)).live

    def began(self, name: str, now_ns: int) -> None:
        """A request is about to be sent there. Followed by exactly one of `succeeded` and `failed`."""
        target = self._targets.get(name) or self._new(name)
        target.live.in_flight += 1
        if target.needs_care:
            target.breaker.began(now_ns)
            self._show(target, now_ns)
        if now_ns >= self._look_ns:
            self._look_ns = now_ns + _LOOK_NS
            self.look(now_ns)

    def succeeded(self, name: str, now_ns: int, began_ns: int, first_token_ns: int = 0) -> None:
        """The answer came whole. `first_token_ns`: of a stream, the time from `began_ns` to the first token; 0: no stream."""
        target = self._targets.get(name) or self._new(name)
        target.live.in_flight -= 1
        slow = target.measured(now_ns, now_ns - began_ns, first_token_ns)
        changed = target.breaker.succeeded(now_ns, began_ns, slow=slow)
        if changed or target.needs_care:
            self._ended(target, now_ns, is_changed=changed)

    def failed(self, name: str, now_ns: int, began_ns: int, kind: ErrorKind) -> None:
        """It ended with an error, of whatever kind: CLIENT_CLOSED and refusals of the request too, which say nothing of it."""
        target = self._targets.get(name) or self._new(name)
        target.live.in_flight -= 1
        if kind in TARGET_FAILURES:
            changed = target.breaker.failed(now_ns, began_ns)
        else:
            changed = False
            target.breaker.said_nothing(began_ns)
        if changed or target.needs_care:
            self._ended(target, now_ns, is_changed=changed)

    def proved(self, name: str, now_ns: int, began_ns: int) -> None:
        """The first good event of a stream came: a probe need not wait for its end. Worth a call only where `live.is_probing`."""
        target = self._targets.get(name)
        if target is not None and target.breaker.state is _HALF_OPEN and target.breaker.succeeded(now_ns, began_ns):
            self._ended(target, now_ns, is_changed=True)

    def saw_headers(self, name: str, headers: Headers, now_ns: int) -> None:
        """The head of a reply came: what it says of the rate limit. 2 µs, so for routes that ask for headroom only."""
        left = headroom(headers)
        if left is not None:
            live = self.live(name)
            live.headroom = left
            live.headroom_until_ns = now_ns + VALID_NS

    # --- what the configuration and operators say

    def set_routes(self, routes: Mapping[str, Sequence[str]]) -> None:
        """Which targets are peers: by route, the names of its deployments. In place of what was said before."""
        self._peers = tuple({tuple(dict.fromkeys(names)) for names in routes.values() if len(set(names)) > 1})

    def clear(self, name: str) -> bool:
        """An operator says that a target or a provider key is well again. False if nothing was held against it."""
        now_ns = self._clock.now_ns()
        target = self._targets.get(name)
        if target is not None and (target.breaker.state is not _CLOSED or target.ejected_until_ns > now_ns):
            self._recover(target, now_ns)
            self.on_change(BreakerClosed(name))
            return True
        return sum(self.keys.clear(provider, key) for provider, key in self.keys.find(name)) > 0

    def statuses(self, now_ns: int) -> list[TargetStatus]:
        """All targets, in the order of their names; of those that are asked with customers' own keys, which may be many, those that
        are not well."""
        return [self._status(target, now_ns) for name, target in sorted(self._targets.items()) if _is_told(name, target)]

    def forget(self, providers: frozenset[str]) -> None:
        """Pools of own keys that nobody has any more, and the targets that were asked with them."""
        for name in providers:
            self.keys.forget(name)
        # What is under way ends at its own name: it goes when there is no room for more.
        gone = [n for n, target in self._targets.items() if target.provider in providers and target.live.in_flight == 0]
        for each in gone:
            del self._targets[each]

    # --- between workers

    def apply(self, event: HealthEvent, now_ns: int, wall_ns: int) -> None:
        """Take over what another worker has found out; nothing is said about it in turn."""
        match event:
            case BreakerOpened():
                target = self._targets.get(event.target) or self._new(event.target)
                # A little later than told, so that the worker that found out tries first, and tells the others.
                wait_ns = int(max(0, event.until_wall_ns - wall_ns) * (1.0 + 0.1 * self._rng.random()))
                target.breaker.open(now_ns, now_ns + wait_ns, event.reason)
                target.told_ns = target.breaker.retry_at_ns
                self._show(target, now_ns)
            case BreakerClosed():
                if (known := self._targets.get(event.target)) is not None:
                    self._recover(known, now_ns)
            case KeyRested() | KeyParked():
                state = event.state if isinstance(event, KeyRested) else KeyState.PARKED
                block = Block(state, now_ns, now_ns + max(0, event.until_wall_ns - wall_ns), event.times, event.reason)
                self._set_block(event.provider, event.credential, event.model, block, now_ns)
            case KeyCleared():
                self._set_block(event.provider, event.credential, event.model, None, now_ns)

    # --- within

    def look(self, now_ns: int) -> None:
        """What time alone changes, and who is far worse than his peers. `began` does it once a second."""
        for target in self._targets.values():
            if target.needs_care:
                self._show(target, now_ns)
        for names in self._peers:
            self._compare([self._targets.get(name) or self._new(name) for name in names], now_ns)

    def _new(self, name: str) -> TargetHealth:
        if len(self._targets) >= _MAX_TARGETS:
            for idle in [n for n, target in self._targets.items() if not target.needs_care and target.live.in_flight == 0]:
                del self._targets[idle]
        target = self._targets[name] = TargetHealth(name, self._rng, self._rules)
        self._show(target, self._clock.now_ns())
        return target

    def _ended(self, target: TargetHealth, now_ns: int, *, is_changed: bool) -> None:
        self._show(target, now_ns)
        breaker = target.breaker
        if not is_changed or breaker.retry_at_ns == target.told_ns:
            return
        target.told_ns = breaker.retry_at_ns
        if breaker.state is _CLOSED:
            self.on_change(BreakerClosed(target.name))
        else:
            self.on_change(BreakerOpened(target.name, self._wall_ns(breaker.retry_at_ns), breaker.reason))

    def _recover(self, target: TargetHealth, now_ns: int) -> None:
        if target.breaker.state is not _CLOSED or target.ejected_until_ns > now_ns:
            target.ejected_until_ns = target.told_ns = 0
            target.breaker.close(now_ns)
            self._show(target, now_ns)

    def _show(self, target: TargetHealth, now_ns: int) -> None:
        target.show(now_ns, self.keys.soonest_ns(target.provider, target.model, now_ns))

    def _compare(self, peers: Sequence[TargetHealth], now_ns: int) -> None:
        """Eject who is far worse, but never so many that less than half of the peers are well."""
        n_unwell = sum(peer.live.retry_at_ns > now_ns or peer.breaker.state is not _CLOSED for peer in peers)
        room = len(peers) // 2 - n_unwell
        for index, reason in outliers([peer.sample(now_ns) for peer in peers]) if room > 0 else ():
            peer = peers[index]
            if room <= 0 or peer.live.retry_at_ns > now_ns:
                continue
            room -= 1
            peer.n_ejected = peer.n_ejected + 1 if now_ns - peer.ejected_until_ns < FORGIVEN_AFTER_NS else 1
            peer.ejected_until_ns = now_ns + ejection_ns(peer.n_ejected)
            peer.ejected_reason = reason
            self._show(peer, now_ns)

    def _key_changed(self, provider: str, key: ProviderKey, scope: str, block: Block | None) -> None:
        self._show_all(provider, scope, self._clock.now_ns())
        if block is None:
            self.on_change(KeyCleared(provider, key.name, scope))
            return
        until = self._wall_ns(block.until_ns)
        if block.state is KeyState.PARKED:
            self.on_change(KeyParked(provider, key.name, scope, until, block.times, block.reason))
        else:
            self.on_change(KeyRested(provider, key.name, scope, until, block.times, block.state, block.reason))

    def _set_block(self, provider: str, credential: str, scope: str, block: Block | None, now_ns: int) -> None:
        self.keys.set_block(provider, credential, scope, block)
        self._show_all(provider, scope, now_ns)

    def _show_all(self, provider: str, scope: str, now_ns: int) -> None:
        for target in self._concerned(provider, scope):
            self._show(target, now_ns)

    def _concerned(self, provider: str, scope: str) -> Iterable[TargetHealth]:
        if scope == WHOLE_KEY:
            return [target for target in self._targets.values() if target.provider == provider]
        target = self._targets.get(f"{provider}/{scope}")
        return () if target is None else (target,)

    def _wall_ns(self, moment_ns: int) -> int:
        return self._clock.wall_ns() + moment_ns - self._clock.now_ns()

    def _status(self, target: TargetHealth, now_ns: int) -> TargetStatus:
        self._show(target, now_ns)
        live = target.live
        n_lately, n_failed, n_slow = target.breaker.counts(now_ns)
        return TargetStatus(
            id=target.name,
            state=self._state(target, now_ns),
            reason=live.reason,
            retry_in_ns=max(0, live.retry_at_ns - now_ns),
            pace=live.pace,
            in_flight=live.in_flight,
            n_lately=n_lately,
            n_failed=n_failed,
            n_slow=n_slow,
            first_token_ns=int(live.first_token_ns),
            total_ns=int(live.total_ns),
            headroom=live.headroom if live.headroom_until_ns > now_ns else 1.0,
            keys=tuple(key_status(key, target.model, now_ns) for key in self.keys.keys(target.provider)),
        )

    def _state(self, target: TargetHealth, now_ns: int) -> TargetState:
        if target.breaker.state is not _CLOSED:
            return TargetState(target.breaker.state.value)
        if target.ejected_until_ns > now_ns:
            return TargetState.EJECTED
        return TargetState.RESTING if target.live.retry_at_ns > now_ns else TargetState.CLOSED


def _is_told(name: str, target: TargetHealth) -> bool:
    return target.needs_care or not is_of_own_key(name)


def key_status(key: ProviderKey, model: str, now_ns: int) -> KeyStatus:
    """A key as it stands for a model."""
    block = key.obstacle(model, now_ns)
    if block is None:
        return KeyStatus(key.name, KeyState.WELL, "", 0, key.in_flight)
    return KeyStatus(key.name, block.state, block.reason, max(0, block.until_ns - now_ns), key.in_flight)
