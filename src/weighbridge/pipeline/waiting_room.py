"""Where requests wait for a place, for a short time and in a fair order, before they are told that there is none."""

from __future__ import annotations

from asyncio import get_running_loop
from typing import Final

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.tasks import Signal
from weighbridge.pipeline.exchange import Exchange
from weighbridge.routing.queue import FairQueue

_RETRY_SOON_NS: Final = NS_PER_S
"""What a client is told to wait when there was no place: the load of one second is gone by then."""


class WaitingRoom:
    """Places of one kind: in the worker, at a target, of a provider's keys. Whoever frees a place calls `wake`."""

    def __init__(self, public: str) -> None:
        self._public = public
        """What a caller is told who waited in vain."""
        self._queue: FairQueue[Signal] = FairQueue()

    def __len__(self) -> int:
        return len(self._queue)

    async def wait(self, exchange: Exchange) -> None:
        """Wait for a place to become free. Raises `GatewayError` GATEWAY_OVERLOADED when too many wait, or for too long."""
        limits = exchange.snapshot.limits
        if len(self._queue) >= limits.max_queue or not limits.queue_timeout_ns:
            raise self._full()
        key = exchange.key
        place = (key.priority if key is not None else 0, exchange.key_id)
        signal = Signal()
        self._queue.offer(*place, signal)
        timer = get_running_loop().call_later(limits.queue_timeout_ns / NS_PER_S, signal.set, self._full())
        try:
            await signal
        except BaseException:
            if not self._queue.remove(*place, signal) and not isinstance(signal.error, GatewayError):
                self.wake()  # it was its turn at that very moment: the place is passed on
            raise
        finally:
            timer.cancel()

    def wake(self) -> None:
        """A place is free: who is next may try."""
        while (signal := self._queue.take()) is not None:
            if not signal.is_set:
                signal.set()
                return

    def _full(self) -> GatewayError:
        return GatewayError(ErrorKind.GATEWAY_OVERLOADED, self._public, retry_after_ns=_RETRY_SOON_NS)
