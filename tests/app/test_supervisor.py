"""The parent process with real workers: it serves, reloads, restarts, revokes, and leaves in order."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from tests.app.conftest import CONFIG, Running, ask, until

pytestmark = pytest.mark.slow  # processes start and end


async def test_a_request_is_served_and_its_account_reaches_the_log(running: Running, key: str, tmp_path) -> None:
    assert (await ask(running.port, key)).status == 200
    await until(lambda: running.supervisor.records.recent(1))
    record = running.supervisor.records.recent(1)[0]
    assert (record.status, record.requested_model) == (200, "demo/echo")
    assert record.request_id in (tmp_path / "access.log").read_text()


async def test_an_unknown_key_is_refused_and_one_made_a_moment_ago_is_served(running: Running, store, key: str) -> None:
    assert (await ask(running.port, "wb-" + "x" * 43)).status == 401
    assert (await ask(running.port, key)).status == 200


async def test_a_revoked_key_is_refused_soon_without_a_restart(running: Running, store, key: str) -> None:
    assert (await ask(running.port, key)).status == 200
    store.revoke_key("tests")
    async with asyncio.timeout(10):
        while (await ask(running.port, key)).status != 401:
            pass  # the workers hear of it after the supervisor


async def test_a_dead_worker_is_replaced(running: Running, key: str, capsys) -> None:
    worker = running.supervisor.workers[0]
    first = worker.pid
    os.kill(first, signal.SIGKILL)
    await until(lambda: worker.restarts == 1 and worker.state == "ready")
    assert worker.pid != first
    assert (await ask(running.port, key)).status == 200
    assert "A worker ended with status -9" in capsys.readouterr().err


async def test_a_good_reload_reaches_the_workers_and_a_bad_one_changes_nothing(running: Running, config_file, capsys) -> None:
    supervisor = running.supervisor
    config_file.write_text(CONFIG + "routes: {echo: {targets: [nobody/echo]}}\nnonsense: 1\n")
    error = await supervisor.reload()
    assert error is not None
    assert supervisor.version == 1
    assert supervisor.last_failure is not None
    config_file.write_text(CONFIG.replace("drain_timeout: 5s", "drain_timeout: 6s"))
    assert await supervisor.reload() is None
    assert supervisor.last_failure is None
    await until(lambda: supervisor.workers[0].version == supervisor.version > 1)


async def test_settings_that_need_a_restart_are_named(running: Running, config_file, capsys) -> None:
    config_file.write_text(CONFIG.replace("workers: 1", "workers: 2"))
    assert await running.supervisor.reload() is None
    assert "server.workers" in capsys.readouterr().err


async def test_sigterm_ends_it_and_its_workers(running: Running) -> None:
    pid = running.supervisor.workers[0].pid
    await running.stop()
    await until(lambda: not _is_alive(pid))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
