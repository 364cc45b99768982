"""A worker process, spoken to as its supervisor does."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from tests.app.conftest import ask, until

from weighbridge.app import listeners
from weighbridge.auth.virtual_keys import KeysDelta, digest_of
from weighbridge.control.channel import (
    Applied,
    Channel,
    Drain,
    FindKey,
    FoundKey,
    FromWorker,
    LedgerPlace,
    Pulse,
    Ready,
    Records,
    SetKeys,
    SetPlan,
    Start,
)
from weighbridge.core.terms import Dialect, Origin, VirtualKey
from weighbridge.pipeline.plan import Plan
from weighbridge.providers.base import AuthStyle, Base, Provider
from weighbridge.storage.shared_cells import SharedTable

pytestmark = pytest.mark.slow  # processes start and end

DEMO = Provider("demo", {Dialect.OPENAI: Base(Origin("demo", "demo"), "/v1")}, AuthStyle.NONE)
KEY = "wb-" + "k" * 43
VIRTUAL_KEY = VirtualKey("key_1", "tests", digest_of(KEY.encode()))
PLAN = Plan(1, (DEMO,), keys=(VIRTUAL_KEY,))


@dataclass
class Spoken:
    """A worker and all that it has said."""

    process: asyncio.subprocess.Process
    channel: Channel
    heard: list
    port: int

    def all(self, kind) -> list:
        return [message for message in self.heard if isinstance(message, kind)]


def start_of(directory, journal_id="j_1", lane=1) -> Start:
    """What a supervisor with this directory tells a worker first."""
    table = directory / "counters"
    if not table.exists():
        SharedTable.create(table, 8).close()
    return Start(PLAN, "nowhere.sock", LedgerPlace(str(table), lane, str(directory), journal_id, "never"))


@pytest.fixture
async def worker(tmp_path) -> AsyncIterator[Spoken]:
    sockets = listeners.bind("127.0.0.1", 0)
    ours, theirs = socket.socketpair()
    fds = (sockets[0].fileno(), theirs.fileno())
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "weighbridge.app.worker", str(fds[0]), str(fds[1]), pass_fds=fds
    )
    theirs.close()
    heard: list = []
    channel: Channel = Channel(FromWorker, heard.append, lambda: None)
    await asyncio.get_running_loop().create_connection(lambda: channel, sock=ours)
    spoken = Spoken(process, channel, heard, sockets[0].getsockname()[1])
    channel.send(start_of(tmp_path))
    await until(lambda: spoken.all(Ready))
    yield spoken
    channel.close()
    await process.wait()
    listeners.close(sockets)


async def test_it_serves_and_hands_its_records_on(worker: Spoken) -> None:
    answer = await ask(worker.port, KEY)
    assert answer.status == 200, answer.body
    await until(lambda: worker.all(Records))
    assert worker.all(Records)[0].batch.records()[0].key_id == "key_1"
    assert worker.all(Pulse)


async def test_it_asks_about_unknown_keys_and_obeys_the_answer(worker: Spoken) -> None:
    asking = asyncio.create_task(ask(worker.port, "wb-new"))
    await until(lambda: worker.all(FindKey))
    question = worker.all(FindKey)[0]
    assert question.digest == digest_of(b"wb-new")
    worker.channel.send(FoundKey(question.question, VirtualKey("key_2", "new", question.digest)))
    assert (await asking).status == 200


async def test_revoked_keys_and_new_plans_apply_to_the_next_request(worker: Spoken) -> None:
    worker.channel.send(SetKeys(KeysDelta(1, removed=(VIRTUAL_KEY.digest,))))
    asking = asyncio.create_task(ask(worker.port, KEY))
    await until(lambda: worker.all(FindKey))
    worker.channel.send(FoundKey(worker.all(FindKey)[0].question, None))
    assert (await asking).status == 401
    worker.channel.send(SetPlan(Plan(2, (DEMO,), keys=(VIRTUAL_KEY,))))
    await until(lambda: worker.all(Applied))
    assert (await ask(worker.port, KEY)).status == 200


async def test_it_drains_and_leaves_when_told(worker: Spoken) -> None:
    worker.channel.send(Drain(5))
    assert await worker.process.wait() == 0


async def test_it_leaves_when_its_supervisor_is_gone(worker: Spoken) -> None:
    worker.channel.close()
    assert await worker.process.wait() == 0
