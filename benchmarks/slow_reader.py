"""Memory while a gigabyte flows to a client that reads slowly, then drains it or leaves."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable

import httptools
from rich.console import Console

from benchmarks.accounting import rss_bytes, tree_usage
from benchmarks.findings import MISSED, Section, Value, verdict
from benchmarks.messages import BULK_MODEL, BULK_WRITE_BYTES, FIRST_EVENT, LAST_EVENTS, SMALL, request_body
from benchmarks.plain_client import chat_request, connect, latencies_us
from benchmarks.progress import Step, steps
from benchmarks.rig import Options, Rig
from benchmarks.servers import GATEWAY, Server, ServerError
from benchmarks.targets import SLOW_READER_GROWTH_MB

_SLOW_READ_BYTES = 4096
_SLOW_PAUSE_S = 0.05
_SLOW_S, _QUICK_SLOW_S = 5.0, 1.0
_QUICK_BULK_BYTES = 50_000_000
_FAST_READ_BYTES = 1024 * 1024
_WATCH_S = 0.1
_WARM_UP_REQUESTS = 500
_CANCEL_S = 2.0


class _Reply:
    """Counts the body of a reply and keeps its last bytes."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.bytes = 0
        self.tail = b""
        self.complete = False

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.bytes += len(body)
        self.tail = (self.tail + body[-64:])[-64:]

    def on_message_complete(self) -> None:
        self.complete = True


class _Watch:
    """The highest resident memory of a server since the watch began, sampled where the reader passes by."""

    def __init__(self, server: Server) -> None:
        self._pid = server.root_pid
        self.before = self.peak = self._rss()
        self._next = 0.0

    def look(self) -> None:
        if time.monotonic() >= self._next:
            self.peak = max(self.peak, self._rss())
            self._next = time.monotonic() + _WATCH_S

    @property
    def growth_mb(self) -> float | None:
        return (self.peak - self.before) / 1e6 if self._pid else None

    def _rss(self) -> int:
        return rss_bytes(tree_usage(self._pid)) if self._pid else 0


def run(rig: Rig, options: Options, console: Console) -> Section:
    """A reader that drains after a slow start, and one that leaves, on every server."""
    slow_s = _QUICK_SLOW_S if options.quick else _SLOW_S
    with steps(console, "slow-reader", 2 * len(rig.measured)) as step:
        rows = [row for server in rig.measured for row in _rows(server, rig, options, slow_s, step)]
    return Section(
        name="slow-reader",
        title=f"Memory while {options.bulk_bytes / 1e6:,.0f} MB stream to a slow reader",
        columns=["server", "what", "read MB", "seconds", "RSS growth MB", "target", "verdict"],
        rows=rows,
        notes=[f"80 kB/s for {slow_s:g} s, then as fast as possible, or gone. Gone: the upstream's stream must end too."],
    )


def _rows(server: Server, rig: Rig, options: Options, slow_s: float, step: Step) -> list[list[Value]]:
    latencies_us(server, SMALL.body, requests=_WARM_UP_REQUESTS, pause_s=0.0)
    step(f"{server.name}, drains")
    drained = _measured(server, "drains", lambda watch: _read(server, watch, slow_s, drain_bytes=options.bulk_bytes))
    step(f"{server.name}, leaves")
    left = _measured(server, "leaves", lambda watch: _read(server, watch, slow_s, drain_bytes=None))
    if not _upstream_is_free(rig):
        left[-1] = MISSED
    return [drained, left]


def _measured(server: Server, what: str, read: Callable[[_Watch], int]) -> list[Value]:
    watch = _Watch(server)
    started = time.monotonic()
    received = read(watch)
    taken_s = time.monotonic() - started
    judged = server.name == GATEWAY
    return [
        *(server.name, what, received / 1e6, taken_s, watch.growth_mb),
        f"≤ {SLOW_READER_GROWTH_MB:g} MB" if judged else "",
        verdict(watch.growth_mb, SLOW_READER_GROWTH_MB) if judged else "",
    ]


def _read(server: Server, watch: _Watch, slow_s: float, *, drain_bytes: int | None) -> int:
    """Bytes of body received; with `drain_bytes`, raises ServerError where the whole stream did not come."""
    reply = _Reply()
    with connect(server) as connection:
        connection.sendall(chat_request(server, request_body(model=BULK_MODEL, size=600, stream=True)))
        ends = time.monotonic() + slow_s
        while time.monotonic() < ends and not reply.complete:
            reply.feed(connection.recv(_SLOW_READ_BYTES))
            watch.look()
            time.sleep(_SLOW_PAUSE_S)
        while drain_bytes is not None and not reply.complete:
            data = connection.recv(_FAST_READ_BYTES)
            if not data:
                break
            reply.feed(data)
            watch.look()
    watch.look()
    if drain_bytes is not None:
        _check(server, reply, drain_bytes)
    return reply.bytes


def _check(server: Server, reply: _Reply, bulk_bytes: int) -> None:
    expected = bulk_bytes // BULK_WRITE_BYTES * BULK_WRITE_BYTES + len(FIRST_EVENT) + len(LAST_EVENTS)
    if not reply.complete or reply.bytes != expected or not LAST_EVENTS.endswith(reply.tail):
        msg = f"{server.name} passed {reply.bytes:,} bytes of a stream of {expected:,}, ending in {reply.tail!r}"
        raise ServerError(msg)


def _upstream_is_free(rig: Rig) -> bool:
    deadline = time.monotonic() + _CANCEL_S
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(rig.upstream.host, rig.upstream.port, timeout=_CANCEL_S)
        connection.request("GET", "/")
        answer = connection.getresponse().read()
        connection.close()
        if answer == b'{"streams_open":0}':
            return True
        time.sleep(_WATCH_S)
    return False
