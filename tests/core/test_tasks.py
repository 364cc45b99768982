from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref

import pytest

from weighbridge.core.tasks import Drive, Signal, TaskSet, on_a_task, to_its_end


async def test_task_is_kept_until_it_ends():
    failures = []
    tasks = TaskSet(failures.append)
    gate = asyncio.Event()
    task = tasks.spawn(gate.wait())
    await asyncio.sleep(0)
    gc.collect()
    assert len(tasks) == 1
    gate.set()
    await task
    await asyncio.sleep(0)
    assert (len(tasks), failures) == (0, [])


async def test_failure_is_reported_and_not_lost():
    failures = []
    tasks = TaskSet(failures.append)
    error = ValueError("x")

    async def fails():
        raise error

    await asyncio.wait([tasks.spawn(fails())])
    await asyncio.sleep(0)
    assert failures == [error]
    assert len(tasks) == 0


async def test_cancellation_is_no_failure():
    failures = []
    tasks = TaskSet(failures.append)
    spawned = [tasks.spawn(asyncio.Event().wait()) for _ in range(3)]
    await asyncio.sleep(0)
    await tasks.cancel_all()
    assert all(task.cancelled() for task in spawned)
    assert (len(tasks), failures) == (0, [])


async def test_cancelling_waits_for_what_tasks_do_last_and_reports_what_fails_then():
    failures = []
    tasks = TaskSet(failures.append)
    done = []

    async def tidies_up(error):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            done.append(error)
            if error is not None:
                raise error

    error = RuntimeError("x")
    for outcome in (None, error):
        tasks.spawn(tidies_up(outcome))
    await asyncio.sleep(0)
    await tasks.cancel_all()
    await asyncio.sleep(0)
    assert set(done) == {None, error}
    assert failures == [error]


async def test_cancelling_nothing_is_fine():
    await TaskSet(lambda error: None).cancel_all()


# --- signals and drives


class Driven:
    """A drive, and how its coroutine ended."""

    def __init__(self, coroutine):
        self.outcomes = []
        self.drive = Drive(asyncio.get_running_loop(), coroutine, self.outcomes, list.append)
        self.cancel = self.drive.cancel


def drive(coroutine):
    driven = Driven(coroutine)
    driven.drive.start()
    return driven


async def test_drive_goes_on_in_the_calls_that_start_it_and_set_its_signals():
    first, second, steps = Signal(), Signal(), []

    async def work():
        steps.append("begun")
        await first
        steps.append("first")
        await second
        steps.append("second")

    driven = drive(work())
    assert steps == ["begun"]
    first.set()
    assert (steps, driven.outcomes) == (["begun", "first"], [])
    second.set()
    assert (steps, driven.outcomes) == (["begun", "first", "second"], [None])
    second.set(ValueError("too late"))
    assert driven.outcomes == [None]


async def test_signal_that_is_set_already_is_not_waited_for():
    signal = Signal()
    signal.set()

    async def work():
        await signal

    assert drive(work()).outcomes == [None]


async def test_error_of_a_signal_is_raised_where_it_is_awaited_and_ends_with_the_drive():
    early, late, error = Signal(), Signal(), ValueError("x")

    async def work(signal):
        await signal

    early.set(error)
    assert drive(work(early)).outcomes == [error]
    driven = drive(work(late))
    late.set(error)
    assert driven.outcomes == [error]
    assert late.error is None


async def test_drive_that_waits_for_something_else_goes_on_as_a_task():
    signal, seen = Signal(), []

    async def work():
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await asyncio.sleep(0)
        seen.append(asyncio.current_task())
        await signal
        seen.append("set")
        with contextlib.suppress(ValueError):
            await asyncio.gather(fails())
        raise KeyError("y")

    async def fails():
        raise ValueError("x")

    driven = drive(work())
    for _ in range(5):
        await asyncio.sleep(0)
    assert isinstance(seen[-1], asyncio.Task)
    signal.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert seen[-1] == "set"
    assert [type(error) for error in driven.outcomes] == [KeyError]


