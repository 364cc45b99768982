from __future__ import annotations

import asyncio
import gc

from weighbridge.core.tasks import TaskSet, start_owned


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


async def test_owned_task_runs():
    done = []

    async def work():
        done.append(1)

    await start_owned(asyncio.get_running_loop(), work())
    assert done == [1]
