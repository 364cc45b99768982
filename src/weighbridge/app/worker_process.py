"""One data-plane process as its supervisor sees it: started, watched, restarted with backoff, drained."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from typing import Final

import msgspec

from weighbridge.app.ledger_keeper import LanesTakenError
from weighbridge.app.listeners import close
from weighbridge.control.channel import Channel, Drain, FromWorker, Pulse, Start
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.ports import Clock

FIRST_DELAY_S: Final = 0.1
MAX_DELAY_S: Final = 10.0
NO_LANE: Final = -1000
"""In place of an exit status: the worker was not started, since every lane of the counters is still somebody's."""
STEADY_NS: Final = 30 * NS_PER_S
"""A worker that lived this long has not failed at its start: the backoff begins anew."""
KILL_GRACE_S: Final = 3.0
"""After the drain's time a worker still settles and flushes; then it is killed."""


class WorkerProcess:
    """A slot for one worker. `on_message(slot, message)` gets what it says."""

    def __init__(
        self,
        sockets: list[socket.socket],
        make_start: Callable[[], Start],
        on_message: Callable[[WorkerProcess, FromWorker], None],
        on_end: Callable[[str], None],
        clock: Clock,
    ) -> None:
        """`on_end` gets the journal of a worker that is gone."""
        self.state = "starting"
        self.restarts = 0
        self.n_connections = 0
        self.n_in_flight = 0
        self.limits_are_away = False
        self.n_unknown_limits = 0
        """Requests that had no answer of limits that hosts share, of all workers in this slot."""
        self._n_unknown_before = 0
        self.version = 0
        self._sockets = sockets
        self._make_start = make_start
        self._on_message = on_message
        self._on_end = on_end
        self._clock = clock
        self._process: Process | None = None
        self._channel: Channel[FromWorker] | None = None
        self._is_stopping = False

    def is_stopping(self) -> bool:
        """Whether the worker was told to leave, so that its end is no failure."""
        return self._is_stopping

    @property
    def pid(self) -> int | None:
        """The process, if one runs."""
        return self._process.pid if self._process is not None else None

    async def keep_running(self) -> None:
        """Run a worker, and another whenever it dies, until `drain`."""
        delay_s = FIRST_DELAY_S
        while not self.is_stopping():
            begun_ns = self._clock.now_ns()
            status = await self._run_once()
            if self.is_stopping():
                break
            self.state = "down"
            self.restarts += 1
            if self._clock.now_ns() - begun_ns >= STEADY_NS:
                delay_s = FIRST_DELAY_S
            sys.stderr.write(f"A worker ended with status {status}; another starts in {delay_s:g} s.\n")
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, MAX_DELAY_S)

    async def _run_once(self) -> int:
        self.state = "starting"
        try:
            start = self._make_start()
        except LanesTakenError:
            # The journals of those before cannot be moved yet (the store is away): wait as after any failed start.
            sys.stderr.write("No worker can start before the journals of those that have ended are in the store.\n")
            return NO_LANE
        try:
            return await self._run(start)
        finally:
            self._on_end(start.ledger.journal_id)

    async def _run(self, start: Start) -> int:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        fds = [each.fileno() for each in self._sockets]
        try:
            # A session of its own: a terminal's Ctrl-C is for the supervisor, which then drains.
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-O",  # without asserts, which narrow types for the checker: 2 % of a request
                "-m",
                "weighbridge.app.worker",
                ",".join(map(str, fds)),
                str(theirs.fileno()),
                pass_fds=(*fds, theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            theirs.close()
        channel: Channel[FromWorker] = Channel(FromWorker, lambda message: self._on_message(self, message), lambda: None)
        self._channel = channel
        await loop.create_connection(lambda: channel, sock=ours)
        channel.send(start)
        status = await process.wait()
        channel.close()
        self._channel = None
        self._process = None
        self.n_connections = self.n_in_flight = self._n_unknown_before = 0
        self.limits_are_away = False
        return status

    def saw(self, pulse: Pulse) -> None:
        """How the worker is."""
        self.n_connections, self.n_in_flight = pulse.n_connections, pulse.n_in_flight
        self.limits_are_away = pulse.shared_limits_are_away
        self.n_unknown_limits += max(0, pulse.n_unknown_limits - self._n_unknown_before)
        self._n_unknown_before = pulse.n_unknown_limits

    def send(self, message: msgspec.Struct) -> None:
        """Tell the worker something; a worker that is down is told everything at its start."""
        if self._channel is not None:
            self._channel.send(message)

    async def drain(self, timeout_s: float) -> None:
        """Let the worker finish and leave; kill it when its time is over."""
        self._is_stopping = True
        self.state = "draining"
        close(self._sockets)
        process = self._process
        if process is None:
            return
        self.send(Drain(timeout_s))
        try:
            async with asyncio.timeout(timeout_s + KILL_GRACE_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