async def test_on_a_task_gives_what_follows_a_task_of_its_own():
    tasks = []

    async def work():
        await on_a_task()
        async with asyncio.timeout(5):
            tasks.append(asyncio.current_task())

    driven = drive(work())
    for _ in range(3):
        await asyncio.sleep(0)
    assert driven.outcomes == [None]
    assert isinstance(tasks[0], asyncio.Task)
    assert tasks[0] is not asyncio.current_task()


WAITS = {
    "a signal": Signal,
    "a future": lambda: asyncio.get_running_loop().create_future(),
    "a signal, on a task": lambda: after_a_hop(Signal()),
}


async def after_a_hop(signal):
    await on_a_task()
    await signal


@pytest.mark.parametrize("waits", WAITS)
@pytest.mark.parametrize("n_turns", [0, 1, 3])
async def test_cancelled_drive_is_told_where_it_waits_and_may_still_tidy_up(waits, n_turns):
    seen = []

    async def work():
        try:
            await WAITS[waits]()
        except asyncio.CancelledError:
            seen.append("cancelled")
            await asyncio.sleep(0)
            seen.append("tidied")
            raise

    driven = drive(work())
    for _ in range(n_turns):
        await asyncio.sleep(0)
    driven.cancel()
    assert seen == []  # never in the very call that cancels
    for _ in range(5):
        await asyncio.sleep(0)
    assert seen == ["cancelled", "tidied"]
    assert [type(error) for error in driven.outcomes] == [asyncio.CancelledError]


async def test_drive_cancelled_while_it_runs_is_told_where_it_waits_next():
    first, second = Signal(), Signal()

    async def work():
        await first
        driven.cancel()
        await second

    driven = drive(work())
    first.set()
    assert driven.outcomes == []
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [type(error) for error in driven.outcomes] == [asyncio.CancelledError]


async def test_cancelling_beats_a_signal_that_is_set_in_the_same_turn():
    signal, seen = Signal(), []

    async def work():
        await signal
        seen.append("went on")

    driven = drive(work())
    driven.cancel()
    signal.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert seen == []
    assert [type(error) for error in driven.outcomes] == [asyncio.CancelledError]


async def test_cancelling_twice_cancels_once():
    n_told = []

    async def work():
        for _ in range(2):
            try:
                await Signal()
            except asyncio.CancelledError:
                n_told.append(1)
                return

    driven = drive(work())
    driven.cancel()
    driven.cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    assert (len(n_told), driven.outcomes) == (1, [None])


async def test_what_goes_on_to_its_end_gives_its_result_or_raises():
    async def work(result):
        await asyncio.sleep(0)
        if result is None:
            raise ValueError("x")
        return result

    assert await to_its_end(work(5)) == 5
    with pytest.raises(ValueError, match="x"):
        await to_its_end(work(None))


@pytest.mark.parametrize("fails", [False, True])
async def test_who_is_cancelled_while_something_goes_on_to_its_end_is_so_when_it_has_ended(fails):
    may_end = asyncio.Event()
    ended = []

    async def work():
        await may_end.wait()
        ended.append(True)
        if fails:
            raise ValueError("x")

    waiting = asyncio.create_task(to_its_end(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        waiting.cancel()
    assert not waiting.done()
    may_end.set()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert ended == [True]


async def test_task_waits_for_a_signal_as_for_a_future():
    signal, other = Signal(), Signal()

    async def work(awaited):
        await awaited
        return "done"

    tasks = [asyncio.ensure_future(work(s)) for s in (signal, other)]
    await asyncio.sleep(0)
    signal.set()
    other.set(ValueError("x"))
    assert not tasks[0].done()
    await asyncio.wait(tasks)
    assert tasks[0].result() == "done"
    assert isinstance(tasks[1].exception(), ValueError)


async def test_finished_drive_leaves_nothing_to_the_garbage_collector():
    signal = Signal()

    async def work():
        await signal

    driven = drive(work())
    gone = weakref.ref(driven.drive)
    signal.set()
    gc.disable()
    try:
        del driven
        assert gone() is None
    finally:
        gc.enable()
