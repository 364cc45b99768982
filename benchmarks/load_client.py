"""A closed-loop load generator for machines without wrk: each connection sends its next request when a reply is complete.

    python -m benchmarks.load_client HOST PORT PATH BODY_FILE KEY CONNECTIONS SECONDS

Prints one line: `SUMMARY` and the JSON of `benchmarks.load.LoadSummary`.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from pathlib import Path
from typing import cast

import httptools
import msgspec
import uvloop

from benchmarks.distribution import percentile
from benchmarks.load import LoadSummary


class _Run:
    """What the connections of one run share."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.latencies_ns: list[int] = []
        self.failures = 0
        self.running = True


class LoadConnection(asyncio.Protocol):
    """One connection of the load: a request out, a whole reply in, and again."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport
        self._sent_ns = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class
        self._send()

    def connection_lost(self, _error: Exception | None) -> None:
        if self._run.running:
            self._run.failures += 1

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        run = self._run
        if not run.running:
            return
        if self._parser.get_status_code() > 399:
            run.failures += 1
        run.latencies_ns.append(time.monotonic_ns() - self._sent_ns)
        self._send()

    def close(self) -> None:
        self._transport.close()

    def _send(self) -> None:
        self._sent_ns = time.monotonic_ns()
        self._transport.write(self._run.request)


async def run_load(host: str, port: int, request: bytes, connections: int, seconds: float) -> LoadSummary:
    """Keep `connections` requests in flight for `seconds`."""
    loop = asyncio.get_running_loop()
    run = _Run(request)
    gc.freeze()
    started_ns = time.monotonic_ns()
    opened = [await loop.create_connection(lambda: LoadConnection(run), host, port) for _ in range(connections)]
    await asyncio.sleep(seconds)
    run.running = False
    duration_ns = time.monotonic_ns() - started_ns
    for _, connection in opened:
        connection.close()
    latencies_us = [latency / 1000 for latency in run.latencies_ns] or [0.0]
    return LoadSummary(
        requests=len(run.latencies_ns),
        duration_s=duration_ns / 1e9,
        failures=run.failures,
        p50_us=percentile(latencies_us, 50),
        p99_us=percentile(latencies_us, 99),
    )


def main(host: str, port: str, path: str, body_file: str, key: str, connections: str, seconds: str) -> None:
    body = Path(body_file).read_bytes()
    request = (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    summary = uvloop.run(run_load(host, int(port), request, int(connections), float(seconds)))
    print("SUMMARY", msgspec.json.encode(summary).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
