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
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
import uvloop
from rich.console import Console

from benchmarks.findings import Section, Value
from benchmarks.messages import (
    GATEWAY_KEY,
    LARGE,
    MEDIUM,
    MODELS,
    SMALL,
    STREAM_PACED,
    STREAM_TOGETHER,
    TRANSLATED,
    TRANSLATED_STREAM,
    Payload,
)
from benchmarks.progress import Step, steps
from benchmarks.rig import Options, Rig
from benchmarks.upstream import replies_to
from weighbridge.auth.virtual_keys import digest_of
from weighbridge.core.allowances import Allowances, Budget, Measure, RateLimit, Scope, ScopeKind
from weighbridge.core.clock import CountingIds, SystemClock, SystemRng
from weighbridge.core.rates import Bracket, PriceBook, PriceRule, Rates
from weighbridge.core.routes import HealthRules, plain_route
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Deployment, Dialect, Origin, Record, VirtualKey, WireFormat
from weighbridge.http.client import HttpClient
from weighbridge.http.client_connection import UpstreamConnection
from weighbridge.http.server import Server
from weighbridge.http.server_connection import ServerConnection
from weighbridge.ledger.journal import Journal
from weighbridge.ledger.terms import Settled, Started
from weighbridge.limits.leases import NoLessor
from weighbridge.pipeline.bookkeeper import Bookkeeper
from weighbridge.pipeline.gateway import Gateway
from weighbridge.pipeline.plan import Plan
from weighbridge.providers.base import Base, CallPath, Credential, Provider
from weighbridge.storage.ledger_journal import FsyncPolicy, JournalFile
from weighbridge.storage.shared_cells import SharedTable
from weighbridge.telemetry.record_buffer import RecordBuffer
from weighbridge.telemetry.record_lines import RecordLines

_READ_BYTES = 256_000  # uvloop's buffer
_BATCHES, _QUICK_BATCHES = 400, 40
_BATCH_S = 0.005


def run(rig: Rig, options: Options, console: Console) -> Section:  # noqa: ARG001 - needs no server; the same shape as the others
    """The least time of many batches, and the interpreter steps and calls of one exchange."""
    payloads = (SMALL, TRANSLATED, MEDIUM, LARGE, STREAM_PACED, STREAM_TOGETHER, TRANSLATED_STREAM)
    with steps(console, "steps", len(payloads) + len(_MONEY)) as step:
        batches = _QUICK_BATCHES if options.quick else _BATCHES
        small = (*_MONEY, _FAILS_OVER)
        rows = [_measure(payload, money, batches, step) for payload in payloads for money in (small if payload is SMALL else _ALL)]
    return Section(
        name="steps",
        title="Python's own share of one exchange, transports faked",
        columns=["request", "µs", "interpreter steps", "calls", "functions"],
        rows=rows,
        notes=["The least of many batches. Steps and calls are those of the gateway's own functions, on a kept connection."],
    )


def _measure(payload: Payload, money: _Money, batches: int, step: Step) -> list[Value]:
    step(payload.name)
    return uvloop.run(_measure_on_loop(payload, money, batches))


async def _measure_on_loop(payload: Payload, money: _Money, batches: int) -> list[Value]:
    bench = (_FailingOver if money.fails_over else _Bench)(payload, money, asyncio.get_running_loop())
    bench.exchange(100)
    took = bench.time_of(1)
    size = max(1, int(_BATCH_S / took))
    least = took
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)  # as a worker has them
    for _ in range(batches):
        least = min(least, bench.time_of(size))
        await asyncio.sleep(0)
    bench.close()
    return [f"{payload.name}, {money.name}", least * 1e6, *bench.count()]


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


_PRICES = PriceBook(rules=(PriceRule("bench/*", own=(Bracket(Rates(input=1_250_000, output=10_000_000)),), source="bench"),))
_ALLOWANCES = Allowances(
    (Budget("key", Scope(ScopeKind.KEY, "*"), 10**15), Budget("team", Scope(ScopeKind.TEAM, "bench"), 10**15)),
    (
        RateLimit("rpm", Scope(ScopeKind.KEY, "*"), Measure.REQUESTS, 10**9),
        RateLimit("tpm", Scope(ScopeKind.KEY, "*"), Measure.TOKENS, 10**12),
    ),
)
"""Two budgets and two limits, of requests and of tokens: what a key of a team has."""


class _NoJournal:
    """Keeps nothing."""

    is_full = False

    def append_started(self, started: Started) -> None:
        pass

    def append_settled(self, settled: Settled) -> None:
        pass


class _Money(NamedTuple):
    """What is weighed of a request."""

    name: str
    prices: PriceBook = PriceBook()
    allowances: Allowances = Allowances()
    has_journal: bool = False
    fails_over: bool = False
    """The first target answers with 500, the second with what is wanted."""


