"""The only door to task spawning: a task is held, its failure is reported, and shutdown can wait for all of them.

`asyncio.create_task` alone keeps only a weak reference and drops exceptions on the floor.
https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


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


def start_owned(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Start a task whose owner keeps it and which lets no exception out: the task of one request.

    A `TaskSet` costs a done-callback, which is 1 µs a request; the owner (a connection) holds the reference anyway.
    """
    return loop.create_task(coroutine)
