"""A supervisor over a real store and real workers, stopped by the signal that an operator would send."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from weighbridge.app.supervisor import Supervisor
from weighbridge.auth.virtual_keys import mint_key
from weighbridge.config.load import load_config
from weighbridge.core.clock import SystemClock
from weighbridge.storage.engine import sqlite_url
from weighbridge.storage.store import Store
from weighbridge.storage.stored_keys import NewKey

CONFIG = """
server: {port: 0, workers: 1, drain_timeout: 5s}
access_log: {format: json, path: access.log}
providers:
  demo: {}
"""


@dataclass
class Answer:
    status: int
    body: bytes


async def ask(port: int, key: str, *, path: str = "/v1/chat/completions", model: str = "demo/echo") -> Answer:
    """One request on a connection of its own."""
    body = b'{"model":"%b","messages":[{"role":"user","content":"Hello"}]}' % model.encode()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.encode() + b"\r\n" + body)
    data = await reader.read()
    writer.close()
    return Answer(int(data.split(b" ", 2)[1]), data)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(sqlite_url(tmp_path), SystemClock())) as opened:
        opened.migrate()
        yield opened


@pytest.fixture
def key(store: Store) -> str:
    minted = mint_key()
    store.create_key(NewKey(name="tests", digest=minted.digest, hint=minted.hint))
    return minted.secret.reveal()


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "weighbridge.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def make_supervisor(store: Store, config_file: Path):
    made: list[Supervisor] = []

    def make(on_ready=lambda port: None) -> Supervisor:
        def load():
            return load_config(config_file, environ={})

        made.append(Supervisor(load(), load, store, config_file.parent, on_ready))
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.records.close()


@dataclass
class Running:
    supervisor: Supervisor
    port: int
    task: asyncio.Task[None]

    async def stop(self) -> None:
        if not self.task.done():
            os.kill(os.getpid(), signal.SIGTERM)
        await self.task


@pytest.fixture
async def running(make_supervisor) -> AsyncIterator[Running]:
    """A gateway that serves."""
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    supervisor = make_supervisor(ready.set_result)
    task = asyncio.create_task(supervisor.run())
    await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    running = Running(supervisor, ready.result(), task)
    yield running
    await running.stop()


async def until(condition, timeout_s: float = 20) -> None:
    """Wait for what another process brings about."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.02)