_MONEY = (
    _Money("nothing weighed"),
    _Money("priced", _PRICES),
    _Money("priced, in the journal", _PRICES, has_journal=True),
    _Money("priced, in the journal, 2 budgets", _PRICES, Allowances(_ALLOWANCES.budgets), has_journal=True),
    _Money("priced, in the journal, 2 budgets, 2 limits", _PRICES, _ALLOWANCES, has_journal=True),
)
_ALL = _MONEY[-1:]
_FAILS_OVER = _Money("the same, failed over", _PRICES, _ALLOWANCES, has_journal=True, fails_over=True)


def _say(problem: str) -> None:
    raise AssertionError(problem)


class _Bench:
    """One client connection, one provider connection, and a gateway between them."""

    def __init__(self, payload: Payload, money: _Money, loop: asyncio.AbstractEventLoop) -> None:
        clock = SystemClock()
        plan = self._plan(money)
        client = HttpClient(clock=clock, limits=plan.limits)
        self._sink = RecordBuffer(self._take, loop)
        self._directory = TemporaryDirectory(prefix="weighbridge-steps-")
        directory = Path(self._directory.name)
        self._journal: Journal = JournalFile(directory, clock, loop, FsyncPolicy.NEVER, _say) if money.has_journal else _NoJournal()
        ids = CountingIds()
        store = _NoStore()
        gateway = Gateway(
            plan,
            upstream=client,
            key_source=store,
            responses=store,
            books=Bookkeeper(self._table(), self._journal, NoLessor()),
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
        self._providers = [_connection(client, next(iter(each.bases.values())).origin, wire) for each in plan.providers]
        head = (
            f"POST /v1{payload.path} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAuthorization: Bearer {GATEWAY_KEY}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(payload.body)}\r\n\r\n"
        )
        request = head.encode() + payload.body
        self._request = [request[at : at + _READ_BYTES] for at in range(0, len(request), _READ_BYTES)]
        self._reply = replies_to(payload.body)

    def _plan(self, money: _Money) -> Plan:
        return Plan(1, (_provider("bench", 9100),), keys=(_KEY,), prices=money.prices, allowances=money.allowances)

    def close(self) -> None:
        """Remove the journal."""
        self._directory.cleanup()

    def _table(self) -> SharedTable:
        path = Path(self._directory.name) / "counters"
        SharedTable.create(path, 4).close()
        return SharedTable(path, 1)

    def _take(self, records: Sequence[Record]) -> None:
        RecordLines.of(records)
        self._sink.taken(len(records))

    def exchange(self, times: int) -> None:
        for _ in range(times):
            for read in self._request:
                self._client.data_received(read)
            for read in self._reply:
                self._providers[-1].data_received(read)

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


_KEY = VirtualKey("key_bench", "bench", digest_of(GATEWAY_KEY.encode()), team="bench")


def _provider(name: str, port: int) -> Provider:
    bases = {Dialect.OPENAI: Base(Origin("http", "127.0.0.1", port), "/v1")}
    chat = WireFormat.OPENAI_CHAT
    return Provider(
        name,
        bases,
        credentials=(Credential(f"{name}#1", Secret("sk-upstream")),),
        models=MODELS,
        formats={chat: CallPath("/chat/completions")},
        native_formats=frozenset((chat,)),
    )


def _connection(client: HttpClient, origin: Origin, wire: Any) -> UpstreamConnection:
    pool = client._find_pool(origin)  # noqa: SLF001 - a pool dials for itself; here a connection is put into it
    connection = UpstreamConnection(pool, origin)
    connection.connection_made(wire)
    pool._idle.append(connection)  # noqa: SLF001
    return connection


class _FailingOver(_Bench):
    """The same with two targets, of which the first fails each time."""

    def _plan(self, money: _Money) -> Plan:
        providers = (_provider("bench", 9100), _provider("other", 9101))
        # Else the first would soon not be asked at all.
        plan = Plan(1, providers, keys=(_KEY,), prices=money.prices, health=HealthRules(breakers=False, keys=False))
        routes = [plain_route(model, *(Deployment(each.name, model) for each in providers)) for model in MODELS]
        return msgspec.structs.replace(plan, routes=tuple(routes), allowances=money.allowances)

    def exchange(self, times: int) -> None:
        for _ in range(times):
            for read in self._request:
                self._client.data_received(read)
            self._providers[0].data_received(_FAILURE)
            for read in self._reply:
                self._providers[1].data_received(read)


_FAILED = b'{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}'
_FAILURE = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(_FAILED),
    _FAILED,
)


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
