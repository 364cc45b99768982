"""A slot for a worker: started, told everything, restarted, drained."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from tests.app.conftest import until
from tests.app.test_worker import start_of

from weighbridge.app import listeners
from weighbridge.app.ledger_keeper import LanesTakenError
from weighbridge.app.worker_process import WorkerProcess
from weighbridge.control.channel import Pulse, Ready
from weighbridge.core.clock import SystemClock, new_id

pytestmark = pytest.mark.slow  # processes start and end


def slot(directory) -> tuple[WorkerProcess, list]:
    heard: list = []
    sockets = listeners.bind("127.0.0.1", 0)
    worker = WorkerProcess(
        sockets,
        lambda: start_of(directory, new_id("j")),
        lambda worker, message: heard.append(message),
        heard.append,
        SystemClock(),
    )
    return worker, heard


def ready(heard: list) -> int:
    return sum(isinstance(message, Ready) for message in heard)


async def test_a_worker_is_kept_running_until_it_is_drained(capsys, tmp_path) -> None:
    worker, heard = slot(tmp_path)
    task = asyncio.create_task(worker.keep_running())
    await until(lambda: ready(heard) == 1)
    first = worker.pid
    for so_far in (1, 3):
        worker.saw(Pulse(0, 0, 0, shared_limits_are_away=True, n_unknown_limits=so_far))
    os.kill(first, signal.SIGKILL)
    await until(lambda: ready(heard) == 2)
    assert not worker.limits_are_away
    worker.saw(Pulse(0, 0, 0, n_unknown_limits=2))
    assert worker.n_unknown_limits == 5  # of all its lives
    assert worker.pid not in (None, first)
    assert worker.restarts == 1
    await worker.drain(5)
    await task
    assert worker.is_stopping()
    assert worker.pid is None
    assert worker.restarts == 1


async def test_a_worker_that_does_not_leave_in_time_is_killed(capsys, tmp_path) -> None:
    worker, heard = slot(tmp_path)
    task = asyncio.create_task(worker.keep_running())
    await until(lambda: ready(heard) == 1)
    os.kill(worker.pid, signal.SIGSTOP)
    await worker.drain(0)
    await task
    assert worker.pid is None


async def test_a_slot_that_is_drained_before_it_began_starts_nothing(tmp_path) -> None:
    worker, heard = slot(tmp_path)
    await worker.drain(1)
    await worker.keep_running()
    assert heard == []
    assert worker.pid is None


async def test_a_worker_starts_as_soon_as_there_is_a_lane_for_it(capsys, tmp_path) -> None:
    heard: list = []
    attempts = 0

    def make_start():
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise LanesTakenError
        return start_of(tmp_path, new_id("j"))

    sockets = listeners.bind("127.0.0.1", 0)
    worker = WorkerProcess(sockets, make_start, lambda _, message: heard.append(message), heard.append, SystemClock())
    task = asyncio.create_task(worker.keep_running())
    await until(lambda: ready(heard) == 1)
    assert attempts == 3
    await worker.drain(5)
    await task
    assert "before the journals" in capsys.readouterr().err
