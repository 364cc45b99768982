"""Connections in memory behave as a kernel's: order, backpressure, FIN, RST, acknowledged bytes."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from weighbridge.http.tcp_info import tcp_counts
from weighbridge.testing.fake_network import FakeNetworkLoop
from weighbridge.testing.fake_transport import HIGH_WATER, Conditions
from weighbridge.testing.virtual_time import run_virtual

LONG_S = 100


class Recorder(asyncio.Protocol):
    """Notes what it is told."""

    def __init__(self):
        self.reads = []
        self.events = []
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.reads.append(data)

    def eof_received(self):
        self.events.append("eof")
        return True

    def connection_lost(self, exc):
        self.events.append(type(exc).__name__ if exc else "closed")

    def pause_writing(self):
        self.events.append("pause")

    def resume_writing(self):
        self.events.append("resume")

    @property
    def data(self):
        return b"".join(self.reads)


FINE = Conditions()


def between(play, *, conditions=FINE, seed=1):
    """Join two recorders, and run `play(near, far)` on them."""
    loop = FakeNetworkLoop(seed)

    async def main():
        far = Recorder()
        loop.network.conditions["far"] = conditions
        server = await loop.create_server(lambda: far, "far", 80)
        _, near = await loop.create_connection(Recorder, "far", 80)
        result = await play(near, far)
        server.close()
        return result

    return run_virtual(main(), loop)


def test_bytes_arrive_whole_and_in_order_in_reads_that_split_anywhere():
    async def play(near, far):
        for number in range(100):
            near.transport.write(b"%d " % number)
        await asyncio.sleep(LONG_S)
        return far.data, len(far.reads)

    data, n_reads = between(play, conditions=Conditions(max_read=7, is_shredded=True))
    assert data == b"".join(b"%d " % number for number in range(100))
    assert n_reads > len(data) // 7


def test_a_paused_reader_fills_the_window_then_the_writers_buffer_and_both_drain():
    async def play(near, far):
        far.transport.pause_reading()
        near.transport.write(bytes(HIGH_WATER + 5001))
        await asyncio.sleep(LONG_S)
        held = near.transport.get_write_buffer_size()
        paused = list(near.events)
        far.transport.resume_reading()
        await asyncio.sleep(LONG_S)
        return held, paused, near.events, len(far.data)

    held, paused, events, n_received = between(play, conditions=Conditions(window=5000))
    assert held == HIGH_WATER + 1
    assert paused == ["pause"]
    assert events == ["pause", "resume"]
    assert n_received == HIGH_WATER + 5001


def test_close_flushes_and_the_other_side_sees_the_end_behind_the_bytes():
    async def play(near, far):
        near.transport.write(b"last words")
        near.transport.close()
        await asyncio.sleep(LONG_S)
        return far.data, far.events, near.events

    assert between(play, conditions=Conditions(window=3)) == (b"last words", ["eof"], ["closed"])


def test_a_half_closed_side_still_reads():
    async def play(near, far):
        near.transport.write_eof()
        await asyncio.sleep(1)
        far.transport.write(b"answer")
        await asyncio.sleep(1)
        return far.events, near.data

    assert between(play) == (["eof"], b"answer")


@pytest.mark.parametrize("how", ["reset", "linger"])
def test_a_reset_is_no_end(how):
    async def play(near, far):
        if how == "reset":
            near.transport.reset()
        else:
            sock = near.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            near.transport.abort()
        await asyncio.sleep(LONG_S)
        return far.events

    assert between(play) == ["ConnectionResetError"]


def test_closing_with_bytes_unread_resets():
    async def play(near, far):
        near.transport.pause_reading()
        far.transport.write(b"never read")
        await asyncio.sleep(1)
        near.transport.close()
        await asyncio.sleep(1)
        return far.events

    assert between(play) == ["ConnectionResetError"]


def test_writing_to_a_closed_side_is_answered_with_a_reset_and_never_acknowledged():
    async def play(near, far):
        far.transport.write(b"x")
        await asyncio.sleep(1)
        far.transport.close()
        near.transport.write(b"too late")
        await asyncio.sleep(1)
        return near.events, tcp_counts(near.transport)

    events, counts = between(play)
    assert "ConnectionResetError" in events
    assert counts == (1, 9)


def test_acknowledged_bytes_are_counted_from_the_syn():
    async def play(near, far):
        before = tcp_counts(near.transport)
        near.transport.write(b"12345")
        await asyncio.sleep(1)
        return before, tcp_counts(near.transport)

    assert between(play) == ((1, 1), (6, 6))


def test_nobody_listening_refuses_and_a_silent_host_never_answers():
    loop = FakeNetworkLoop(1)

    async def main():
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Recorder, "nobody", 80)
        loop.network.silent.add("nobody")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await loop.create_connection(Recorder, "nobody", 80)

    run_virtual(main(), loop)


def test_one_seed_gives_one_run_and_another_seed_another():
    async def play(near, far):
        near.transport.write(bytes(10_000))
        await asyncio.sleep(LONG_S)
        return [len(read) for read in far.reads]

    runs = [between(play, conditions=Conditions(is_shredded=True, max_read=500), seed=seed) for seed in (5, 5, 6)]
    assert runs[0] == runs[1] != runs[2]
