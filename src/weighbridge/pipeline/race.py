"""Hedging: a second target is asked beside one that is slow to begin. The first good token wins, and the other call is cancelled.

Two attempts run on two exchanges, of which the second is a copy of the first; whoever is first to send the caller a head is the
winner, and what it knows becomes the exchange's own. Both calls are in the account: a provider may bill what was cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Clock
from weighbridge.core.tasks import TaskSet, on_a_task
from weighbridge.pipeline.attempt import note_attempt
from weighbridge.pipeline.exchange import Exchange

LOST: Final = "hedge_lost"
"""The error of the attempt that was cancelled, in Records and in the header of attempts."""

CLIENT_CLOSED: Final = ErrorKind.CLIENT_CLOSED.value

Ask = Callable[[Exchange], Awaitable[GatewayError | None]]
"""Makes one attempt on an exchange: `Attempts._ask` with all else given."""


class Race:
    """Who may answer the caller: the first that asks."""

    __slots__ = ("_begun", "winner")

    def __init__(self) -> None:
        self.winner: Exchange | None = None
        self._begun = asyncio.Event()

    def may_begin(self, exchange: Exchange) -> bool:
        """Whether this exchange's reply is the one to be sent. Called when its head is about to go out."""
        if self.winner is None:
            self.winner = exchange
            self._begun.set()
        return self.winner is exchange

    async def begun(self) -> None:
        """Wait until somebody has won."""
        await self._begun.wait()


class Runner:
    """Runs races; one for a worker."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks = TaskSet(lambda _error: None)  # every task is awaited here, and its failure raised there

    async def run(
        self, exchange: Exchange, ask_first: Ask, ask_second: Callable[[], Ask | None], delay_ns: int
    ) -> tuple[GatewayError | None, int]:
        """Ask the first; after `delay_ns` without a token, the second too, if `ask_second` still has one. The error that both ended
        in, or None, and how many were asked."""
        await on_a_task()
        race = exchange.race = Race()
        leading = self._tasks.spawn(_as_coroutine(ask_first(exchange)))
        watching = self._tasks.spawn(race.begun())
        rival: Exchange | None = None
        running = {leading: exchange}
        try:
            await asyncio.wait({leading, watching}, timeout=delay_ns / NS_PER_S, return_when=asyncio.FIRST_COMPLETED)
            ask = ask_second() if race.winner is None and not leading.done() else None
            if ask is None:
                return await leading, 1
            rival = exchange.fork()
            running[self._tasks.spawn(_as_coroutine(ask(rival)))] = rival
            while race.winner is None and not all(task.done() for task in running):
                await asyncio.wait({*(t for t in running if not t.done()), watching}, return_when=asyncio.FIRST_COMPLETED)
            return await self._finish(exchange, race, running), 2
        except asyncio.CancelledError:  # the client has gone
            for loser in running.values():
                if loser is not (race.winner or exchange):
                    self._drop(loser, CLIENT_CLOSED)
                    exchange.attempts += loser.attempts if loser is not exchange else ()
            raise
        finally:
            for task in (*running, watching):
                task.cancel()
            exchange.race = None
            if rival is not None and race.winner is rival:
                exchange.adopt(rival)
                rival.relay = None

    async def _finish(
        self, exchange: Exchange, race: Race, running: dict[asyncio.Task[GatewayError | None], Exchange]
    ) -> GatewayError | None:
        if race.winner is None:
            return await self._both_failed(exchange, running)
        winning = next(task for task, of in running.items() if of is race.winner)
        for task, loser in running.items():
            if loser is not race.winner:
                await self._cancel(task, loser)
                exchange.attempts += loser.attempts if loser is not exchange else ()
        return await winning

    async def _cancel(self, task: asyncio.Task[GatewayError | None], loser: Exchange) -> None:
        """Stop the other call at once, so that the provider stops generating, and note what it may bill."""
        error = task.result() if task.done() else None
        self._drop(loser, error.kind.value if error is not None else LOST)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})

    def _drop(self, loser: Exchange, error: str) -> None:
        if loser.reply is not None:
            loser.reply.abort()
        note_attempt(loser, error, self._clock.now_ns())

    async def _both_failed(
        self, exchange: Exchange, running: dict[asyncio.Task[GatewayError | None], Exchange]
    ) -> GatewayError | None:
        """Nobody answered: the first's failure is noted, the second's is the one that is told."""
        (first, _), (second, rival) = running.items()
        error = await first
        if exchange.reply is not None:
            exchange.reply.abort()
        if error is not None:
            note_attempt(exchange, error.kind.value, self._clock.now_ns())
        exchange.adopt(rival)
        return await second


async def _as_coroutine(attempt: Awaitable[GatewayError | None]) -> GatewayError | None:
    return await attempt
