"""`limits.shared.SharedLimits` in a Valkey: one for each worker, over one connection.

Each connection is a *life* of its worker's. What a worker has under way of requests at a time is told anew under each life, and
the one before is struck off, so that a lost connection, a lost message or a Valkey that has forgotten everything puts nothing
wrong that the next connection does not put right. A life that is not heard of for `LASTS_S` counts no more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from ssl import SSLContext
from typing import Final, NamedTuple

from weighbridge.core.allowances import MAX_PER_NS
from weighbridge.core.clock import NS_PER_S, NS_PER_US
from weighbridge.core.ports import Clock
from weighbridge.limits.shared import Asked, Outcome, SharedDraw, SharedLimitsPlace
from weighbridge.limits.table import Draw
from weighbridge.storage.resp import Fault, Reply, command
from weighbridge.storage.valkey_connection import ValkeyConnection, open_connection
from weighbridge.storage.valkey_scripts import CORRECT, DRAW, LIVE, Script

LASTS_S: Final = 6
"""After so long without a word, what a worker had under way is free: it is dead, or cut off."""
_BEAT_S: Final = 1.5
_FIRST_PAUSE_S: Final = 0.05
_MAX_PAUSE_S: Final = 1.0
"""Between attempts to reach a Valkey that is away."""
_STEADY_NS: Final = 10 * NS_PER_S
"""A connection that held so long was no failed attempt."""
_OPENING_S: Final = 2.0
_MAX_OWED: Final = 10_000
"""Corrections that wait for a Valkey to come back, some 2 MB; the oldest give way."""
_BATCH: Final = 100
"""Corrections that are sent at a time when it is back: half a millisecond, for which requests may have to wait."""
_EXACT: Final = 2**53
"""The largest whole number that Lua can hold."""


class _Correction(NamedTuple):
    """How much more of a limit was used than was drawn, in the draw of that number."""

    name: str
    more: int
    rate: int
    per_us: int
    amount: int
    number: int


class ValkeyLimits:
    """`life` is the worker's own name among all that ever were. `say` is told, in a sentence, when the Valkey goes and comes."""

    def __init__(
        self, place: SharedLimitsPlace, life: str, context: SSLContext | None, clock: Clock, say: Callable[[str], None]
    ) -> None:
        self.refuses = place.refuses
        self.n_hosts = self._least_hosts = place.hosts
        self.n_unknown = 0
        """Times that nobody answered."""
        self.has_tried = asyncio.Event()
        """Set once it is known whether the Valkey is there."""
        self._place = place
        self._life = f"{place.member}/{life}"
        self._n_lives = 0
        self._name = b""
        """Of the life that goes on."""
        self._context = context
        self._clock = clock
        self._say = say
        self._prefix = f"{{{place.prefix}}}".encode()  # in a cluster, what stands in braces says where a key is: all at one place
        self._lives = self._prefix + b"lives"
        self._lasts = b"%d" % (LASTS_S * 1_000_000)
        self._connection: ValkeyConnection | None = None
        self._lost = asyncio.Event()
        self._held: dict[str, int] = {}
        """What requests under way have of limits on requests at a time."""
        self._owed: deque[_Correction] = deque(maxlen=_MAX_OWED)
        self._trouble = ""
        self._is_stopping = False

    @property
    def is_away(self) -> bool:
        """Whether there is nobody to be asked."""
        return self._connection is None

    # --- for requests -------------------------------------------------------------------------------------------

    def ask(self, draws: Sequence[SharedDraw]) -> Asked:
        """See `SharedLimits`."""
        asked = Asked(draws)
        if self._connection is None:
            self.n_unknown += 1
            asked.signal.set()
        else:
            keys = [self._key(draw.slot.name) for draw in draws]
            numbers = [b"%d" % number for draw in draws for number in _numbers(draw)]
            self._run(DRAW, (self._lives, *keys), (self._name, self._lasts, *numbers), lambda reply: self._answered(asked, reply))
        return asked

    def hold(self, draws: Sequence[Draw]) -> None:
        """See `SharedLimits`."""
        for draw in draws:
            if not draw.per_ns:
                self._count(draw.slot.name, draw.amount)
                self._correct([_Correction(draw.slot.name, draw.amount, 0, 0, 0, 0)])

    def settle(self, draws: Sequence[Draw], used: Sequence[int]) -> None:
        """See `SharedLimits`."""
        corrections = [
            _Correction(draw.slot.name, amount - draw.amount, *_pace(draw), min(draw.amount, _EXACT), draw.number)
            for draw, amount in zip(draws, used, strict=True)
            if amount != draw.amount or (draw.per_ns and amount > 1)
        ]
        for each in corrections:
            if not each.per_us:
                self._count(each.name, each.more)
        if corrections:
            self._correct(corrections)

    def _answered(self, asked: Asked, reply: Reply) -> None:
        first = reply[0] if isinstance(reply, list) else -1
        if isinstance(reply, list) and isinstance(first, int) and first >= 0:
            told = [each for each in reply[1:] if isinstance(each, int)]
            if first:
                asked.outcome, asked.short = Outcome.REFUSED, asked.draws[first - 1]
                _tell(asked.short, told)
            else:
                asked.outcome = Outcome.GIVEN
                for i, draw in enumerate(asked.draws):
                    _tell(draw, told[3 * i : 3 * i + 3])
                    if not draw.per_ns:
                        self._count(draw.slot.name, draw.amount)
                if asked.is_abandoned:
                    self.settle(asked.draws, [0] * len(asked.draws))
        else:
            self.n_unknown += 1
            self._is_at_odds(reply)
        asked.signal.set()

    def _count(self, name: str, more: int) -> None:
        held = self._held.get(name, 0) + more
        if held > 0:
            self._held[name] = held
        else:
            self._held.pop(name, None)

    # --- corrections --------------------------------------------------------------------------------------------

    def _correct(self, corrections: Sequence[_Correction], then: Callable[[Reply], None] = lambda _reply: None) -> None:
        """Send these, or keep them until they can be; what is under way is told anew by then."""
        if self._connection is None:
            self._owed.extend(each for each in corrections if each.per_us)
            return
        numbers = [b"%d" % number for each in corrections for number in each[1:]]
        keys = tuple([self._key(each.name) for each in corrections])

        def corrected(reply: Reply) -> None:
            if reply != 0:
                # Nobody knows whether it came through. Used twice is to the limit's side; given back twice would not be.
                self._owed.extend(each for each in corrections if each.per_us and each.more > 0)
                self._is_at_odds(reply)
            then(reply)

        self._run(CORRECT, keys, (self._name, *numbers), corrected)

    # --- scripts ------------------------------------------------------------------------------------------------

    def _run(self, script: Script, keys: Sequence[bytes], arguments: Sequence[bytes], on_reply: Callable[[Reply], None]) -> None:
        connection = self._connection
        if connection is None:
            on_reply(Fault("GONE"))
            return
        rest = (b"%d" % len(keys), *keys, *arguments)

        def with_source(reply: Reply) -> None:
            """A server that was started anew, or told to forget scripts, gets it whole, and knows it from then on."""
            if isinstance(reply, Fault) and reply.code == "NOSCRIPT":
                connection.send(command(b"EVAL", script.source, *rest), on_reply)
            else:
                on_reply(reply)

        connection.send(command(b"EVALSHA", script.sha, *rest), with_source)

    def _key(self, name: str) -> bytes:
        return self._prefix + name.encode()

    def _is_at_odds(self, reply: Reply) -> None:
        """A reply that should not be: begin anew with another connection, under another life."""
        if self._connection is not None:
            self._connection.close(str(reply) if isinstance(reply, Fault) else "it does not know this worker any more")

    # --- life ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Be connected, until cancelled."""
        pause_s = _FIRST_PAUSE_S
        while not self._is_stopping:
            begun_ns = self._clock.now_ns()
            try:
                async with asyncio.timeout(_OPENING_S):
                    await self._begin()
                self.has_tried.set()
                self._is_back()
                await self._pay()
                await self._beat()
            except TimeoutError:
                self._is_gone("it does not answer")
            except (OSError, Fault) as error:
                self._is_gone(str(error))
            self.has_tried.set()
            if self._clock.now_ns() - begun_ns > _STEADY_NS:
                pause_s = _FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _MAX_PAUSE_S)

    async def stop(self) -> None:
        """All requests are over: nothing is under way here any more."""
        self._is_stopping = True
        if (connection := self._connection) is not None:
            with contextlib.suppress(Fault):
                await connection.ask(b"HDEL", self._lives, self._name)
            connection.close("this worker ends")

    async def _begin(self) -> None:
        """Another connection, another life. Raises `OSError` or `Fault`."""
        self._lost.clear()
        connection = await open_connection(self._place, self._context, self._clock, self._on_lost)
        try:
            for script in (DRAW, CORRECT, LIVE):
                await connection.ask(b"SCRIPT", b"LOAD", script.source)
            before = self._name
            self._n_lives += 1
            self._name = f"{self._life}.{self._n_lives}".encode()
            # From here to the end without a wait: what is held now is what the server is told, and each change goes after it.
            self._connection = connection
            held = list(self._held.items())
            heard: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
            keys = [self._key(name) for name, _ in held]
            numbers = [b"%d" % amount for _, amount in held]
            arguments = (self._name, self._lasts, b"1", before, *numbers)
            self._run(LIVE, (self._lives, *keys), arguments, partial(_unless_done, heard))
            self._heard(await heard)
        except BaseException as error:
            connection.close(str(error) or "it does not answer in time")
            raise

    async def _pay(self) -> None:
        """What is still to be corrected from the time at which nobody could be told."""
        while self._owed and self._connection is not None:
            batch = [self._owed.popleft() for _ in range(min(_BATCH, len(self._owed)))]
            heard: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
            self._correct(batch, partial(_unless_done, heard))
            await heard

    async def _beat(self) -> None:
        """Say that this worker is there, until the connection is lost."""
        while self._connection is not None:
            try:
                async with asyncio.timeout(_BEAT_S):
                    await self._lost.wait()
            except TimeoutError:
                self._run(LIVE, (self._lives,), (self._name, self._lasts, b"0", b""), self._heard_beat)

    def _heard_beat(self, reply: Reply) -> None:
        if isinstance(reply, int) and reply > 0:
            self.n_hosts = max(reply, self._least_hosts)
        else:
            self._is_at_odds(reply)

    def _heard(self, reply: Reply) -> None:
        if not isinstance(reply, int) or reply < 1:
            raise reply if isinstance(reply, Fault) else Fault("it does not take this worker in")
        self.n_hosts = max(reply, self._least_hosts)

    def _on_lost(self, reason: str) -> None:
        self._connection = None
        self._lost.set()
        self._is_gone(reason)

    def _is_gone(self, reason: str) -> None:
        if not self._trouble and not self._is_stopping:
            then = "what they count is refused" if self.refuses else f"this host goes by its part of them, of {self.n_hosts}"
            self._say(f"The limits that hosts share cannot be asked: {reason}. Until they can, {then}.")
            self._trouble = reason

    def _is_back(self) -> None:
        if self._trouble:
            self._say("The limits that hosts share can be asked again.")
            self._trouble = ""


def _unless_done(heard: asyncio.Future[Reply], reply: Reply) -> None:
    if not heard.done():
        heard.set_result(reply)


def _pace(draw: Draw) -> tuple[int, int]:
    """How much comes back in how many microseconds; (0, 0) of requests at a time. Rounded to the limit's side."""
    return (min(draw.rate, _EXACT), -(-draw.per_ns // NS_PER_US)) if draw.per_ns else (0, 0)


def _numbers(draw: SharedDraw) -> tuple[int, int, int, int]:
    return (min(draw.amount, _EXACT), min(draw.burst, _EXACT), *_pace(draw))


def _tell(draw: SharedDraw, told: Sequence[int]) -> None:
    """What the script said of one limit: left, microseconds until all is back (or it would fit), and the draw's number."""
    draw.left, full_us, draw.number = told
    draw.full_ns = min(full_us * NS_PER_US, MAX_PER_NS)
