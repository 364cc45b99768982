"""How long a chunk stays inside: the upstream writes the time into each chunk, a client on the same machine subtracts it.

CLOCK_MONOTONIC is one clock for all processes of a machine, so that both ends read the same time.
"""

from __future__ import annotations

import re
import selectors
import socket
import time

import msgspec
from rich.console import Console

from benchmarks.distribution import percentile
from benchmarks.findings import Section, Value, verdict
from benchmarks.messages import STAMP, STAMPED_MODEL, STAMPED_PACE_S, STREAM_CHUNKS, request_body
from benchmarks.plain_client import chat_request, connect
from benchmarks.progress import steps
from benchmarks.rig import Options, Rig
from benchmarks.servers import DIRECT, GATEWAY, Server, ServerError
from benchmarks.targets import FIRST_CHUNK_US

_STAMPED = re.compile(STAMP + rb"(\d+)")
_END = b"0\r\n\r\n"
_CONCURRENT = 4  # enough for a thousand chunks in a few seconds, few enough that chunks rarely meet
_STAGGER_S = STAMPED_PACE_S / _CONCURRENT
_ROUNDS, _QUICK_ROUNDS = 8, 1
_READ_BYTES = 64 * 1024
_SILENCE_S = 10.0


class StreamTimes(msgspec.Struct, frozen=True):
    """Times of one stream's chunks, in µs: from the upstream's write to the client's read, and from read to read."""

    delays_us: list[float]
    gaps_us: list[float]


class _Stream:
    """One reply being read."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.read_ns: list[int] = []
        self.delays_us: list[float] = []
        self._rest = b""

    def take(self) -> bool:
        """Read what is there; False at the end of the reply."""
        data = self.connection.recv(_READ_BYTES)
        now_ns = time.monotonic_ns()
        if not data:
            msg = "a stream broke off"
            raise ServerError(msg)
        self._rest += data
        complete = self._rest.rfind(b"\n\n")
        for stamp in _STAMPED.findall(self._rest, 0, max(0, complete)):
            self.delays_us.append((now_ns - int(stamp)) / 1000)
            self.read_ns.append(now_ns)
        self._rest = self._rest[max(0, complete) :]
        return not self._rest.endswith(_END)

    def times(self) -> StreamTimes:
        if len(self.delays_us) != STREAM_CHUNKS:
            msg = f"a stream of {STREAM_CHUNKS} chunks came with {len(self.delays_us)}"
            raise ServerError(msg)
        gaps = [(later - earlier) / 1000 for earlier, later in zip(self.read_ns, self.read_ns[1:], strict=False)]
        return StreamTimes(self.delays_us, gaps)


def run(rig: Rig, options: Options, console: Console) -> Section:
    """Delays direct and through each server, in turns."""
    rounds = _QUICK_ROUNDS if options.quick else _ROUNDS
    servers = (rig.direct, *rig.measured)
    taken: dict[str, list[StreamTimes]] = {server.name: [] for server in servers}
    with steps(console, "stream-latency", rounds * len(servers)) as step:
        for _ in range(rounds):
            for server in servers:
                step(server.name)
                taken[server.name] += _read_streams(server)
    columns = ["server", "first p50 µs", "first p99 µs", "target", "verdict", "p50 µs", "p99 µs", "max µs"]
    return Section(
        name="stream-latency",
        title="From the upstream's write to the client's read, 50 chunks 10 ms apart",
        columns=[*columns, "gap p1 ms", "gap p50 ms", "gap p99 ms"],
        rows=[_row(server.name, taken[server.name]) for server in servers],
        notes=[
            f"{rounds * _CONCURRENT} streams for each server, {_CONCURRENT} at a time; the first chunk carries the head.",
            f"The row `{DIRECT}` is what both ends and the kernel take by themselves. The target is for the whole way.",
        ],
    )


def _read_streams(server: Server) -> list[StreamTimes]:
    request = chat_request(server, request_body(model=STAMPED_MODEL, size=600, stream=True))
    streams: list[_Stream] = []
    open_streams = 0
    with selectors.DefaultSelector() as selector:
        for _ in range(_CONCURRENT):
            streams.append(_Stream(connect(server)))
            selector.register(streams[-1].connection, selectors.EVENT_READ, streams[-1])
        started = time.monotonic()
        while len(streams) > open_streams or selector.get_map():
            due = started + open_streams * _STAGGER_S
            if open_streams < len(streams) and time.monotonic() >= due:
                streams[open_streams].connection.sendall(request)
                open_streams += 1
                continue
            wait_s = max(0.0, due - time.monotonic()) if open_streams < len(streams) else _SILENCE_S
            _take_ready(selector, wait_s)
    return [stream.times() for stream in streams]


def _take_ready(selector: selectors.BaseSelector, wait_s: float) -> None:
    ready = selector.select(wait_s)
    if not ready and wait_s == _SILENCE_S:
        msg = f"no chunk for {_SILENCE_S:g} s"
        raise ServerError(msg)
    for key, _ in ready:
        stream: _Stream = key.data
        if not stream.take():
            selector.unregister(stream.connection)
            stream.connection.close()


def _row(server: str, streams: list[StreamTimes]) -> list[Value]:
    firsts = [stream.delays_us[0] for stream in streams]
    delays = [delay for stream in streams for delay in stream.delays_us]
    gaps_ms = [gap / 1000 for stream in streams for gap in stream.gaps_us]
    first_p99 = percentile(firsts, 99)
    judged = server == GATEWAY
    return [
        *(server, percentile(firsts, 50), first_p99),
        f"≤ {FIRST_CHUNK_US:,.0f} µs" if judged else "",
        verdict(first_p99, FIRST_CHUNK_US) if judged else "",
        *(percentile(delays, 50), percentile(delays, 99), max(delays)),
        *(percentile(gaps_ms, rank) for rank in (1, 50, 99)),
    ]
