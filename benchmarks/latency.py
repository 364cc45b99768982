"""What a server adds to a request's time at low load: one connection, a thousand requests a second at most."""

from __future__ import annotations

from statistics import median

from rich.console import Console

from benchmarks.distribution import percentile
from benchmarks.findings import Section, Value
from benchmarks.load import verify
from benchmarks.messages import SMALL
from benchmarks.plain_client import latencies_us
from benchmarks.progress import steps
from benchmarks.rig import Options, Rig
from benchmarks.servers import DIRECT

_PAUSE_S = 0.001
_ROUNDS, _REQUESTS = 5, 1000
_QUICK_ROUNDS, _QUICK_REQUESTS = 2, 300


def run(rig: Rig, options: Options, console: Console) -> Section:
    """p50 and p99, direct and through each server, in turns."""
    rounds, requests = (_QUICK_ROUNDS, _QUICK_REQUESTS) if options.quick else (_ROUNDS, _REQUESTS)
    servers = (rig.direct, *rig.measured)
    taken: dict[str, list[list[float]]] = {server.name: [] for server in servers}
    for server in servers:
        verify(server, SMALL)
    with steps(console, "latency", rounds * len(servers)) as step:
        for _ in range(rounds):
            for server in servers:
                step(server.name)
                taken[server.name].append(latencies_us(server, SMALL.body, requests=requests, pause_s=_PAUSE_S))
    return Section(
        name="latency",
        title="Latency at low load, 0.6 kB chat",
        columns=["server", "p50 µs", "p99 µs", "added p50 µs", "added p99 µs"],
        rows=[_row(taken, server.name) for server in servers],
        notes=[f"Medians of {rounds} rounds of {requests} requests on one connection, 1 ms apart."],
    )


def _row(taken: dict[str, list[list[float]]], server: str) -> list[Value]:
    p50, p99 = (median([percentile(run, rank) for run in taken[server]]) for rank in (50, 99))
    if server == DIRECT:
        return [server, p50, p99, None, None]
    added50, added99 = (
        median([percentile(run, rank) - percentile(base, rank) for run, base in zip(taken[server], taken[DIRECT], strict=True)])
        for rank in (50, 99)
    )
    return [server, p50, p99, added50, added99]
