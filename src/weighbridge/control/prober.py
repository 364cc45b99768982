"""Asks providers now and then whether they are there, so that an outage is known before a request meets it, and its end as well.

A provider is asked for its list of models with each of its keys, which costs nothing. What is found out goes to the workers in the
words in which they tell one another: a provider that fails twice in a row has the breakers of its targets opened until it answers
again, a key that is refused is parked, one that works again is cleared. What a list says nothing about (a model that is overloaded,
a rate limit) stays the requests' own business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from weighbridge.control.live_models import IDENTITIES, MAX_AT_ONCE, body_of, is_asked, list_request
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Clock, Upstream
from weighbridge.pipeline.plan import Plan
from weighbridge.providers.base import Provider
from weighbridge.routing.health_events import BreakerClosed, BreakerOpened, HealthEvent, KeyCleared, KeyParked, TargetStatus
from weighbridge.routing.provider_key import WHOLE_KEY, KeyState

LOOK_S: Final = 1.0
FAILURES: Final = 2
"""In a row, until a provider counts as away: one is lost now and then."""
_HELD: Final = 3
"""Probes, for which a breaker stays open without another word of ours."""

Targets = Callable[[], Sequence[TargetStatus]]
Tell = Callable[[Sequence[HealthEvent]], None]


class Prober:
    """One for each supervisor. `plan` and `targets` are as of now, `tell` hands events to all workers."""

    def __init__(self, upstream: Upstream, clock: Clock, *, plan: Callable[[], Plan], targets: Targets, tell: Tell) -> None:
        self._upstream = upstream
        self._clock = clock
        self._plan = plan
        self._targets = targets
        self._tell = tell
        self._next_ns: dict[str, int] = {}
        self._failures: dict[str, int] = {}
        self._opened: dict[str, tuple[str, ...]] = {}
        """By provider: targets whose breakers we have opened."""
        self._turns = asyncio.Semaphore(MAX_AT_ONCE)

    async def run(self) -> None:
        """Ask whoever is due, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Ask whoever is due now."""
        now_ns = self._clock.now_ns()
        asked = [each for each in self._plan().providers if each.probe_ns and is_asked(each) and each.auth not in IDENTITIES]
        names = {each.name for each in asked}
        for gone in [name for name in self._next_ns if name not in names]:
            self._forget(gone)
        due = [each for each in asked if self._next_ns.get(each.name, 0) <= now_ns]
        for each in due:
            self._next_ns[each.name] = now_ns + each.probe_ns
        await asyncio.gather(*map(self._probe, due))

    def _forget(self, provider: str) -> None:
        """It is not to be probed any more: what we held against it is over."""
        del self._next_ns[provider]
        self._failures.pop(provider, None)
        self._close(provider)

    async def _probe(self, provider: Provider) -> None:
        turns = range(max(1, len(provider.credentials)))
        found = await asyncio.gather(*(self._ask(provider, turn) for turn in turns))
        rules = self._plan().health
        if rules.keys:
            events = [event for turn, status in enumerate(found) for event in self._of_key(provider, turn, status)]
            if events:
                self._tell(events)
        if not rules.breakers:
            return
        if all(_is_away(status) for status in found):
            self._failures[provider.name] = self._failures.get(provider.name, 0) + 1
            if self._failures[provider.name] >= FAILURES:
                self._open(provider, found[0])
        else:
            self._failures.pop(provider.name, None)
            self._close(provider.name)

    async def _ask(self, provider: Provider, turn: int) -> int:
        """The status of the answer; 0 where there is none."""
        async with self._turns:
            try:
                reply = await self._upstream.send(list_request(provider, turn))
                await body_of(reply)
            except GatewayError as error:
                # A list that is too long, or that breaks off, came from somebody who is there.
                return 200 if error.kind is ErrorKind.PROVIDER_MALFORMED else 0
            return reply.status

    def _of_key(self, provider: Provider, turn: int, status: int) -> Iterable[HealthEvent]:
        """What an answer says of the key that asked."""
        if not provider.credentials:
            return
        name = provider.credentials[turn].name
        held = {key.name: key for target in self._targets() for key in target.keys}.get(name)
        is_parked = held is not None and held.state is KeyState.PARKED
        if status == 401 and not is_parked:
            until_ns = self._clock.wall_ns() + provider.probe_ns
            yield KeyParked(provider.name, name, WHOLE_KEY, until_ns, 1, "a probe: the provider refused it (401)")
        elif 200 <= status < 300 and is_parked:
            yield KeyCleared(provider.name, name, WHOLE_KEY)

    def _open(self, provider: Provider, status: int) -> None:
        names = self._names(provider)
        until_ns = self._clock.wall_ns() + _HELD * provider.probe_ns
        reason = f"a probe: the provider answers with {status}" if status else "a probe: the provider does not answer"
        self._opened[provider.name] = names
        self._tell([BreakerOpened(name, until_ns, reason) for name in names])

    def _close(self, provider: str) -> None:
        if opened := self._opened.pop(provider, ()):
            self._tell([BreakerClosed(name) for name in opened])

    def _names(self, provider: Provider) -> tuple[str, ...]:
        """Its targets: those of routes, of its list of models, and those that were asked for so far."""
        own = f"{provider.name}/"
        deployments = [d for route in self._plan().routes for d in route.deployments if d.provider == provider.name]
        names = [f"{own}{d.model}" for d in deployments if "*" not in d.model]
        names += [f"{own}{model}" for model in provider.models]
        names += [status.id for status in self._targets() if status.id.startswith(own)]
        return tuple(dict.fromkeys(names))


def _is_away(status: int) -> bool:
    return status == 0 or status >= 500
