"""Time that jumps: an event loop that never waits, and the clock that reads it.

Whenever nothing is left to do at an instant, the loop moves on to its next timer. An hour of waiting takes as long as the
work in it, and the order of events depends on nothing but the program, so that a run repeats exactly.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, Final, TypeVar

from weighbridge.core.clock import NS_PER_S

T = TypeVar("T")
_START_NS: Final = NS_PER_S
"""Not zero: for the engine a reading of 0 means "not yet"."""

_WALL_START_NS: Final = 1_800_000_000 * NS_PER_S
"""Unix time at the start of every run: 15 January 2027. Fixed, since a run has to repeat."""


class StalledError(RuntimeError):
    """Every task waits for another, and no timer is set: in real time the program would hang for ever."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop in virtual time. It has no sockets; threads can't wake it.

    Raises `StalledError` out of whatever runs it when nothing can ever happen again.
    """

    def __init__(self) -> None:
        self.now_ns = _START_NS
        super().__init__(_NeverWaits(self))
        # A timer is due when it is reached, and not the operating system's clock resolution before.
        self._clock_resolution = 1 / NS_PER_S

    def time(self) -> float:
        """Virtual seconds."""
        return self.now_ns / NS_PER_S

    @property
    def timers(self) -> list[asyncio.TimerHandle]:
        """Timers that are set: what a run that has cleaned up does not have."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]  # asyncio has no public way
        return [timer for timer in scheduled if not timer.cancelled()]


class _NeverWaits(selectors.BaseSelector):
    """A selector on which nothing is ever ready: waiting on it is moving the time."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop
        self._keys: dict[object, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Asyncio registers the pipe by which threads would wake it."""
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, fileobj, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """See `register`."""
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Move the time to the next timer."""
        if timeout is None:
            raise StalledError("every task waits, and no timer is set")
        self._loop.now_ns += math.ceil(timeout * NS_PER_S)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """What is registered."""
        return self._keys


class VirtualClock:
    """`core.ports.Clock` of a loop in virtual time."""

    __slots__ = ("_loop",)

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop

    def now_ns(self) -> int:
        """Nanoseconds of the loop's time."""
        return self._loop.now_ns

    def wall_ns(self) -> int:
        """A date that is the same in every run."""
        return _WALL_START_NS + self._loop.now_ns - _START_NS


def run_virtual(main: Coroutine[Any, Any, T], loop: VirtualTimeLoop) -> T:
    """Run a coroutine to its end as `asyncio.run` does, on the given loop, which is closed afterwards.

    Tasks that are left are cancelled.
    """
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main)
