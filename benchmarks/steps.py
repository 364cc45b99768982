"""Python's own share of one exchange: real gateway, engine and client between faked transports, in this process.

No kernel, no event loop, no other process: what is left repeats to a few per cent on a busy machine, where CPU per request does
not. It is the figure to watch while changing code; the matrix tells what it is worth.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import uvloop
from rich.console import Console

from benchmarks.findings import Section, Value
from benchmarks.messages import GATEWAY_KEY, LARGE, MEDIUM, MODELS, SMALL, STREAM_PACED, STREAM_TOGETHER, Payload
from benchmarks.progress import Step, steps
from benchmarks.rig import Options, Rig
from benchmarks.upstream import replies_to
from weighbridge.auth.virtual_keys import digest_of
from weighbridge.core.clock import CountingIds, SystemClock, SystemRng
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Dialect, Origin, Record, VirtualKey
from weighbridge.http.client import HttpClient
from weighbridge.http.client_connection import UpstreamConnection
from weighbridge.http.server import Server
from weighbridge.http.server_connection import ServerConnection
from weighbridge.pipeline.gateway import Gateway
from weighbridge.pipeline.plan import Plan
from weighbridge.providers.base import Base, Credential, Provider
from weighbridge.telemetry.record_buffer import RecordBuffer
from weighbridge.telemetry.record_lines import RecordLines

_READ_BYTES = 256_000  # uvloop's buffer
_BATCHES, _QUICK_BATCHES = 400, 40
_BATCH_S = 0.005


def run(rig: Rig, options: Options, console: Console) -> Section:  # noqa: ARG001 - needs no server; the same shape as the others
    """The least time of many batches, and the interpreter steps and calls of one exchange."""
    payloads = (SMALL, MEDIUM, LARGE, STREAM_PACED, STREAM_TOGETHER)
    with steps(console, "steps", len(payloads)) as step:
        rows = [_measure(payload, _QUICK_BATCHES if options.quick else _BATCHES, step) for payload in payloads]
    return Section(
        name="steps",
        title="Python's own share of one exchange, transports faked",
        columns=["request", "µs", "interpreter steps", "calls", "functions"],
        rows=rows,
        notes=["The least of many batches. Steps and calls are those of the gateway's own functions, on a kept connection."],
    )


def _measure(payload: Payload, batches: int, step: Step) -> list[Value]:
    step(payload.name)
    return uvloop.run(_measure_on_loop(payload, batches))


async def _measure_on_loop(payload: Payload, batches: int) -> list[Value]:
    bench = _Bench(payload, asyncio.get_running_loop())
    bench.exchange(100)
    took = bench.time_of(1)
    size = max(1, int(_BATCH_S / took))
    least = took
    gc.collect()
    gc.freeze()
    for _ in range(batches):
        least = min(least, bench.time_of(size))
        await asyncio.sleep(0)
    return [payload.name, least * 1e6, *bench.count()]


class _Wire:
    """A transport that takes everything at once."""

    def write(self, data: bytes) -> None:
        pass

    def writelines(self, pieces: list[bytes]) -> None:
        pass

    def get_extra_info(self, _name: str) -> None:
        return None

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        pass

    abort = close


class _Bench:
    """One client connection, one provider connection, and a gateway between them."""

    def __init__(self, payload: Payload, loop: asyncio.AbstractEventLoop) -> None:
        clock = SystemClock()
        origin = Origin("http", "127.0.0.1", 9100)
        bases = {Dialect.OPENAI: Base(origin, "/v1")}
        provider = Provider("bench", bases, credentials=(Credential("bench#1", Secret("sk-upstream")),), models=MODELS)
        plan = Plan(1, (provider,), keys=(VirtualKey("key_bench", "bench", digest_of(GATEWAY_KEY.encode())),))
        client = HttpClient(clock=clock, limits=plan.limits)
        self._sink = RecordBuffer(self._take, loop)
        ids = CountingIds()
        store = _NoStore()
        gateway = Gateway(
            plan,
            upstream=client,
            key_source=store,
            responses=store,
            sink=self._sink,
            clock=clock,
            ids=ids,
            rng=SystemRng(),
            control=None,
        )
        server = Server(gateway.handle, gateway.render_refusal, clock=clock, limits=plan.limits, on_bug=_raise)
        server.loop = loop
        wire: Any = _Wire()
        self._client = ServerConnection(server)
        self._client.connection_made(wire)
        pool = client._find_pool(origin)  # noqa: SLF001 - a pool dials for itself; here a connection is put into it
        self._provider = UpstreamConnection(pool, origin)
        self._provider.connection_made(wire)
        pool._idle.append(self._provider)  # noqa: SLF001
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAuthorization: Bearer {GATEWAY_KEY}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(payload.body)}\r\n\r\n"
        )
        request = head.encode() + payload.body
        self._request = [request[at : at + _READ_BYTES] for at in range(0, len(request), _READ_BYTES)]
        self._reply = replies_to(payload.body)

    def _take(self, records: Sequence[Record]) -> None:
        RecordLines.of(records)
        self._sink.taken(len(records))

    def exchange(self, times: int) -> None:
        for _ in range(times):
            for read in self._request:
                self._client.data_received(read)
            for read in self._reply:
                self._provider.data_received(read)

    def time_of(self, times: int) -> float:
        """Seconds of one exchange among so many."""
        began = time.perf_counter()
        self.exchange(times)
        return (time.perf_counter() - began) / times

    def count(self) -> Iterator[Value]:
        """Steps, calls and functions of one exchange."""
        counted = _Counted()
        sys.settrace(counted.trace)
        try:
            self.exchange(1)
        finally:
            sys.settrace(None)
        yield from (counted.n_steps, counted.n_calls, len(counted.functions))


class _Counted:
    def __init__(self) -> None:
        self.n_steps = 0
        self.n_calls = 0
        self.functions: set[object] = set()

    def trace(self, frame: Any, _event: str, _argument: object) -> Any:
        if "weighbridge" not in frame.f_globals.get("__name__", ""):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.n_calls += 1
        self.functions.add(frame.f_code)
        return self._step

    def _step(self, _frame: Any, event: str, _argument: object) -> Any:
        self.n_steps += event == "opcode"
        return self._step


class _NoStore:
    async def find(self, *_asked: object) -> None:
        """The key is in the plan, and nothing is kept."""

    def keep(self, key_id: str, response_id: str, content: bytes) -> None:
        """Nothing is kept."""

    def forget(self, key_id: str, response_id: str) -> None:
        """Nothing is kept."""


def _raise(bug: BaseException) -> None:
    raise bug
