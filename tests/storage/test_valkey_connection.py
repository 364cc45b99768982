"""One connection, in front of a server whose every byte a test sends itself."""

from __future__ import annotations

import asyncio
import time

import pytest

from weighbridge.core.clock import NS_PER_MS, SystemClock
from weighbridge.core.secret import Secret
from weighbridge.limits.shared import SharedLimitsPlace
from weighbridge.storage.resp import Fault, command
from weighbridge.storage.valkey_connection import open_connection

WAIT_NS = 30 * NS_PER_MS


class Server:
    """Takes one connection."""

    async def start(self, *greeting):
        self.reader = self.writer = None
        self._greeting = greeting
        self._taken = asyncio.Event()
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        return self

    async def _take(self, reader, writer):
        self.reader, self.writer = reader, writer
        for reply in self._greeting:
            await reader.readuntil(b"\r\n")
            writer.write(reply)
        self._taken.set()

    async def connected(self, **facts):
        """Our end, what it has said when it was lost, and the replies that it has had."""
        host, port = self._server.sockets[0].getsockname()
        lost = []
        place = SharedLimitsPlace(host, port, wait_ns=WAIT_NS, **facts)
        connection = await open_connection(place, None, SystemClock(), lost.append)
        await self._taken.wait()
        return connection, lost

    def close(self):
        self._server.close()
        if self.writer is not None:
            self.writer.close()


@pytest.fixture
async def server():
    made = await Server().start()
    yield made
    made.close()


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_replies_go_to_those_who_asked_in_their_order(server):
    connection, _ = await server.connected()
    heard = []
    for name in (b"one", b"other"):
        connection.send(command(name), lambda reply, name=name: heard.append((name, reply)))
    written = b"".join(map(command, (b"one", b"other")))
    assert await server.reader.readexactly(len(written)) == written
    server.writer.write(b":1\r\n$2\r\na")
    await until(lambda: heard)
    assert heard == [(b"one", 1)]
    server.writer.write(b"b\r\n")
    await until(lambda: len(heard) == 2)
    assert heard[1] == (b"other", b"ab")


async def test_who_is_not_answered_in_time_is_told_so_and_all_behind_it_too(server):
    connection, lost = await server.connected()
    heard = []
    begun = time.monotonic()
    for _ in range(3):
        connection.send(command(b"slow"), heard.append)
    await until(lambda: heard)
    assert 0.03 <= time.monotonic() - begun < 1
    assert [each.code for each in heard] == ["GONE"] * 3
    assert lost == ["it does not answer in time"]
    connection.send(command(b"late"), heard.append)
    assert heard[3].code == "GONE"


async def test_an_answer_that_has_come_while_this_process_was_busy_is_in_time(server):
    connection, lost = await server.connected()
    heard = []
    connection.send(command(b"quick"), heard.append)
    await server.reader.readuntil(b"quick\r\n")
    server.writer.write(b":1\r\n")
    await asyncio.sleep(0)
    time.sleep(3 * WAIT_NS / 1e9)
    await until(lambda: heard)
    assert (heard, lost) == ([1], [])


async def test_a_connection_that_is_lost_is_told_to_all_who_wait(server):
    connection, lost = await server.connected()
    heard = []
    connection.send(command(b"one"), heard.append)
    server.writer.transport.abort()
    await until(lambda: heard)
    assert isinstance(heard[0], Fault)
    assert len(lost) == 1


async def test_what_is_no_valkey_is_left(server):
    connection, lost = await server.connected()
    heard = []
    connection.send(command(b"one"), heard.append)
    server.writer.write(b"SSH-2.0-OpenSSH\r\n")
    await until(lambda: heard)
    assert "does not speak as a Valkey does" in lost[0]


async def test_who_signs_in_is_told_the_servers_word_where_it_may_not():
    server = await Server().start(b"-WRONGPASS invalid username-password pair\r\n")
    try:
        with pytest.raises(Fault, match="WRONGPASS"):
            await server.connected(user="wb", password=Secret("secret"))
    finally:
        server.close()
