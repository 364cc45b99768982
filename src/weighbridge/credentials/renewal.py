"""Something that expires (a token, temporary keys): kept, and fetched anew before its time, in a thread, so that no request waits.

Only the first request ever, or one after a long outage of the token's source, waits, and within a bound. Failures are remembered
for some seconds, so that a broken source is not asked by every request. The clouds' libraries block and raise what they like: this
is one of the three places where a blanket exception is taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Clock
from weighbridge.wire.provider_error_bodies import scrubbed

T = TypeVar("T")

FIRST_USE_WAIT_S: Final = 10.0
"""How long a request waits for the first token: a metadata server answers in milliseconds, a token endpoint within a second."""
_EARLY_NS: Final = 300 * NS_PER_S
"""How long before its end a token is replaced; a fifth of its life if that is shorter. Google's and Azure's libraries and metadata
servers hand out another one from about then."""
_TOO_LATE_NS: Final = 15 * NS_PER_S
"""How long before its end a token is not used any more: clocks differ, and a request takes its time."""
_PAUSE_NS: Final = 30 * NS_PER_S
"""Between two renewals that succeeded: some sources give the same token again until shortly before its end."""
_MAX_BACKOFF_NS: Final = 60 * NS_PER_S
_STUCK_NS: Final = 120 * NS_PER_S
"""A fetch that takes longer than any library's timeouts is given up, and another one begun."""
_MAX_DETAIL_CHARS: Final = 400


class Fresh(NamedTuple, Generic[T]):
    """What was fetched, and until when it is good in Unix nanoseconds; None: until somebody refuses it."""

    value: T
    expires_wall_ns: int | None


class Renewal(Generic[T]):
    """The present value and its renewal. `fetch` may block: it runs in a thread, one call at a time. `what` is named in errors."""

    def __init__(self, fetch: Callable[[], Fresh[T]], *, clock: Clock, what: str, wait_s: float = FIRST_USE_WAIT_S) -> None:
        self._fetch = fetch
        self._clock = clock
        self._what = what
        self._wait_s = wait_s
        self._value: T | None = None
        self._expires_wall_ns: int | None = None
        self._due_wall_ns: int | None = None
        self._fetched_ns = 0
        self._is_refused = False
        self._running: asyncio.Future[None] | None = None
        self._begun_ns = 0
        self._n_failures = 0
        self._retry_ns = 0
        self._failure: tuple[str, str] | None = None

    @property
    def current(self) -> T | None:
        """The value, if it may be used."""
        return self._value if self.ready() else None

    @property
    def problem(self) -> str:
        """Why the last fetch failed, for operators; empty if it did not."""
        return self._failure[1] if self._failure is not None else ""

    def ready(self) -> bool:
        """Whether the value may be used now."""
        if self._value is None or self._is_refused:
            return False
        return self._expires_wall_ns is None or self._clock.wall_ns() < self._expires_wall_ns - _TOO_LATE_NS

    def is_due(self) -> bool:
        """Whether it is time for `start`: never fetched, refused or soon to expire, and no failure a moment ago."""
        if self._clock.now_ns() < self._retry_ns:
            return False
        if self._value is None or self._is_refused:
            return True
        return self._due_wall_ns is not None and self._clock.wall_ns() >= self._due_wall_ns

    def invalidate(self) -> None:
        """The value was refused. One that was fetched a moment ago stays: fetching another would not help."""
        if self._clock.now_ns() - self._fetched_ns >= _PAUSE_NS:
            self._is_refused = True

    def start(self) -> asyncio.Future[None]:
        """Begin a fetch unless one is under way; the future is done when it has ended, well or not. Called on the event loop."""
        now_ns = self._clock.now_ns()
        if self._running is not None and now_ns - self._begun_ns < _STUCK_NS:
            return self._running
        loop = asyncio.get_running_loop()
        running = self._running = loop.create_future()
        self._begun_ns = now_ns
        # A daemon: a library that hangs must not hold up the end of the process.
        threading.Thread(target=self._fetch_in_thread, args=(loop, running), name=f"credentials-{self._what}", daemon=True).start()
        return running

    async def renew(self) -> T:
        """The value, fetched if it is not there. Raises `GatewayError` PROVIDER_AUTHENTICATION, PROVIDER_TIMEOUT."""
        value = self.current
        if value is None and (self._running is not None or self.is_due()):
            running = self.start()
            await asyncio.wait({running}, timeout=self._wait_s)
            value = self.current
            if value is None and not running.done():
                raise GatewayError(
                    ErrorKind.PROVIDER_TIMEOUT,
                    "The gateway could not sign in at the provider in time.",
                    detail=f"{self._what} credentials: nothing within {self._wait_s:g} s",
                )
        if value is None:
            raise self.failure()
        return value

    def failure(self) -> GatewayError:
        """Why there is no value: a new exception each time, since one that is raised holds the frames that it passed."""
        public, detail = self._failure or (
            "The gateway has no valid credentials for the provider.",
            f"{self._what} credentials: none yet",
        )
        # The provider was not even asked: not its 401.
        return GatewayError(ErrorKind.PROVIDER_AUTHENTICATION, public, detail=detail, status=502)

    def _fetch_in_thread(self, loop: asyncio.AbstractEventLoop, running: asyncio.Future[None]) -> None:
        outcome: Fresh[T] | BaseException
        try:
            outcome = self._fetch()
        except BaseException as error:  # noqa: BLE001 - the rim of third-party code
            outcome = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(self._deliver, running, outcome)

    def _deliver(self, running: asyncio.Future[None], outcome: Fresh[T] | BaseException) -> None:
        if running is self._running:  # else it was given up
            self._running = None
            if isinstance(outcome, Fresh):
                self._take(outcome)
            else:
                self._note_failure(outcome)
        if not running.done():
            running.set_result(None)

    def _take(self, fresh: Fresh[T]) -> None:
        now = self._clock.wall_ns()
        self._value, self._expires_wall_ns = fresh
        self._fetched_ns = self._clock.now_ns()
        self._is_refused = False
        self._failure = None
        self._n_failures = 0
        self._due_wall_ns = None
        if fresh.expires_wall_ns is not None:
            early = min(_EARLY_NS, max(0, fresh.expires_wall_ns - now) // 5)
            self._due_wall_ns = max(fresh.expires_wall_ns - early, now + _PAUSE_NS)

    def _note_failure(self, error: BaseException) -> None:
        self._n_failures += 1
        self._retry_ns = self._clock.now_ns() + min(NS_PER_S << min(self._n_failures, 16), _MAX_BACKOFF_NS)
        if isinstance(error, GatewayError):
            self._failure = (error.public, error.detail)
            return
        detail = f"{self._what} credentials: {type(error).__name__}: {scrubbed(str(error))}"
        self._failure = ("The gateway could not sign in at the provider.", detail[:_MAX_DETAIL_CHARS])
