"""The kernel's counts of bytes sent and acknowledged."""

from __future__ import annotations

import asyncio
import sys

import pytest

from weighbridge.http.tcp_info import tcp_counts


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO as Linux has it")
async def test_what_the_peer_has_read_was_acknowledged_with_the_syn_as_one_byte(upstream):
    async def script(peer):
        await peer.until(b"12345")
        await peer.send(b"ok")
        await peer.rest()

    origin = await upstream(script)
    reader, writer = await asyncio.open_connection(origin.host, origin.port)
    assert tcp_counts(writer.transport) == (1, 1)
    writer.write(b"12345")
    await reader.readexactly(2)
    assert tcp_counts(writer.transport) == (6, 6)
    writer.close()
    await writer.wait_closed()
    assert tcp_counts(writer.transport) == (-1, -1)


async def test_unix_sockets_do_not_tell(upstream, tmp_path):
    async def script(peer):
        await peer.rest()

    origin = await upstream(script, path=str(tmp_path / "s"))
    _, writer = await asyncio.open_unix_connection(origin.host)
    assert tcp_counts(writer.transport) == (-1, -1)
    writer.close()
    await writer.wait_closed()
