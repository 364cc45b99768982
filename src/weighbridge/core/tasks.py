"""The only door to task spawning: a task is held, its failure is reported, and shutdown can wait for all of them.

`asyncio.create_task` alone keeps only a weak reference and drops exceptions on the floor.
https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task
"""

from __future__ import annotations

import asyncio
import contextlib
import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, Generic, TypeVar

S = TypeVar("S")


class TaskSet:
    """Running tasks of one owner.

    `on_failure` is called with the exception of a task that died; cancellation is no failure. This is one of the three
    places where a blanket exception is taken: whatever a task raises ends here instead of vanishing.
    """

    __slots__ = ("_on_failure", "_tasks")

    def __init__(self, on_failure: Callable[[BaseException], None]) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._on_failure = on_failure

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task on the running loop and keep it until it ends."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_failure(error)

    async def cancel_all(self) -> None:
        """Cancel what still runs and wait until it is gone."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def to_its_end(doing: Coroutine[Any, Any, S]) -> S:
    """What this comes to. Who is cancelled while they wait for it are so when it has ended, however often they are.

    For what goes on anyway, such as a thread: whoever comes next may not begin while it does.
    """
    task = asyncio.get_running_loop().create_task(doing)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        raise


class Signal:
    """Something that happens once and that one coroutine waits for (`await signal`), perhaps with an error for it.

    A future wakes its waiter through the event loop's queue, which costs a turn of the loop; a signal goes on with a `Drive`
    in the very call that sets it. Tasks may wait for it too: it has what asyncio asks of a future, and wakes them as one does.
    """

    __slots__ = ("_asyncio_future_blocking", "error", "is_set", "on_set")

    def __init__(self) -> None:
        self.is_set = False
        self.error: BaseException | None = None
        """For who waits; gone once raised, since an exception holds the frames that it passed through."""
        self.on_set: Callable[[], object] | None = None
        """Who waits: called by the call that sets the signal."""
        self._asyncio_future_blocking = False

    def __await__(self) -> Generator[Any, None, None]:
        if not self.is_set:
            self._asyncio_future_blocking = True
            yield self
        if self.error is not None:
            error, self.error = self.error, None
            try:
                raise error
            finally:
                del error  # which holds this frame

    def set(self, error: BaseException | None = None) -> None:
        """It has happened; who waits goes on, or gets the error. A second time changes nothing."""
        if self.is_set:
            return
        self.is_set = True
        self.error = error
        on_set = self.on_set
        if on_set is not None:
            self.on_set = None
            on_set()

    # --- what asyncio asks of something that a task waits for -------------------------------------------------------

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the task that waits."""
        return asyncio.get_running_loop()

    def add_done_callback(self, callback: Callable[[Signal], object], *, context: Context | None = None) -> None:
        """Have the task woken as by a future: in its own turn of the loop."""
        loop = asyncio.get_running_loop()
        self.on_set = lambda: loop.call_soon(callback, self, context=context)

    def result(self) -> None:
        """Nothing: an error is raised where the signal is awaited."""

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002 - asyncio passes it on, nobody here gives one
        """The task that waits is cancelled."""
        if self.is_set:
            return False
        self.set(asyncio.CancelledError())
        return True


class Drive(Generic[S]):
    """A coroutine that runs without a task for as long as it waits for nothing but signals: the handling of one request.

    Its first step is taken at once, in the call of `start`, and each further one in the call that sets its signal. A task
    took a turn of the event loop to begin with and another for each wait: some 10 µs a request, more than anything else did.
    When the coroutine waits for something else (a future, a sleep, see `on_a_task`), it goes on as a task from there.

    `ended` is called once, with the subject of the drive and the exception that the coroutine raised or None: whatever it raises
    ends there.
    """

    __slots__ = ("__weakref__", "_coroutine", "_ended", "_is_cancelled", "_loop", "_signal", "_subject", "_task")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, None],
        subject: S,
        ended: Callable[[S, BaseException | None], None],
    ) -> None:
        self._loop = loop
        self._coroutine = coroutine
        self._subject = subject
        self._ended = ended
        self._signal: Signal | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_cancelled = False

    def start(self) -> None:
        """Take the next step. Called once from outside, then by signals."""
        try:
            awaited = self._coroutine.send(None)
        except StopIteration:
            self._ended(self._subject, None)
        except BaseException as error:
            self._ended(self._subject, error)
        else:
            if awaited.__class__ is Signal and not self._is_cancelled:
                self._signal = awaited
                awaited.on_set = self.start
            else:
                self._wait_otherwise(awaited)

    def cancel(self) -> None:
        """Raise `CancelledError` in the coroutine where it waits, in the loop's next turn as a task does."""
        if self._task is not None:
            self._task.cancel()
            return
        signal = self._signal
        if not self._is_cancelled and signal is not None and not signal.is_set:
            signal.on_set = None
            self._go_on_as_task(signal).cancel()
        self._is_cancelled = True  # a coroutine that runs right now gets it where it waits next

    def _wait_otherwise(self, awaited: object) -> None:
        task = self._go_on_as_task(awaited)
        if self._is_cancelled:
            task.cancel()

    def _go_on_as_task(self, awaited: object) -> asyncio.Task[None]:
        task = self._task = self._loop.create_task(_Rest(self._coroutine, awaited))
        task.add_done_callback(self._task_ended)
        return task

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._ended(self._subject, asyncio.CancelledError() if task.cancelled() else task.exception())


class _Rest(Coroutine[Any, Any, None]):
    """A coroutine that waits for something already, as a coroutine that a task can run from there on."""

    __slots__ = ("_awaited", "_coroutine", "_has_begun")

    def __init__(self, coroutine: Coroutine[Any, Any, None], awaited: object) -> None:
        self._coroutine = coroutine
        self._awaited = awaited
        self._has_begun = False

    def __await__(self) -> Generator[Any, Any, None]:
        raise NotImplementedError("only a task runs this")

    def send(self, value: Any) -> Any:
        """The first step is what the coroutine waits for already."""
        if self._has_begun:
            return self._coroutine.send(value)
        self._has_begun = True
        awaited, self._awaited = self._awaited, None
        return awaited

    def throw(self, *error: Any) -> Any:
        """A cancellation, which may come before the first step too."""
        self._has_begun = True
        try:
            return self._coroutine.throw(*error)
        finally:
            del error  # which comes to hold this frame

    def close(self) -> None:
        """The loop was closed."""
        self._coroutine.close()


@types.coroutine
def on_a_task() -> Generator[None, None, None]:
    """What follows may use what needs a task of its own, such as `asyncio.timeout`: a `Drive` goes on as a task here."""
    yield
