"""A client's p99 while a thousand others send their headers byte by byte, against its p99 without them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from rich.console import Console

from benchmarks.distribution import percentile
from benchmarks.findings import Section, Value, verdict
from benchmarks.load import verify
from benchmarks.messages import SMALL
from benchmarks.plain_client import latencies_us
from benchmarks.progress import Step, steps
from benchmarks.rig import Options, Rig
from benchmarks.servers import GATEWAY, REPOSITORY, Server, ServerError
from benchmarks.targets import SLOWLORIS_P99_RATIO

_CONNECTIONS = 1000
_PAUSE_S = 0.0005
_ROUNDS, _REQUESTS = 9, 1000
_QUICK_ROUNDS, _QUICK_REQUESTS = 1, 500


def run(rig: Rig, options: Options, console: Console) -> Section:
    """p99 with and without the slow clients, in turns, on every server."""
    rounds, requests = (_QUICK_ROUNDS, _QUICK_REQUESTS) if options.quick else (_ROUNDS, _REQUESTS)
    with steps(console, "slowloris", rounds * len(rig.measured)) as step:
        rows = [_row(server, rounds, requests, step) for server in rig.measured]
    return Section(
        name="slowloris",
        title=f"One client's latency while {_CONNECTIONS:,} connections drip header bytes",
        columns=["server", "p50 µs", "p50 beside µs", "p99 µs", "p99 beside µs", "p99 ratio", "target", "verdict"],
        rows=rows,
        notes=[f"Medians of {rounds} rounds, {requests} requests each with and without. Closed slow connections come back."],
    )


def _row(server: Server, rounds: int, requests: int, step: Step) -> list[Value]:
    verify(server, SMALL)
    alone: list[list[float]] = []
    beside: list[list[float]] = []
    for _ in range(rounds):
        step(server.name)
        alone.append(latencies_us(server, SMALL.body, requests=requests, pause_s=_PAUSE_S))
        with _slow_clients(server):
            beside.append(latencies_us(server, SMALL.body, requests=requests, pause_s=_PAUSE_S))
    p50 = [median([percentile(run, 50) for run in runs]) for runs in (alone, beside)]
    p99 = [median([percentile(run, 99) for run in runs]) for runs in (alone, beside)]
    ratio = median([percentile(slow, 99) / percentile(free, 99) for slow, free in zip(beside, alone, strict=True)])
    judged = server.name == GATEWAY
    return [
        server.name,
        *p50,
        *p99,
        ratio,
        f"≤ {SLOWLORIS_P99_RATIO:g}" if judged else "",
        verdict(ratio, SLOWLORIS_P99_RATIO) if judged else "",
    ]


@contextlib.contextmanager
def _slow_clients(server: Server) -> Iterator[None]:
    argv = [sys.executable, "-m", "benchmarks.drip_client", server.host, str(server.port), str(_CONNECTIONS)]
    process = subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        if not process.stdout.readline():
            msg = f"the slow clients could not connect to {server.name}"
            raise ServerError(msg)
        time.sleep(0.2)  # the server's accepting of a thousand connections is not what is measured
        yield
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
