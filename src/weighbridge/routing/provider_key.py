"""What is known of one provider key: who uses it, whether it rests, has no money left, or is parked.

A *rest* ends by itself, at the moment that the provider named; during it the key is never used. A *parked* key was refused (401,
403): time does not heal that, so it stays away until an operator clears it, or a probe shows that it works again.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.ports import Rng
from weighbridge.core.secret import Secret
from weighbridge.routing.breaker import Breaker


class KeyState(StrEnum):
    """Whether a key can be used."""

    WELL = "well"
    RESTING = "resting"
    """The provider limits its rate."""
    NO_QUOTA = "no_quota"
    """Its account has no money, or has reached its spending limit: no rate limit, so that it rests long."""
    PARKED = "parked"
    """The provider refused it."""


_WELL, _RESTING, _NO_QUOTA, _PARKED = KeyState.WELL, KeyState.RESTING, KeyState.NO_QUOTA, KeyState.PARKED

WHOLE_KEY: Final = ""
"""In place of a model's name: for every model."""

FIRST_WAIT_NS: Final = {_RESTING: NS_PER_S, _NO_QUOTA: 600 * NS_PER_S, _PARKED: 60 * NS_PER_S}
LONGEST_WAIT_NS: Final = {_RESTING: 60 * NS_PER_S, _NO_QUOTA: 6 * 3600 * NS_PER_S, _PARKED: 900 * NS_PER_S}
"""Where the provider names no time, a wait doubles from the first to the longest. Rate limits count by the minute or by less. Money
comes when somebody has paid. For a parked key it is the time between two probes."""
_JITTER: Final = 0.25
"""A wait of our own choice is up to this much longer. What the provider says is taken as it is said."""
_MAX_MODELS: Final = 64
"""Models for which one key has a note at a time. Names can come from callers (`openai/*`); beyond that the whole key rests."""


class Block:
    """Why a key is not to be used, for one model or for all. Survives the end of a rest, so that the next one is longer."""

    __slots__ = ("reason", "since_ns", "state", "times", "tried_ns", "until_ns")

    def __init__(self, state: KeyState, now_ns: int, until_ns: int, times: int, reason: str) -> None:
        self.state = state
        self.since_ns = now_ns
        self.until_ns = until_ns
        """The end of the rest; for a parked key when the next probe is due."""
        self.times = times
        """How often in a row."""
        self.tried_ns = now_ns
        """When a parked key was last asked: what succeeds and began later clears it."""
        self.reason = reason

    def holds(self, now_ns: int) -> bool:
        """Whether the key must not be used."""
        return self.state is _PARKED or now_ns < self.until_ns

    def is_over_for(self, began_ns: int) -> bool:
        """Whether a success that began then shows that the key is well again."""
        return began_ns >= (self.tried_ns if self.state is _PARKED else self.until_ns)


class ProviderKey:
    """One key of one provider, for all routes and snapshots that use it."""

    __slots__ = ("_rng", "blocks", "breaker", "in_flight", "name", "secret", "worked_ns")

    def __init__(self, name: str, secret: Secret | None, rng: Rng) -> None:
        self._rng = rng
        self.name = name
        self.secret = secret
        self.in_flight = 0
        self.blocks: dict[str, Block] = {}
        """By model, or `WHOLE_KEY`."""
        self.breaker = Breaker(rng)
        self.worked_ns = -1
        """When it last succeeded."""

    def obstacle(self, model: str, now_ns: int) -> Block | None:
        """What forbids its use for this model now, or None. A rest comes before parking: nothing overrides it."""
        blocks = self.blocks
        found: Block | None = None
        for scope in (WHOLE_KEY, model) if blocks else ():
            block = blocks.get(scope)
            if block is not None and block.holds(now_ns) and (found is None or _outweighs(block, found)):
                found = block
        return found

    def free_ns(self, model: str, now_ns: int) -> int:
        """When it can be used for this model, or probed where it is parked: not after `now_ns` if it can."""
        free_ns = now_ns
        for scope in (WHOLE_KEY, model) if self.blocks else ():
            block = self.blocks.get(scope)
            if block is not None and block.until_ns > free_ns:
                free_ns = block.until_ns
        return free_ns

    def rest(self, scope: str, state: KeyState, now_ns: int, hint_ns: int | None, reason: str) -> tuple[str, Block] | None:
        """Let it rest as long as the provider says, or by our own measure. The scope and the note, if that changed anything.

        Requests that were under way when the rest began are refused as well: they make it no longer than the provider says.
        """
        scope = self._bounded(scope, now_ns)
        block = self.blocks.get(scope)
        if block is not None and block.state is _PARKED:
            block = None  # it is recognised again
        if block is not None and now_ns < block.until_ns:
            until_ns = now_ns + (hint_ns or 0)
            if until_ns <= block.until_ns and (state is block.state or block.state is _NO_QUOTA):
                return None
            block.until_ns = max(until_ns, block.until_ns)
            block.state, block.reason = state, reason
        else:
            times = block.times + 1 if block is not None and block.state is state else 1
            wait_ns = hint_ns or self._own_wait_ns(state, times)
            block = self.blocks[scope] = Block(state, now_ns, now_ns + wait_ns, times, reason)
        return scope, block

    def park(self, scope: str, now_ns: int, reason: str) -> tuple[str, Block] | None:
        """Keep it away until it is cleared or a probe passes. The scope and the note, if that changed anything."""
        scope = self._bounded(scope, now_ns)
        block = self.blocks.get(scope)
        if block is not None and (block.state is _PARKED or now_ns < block.until_ns):
            return None
        block = self.blocks[scope] = Block(_PARKED, now_ns, now_ns + self._own_wait_ns(_PARKED, 1), 1, reason)
        return scope, block

    def forbidden(self, model: str, now_ns: int, reason: str) -> tuple[str, Block] | None:
        """A 403 parks it for the model; a second model's, with no success in between, for all."""
        others = [b for scope, b in self.blocks.items() if b.state is _PARKED and scope not in (WHOLE_KEY, model)]
        is_the_keys = any(block.since_ns > self.worked_ns for block in others)
        return self.park(WHOLE_KEY if is_the_keys else model, now_ns, reason)

    def probe(self, block: Block, now_ns: int) -> None:
        """It is parked and asked all the same: the next probe is due later."""
        block.times += 1
        block.tried_ns = now_ns
        block.until_ns = now_ns + self._own_wait_ns(_PARKED, block.times)

    def worked(self, model: str, now_ns: int, began_ns: int) -> list[str]:
        """It succeeded: the scopes that are cleared by that."""
        self.worked_ns = now_ns
        cleared = []
        for scope in (WHOLE_KEY, model):
            block = self.blocks.get(scope)
            if block is not None and block.is_over_for(began_ns):
                del self.blocks[scope]
                cleared.append(scope)
        return cleared

    def _bounded(self, scope: str, now_ns: int) -> str:
        blocks = self.blocks
        if len(blocks) >= _MAX_MODELS and scope not in blocks:
            for over in [name for name, block in blocks.items() if not block.holds(now_ns)]:
                del blocks[over]
            if len(blocks) >= _MAX_MODELS:
                return WHOLE_KEY
        return scope

    def _own_wait_ns(self, state: KeyState, times: int) -> int:
        wait = min(LONGEST_WAIT_NS[state], FIRST_WAIT_NS[state] << min(times - 1, 32))
        return int(wait * (1.0 + _JITTER * self._rng.random()))


def _outweighs(block: Block, other: Block) -> bool:
    if (block.state is _PARKED) is not (other.state is _PARKED):
        return other.state is _PARKED
    return block.until_ns > other.until_ns
