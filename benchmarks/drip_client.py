"""Slowloris: connections that send a request's head one byte at a time and never finish it.

    python -m benchmarks.drip_client HOST PORT CONNECTIONS

Prints a line when all are connected, then drips until it is ended.
"""

from __future__ import annotations

import asyncio
import itertools
import sys

import uvloop

# Two hundred bytes a second in all: a server feels the connections, and the machine does not feel this process.
_DRIP_S = 5.0
_HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-Slow: "


async def _drip(host: str, port: int, offset_s: float, connected: asyncio.Event) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
            connected.set()
            await _write_slowly(writer, offset_s)
        except OSError:
            await asyncio.sleep(_DRIP_S)


async def _write_slowly(writer: asyncio.StreamWriter, offset_s: float) -> None:
    writer.write(_HEAD[:1])
    # Spread over the interval: a thousand bytes at once would be a burst, not a drip.
    await asyncio.sleep(offset_s)
    for byte in itertools.chain(_HEAD[1:], itertools.repeat(ord("a"))):
        if writer.is_closing():
            return
        writer.write(bytes((byte,)))
        await writer.drain()
        await asyncio.sleep(_DRIP_S)


async def main(host: str, port: int, connections: int) -> None:
    connected = [asyncio.Event() for _ in range(connections)]
    drips = [asyncio.create_task(_drip(host, port, _DRIP_S * n / connections, event)) for n, event in enumerate(connected)]
    await asyncio.gather(*(event.wait() for event in connected))
    print("connected", flush=True)
    await asyncio.gather(*drips)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
