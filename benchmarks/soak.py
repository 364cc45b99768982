"""Memory over a million requests: it must end where it stood after the first tenth."""

from __future__ import annotations

from pathlib import Path

import msgspec
from rich.console import Console

from benchmarks.accounting import TreeUsage, busiest, rss_bytes, tree_usage
from benchmarks.findings import Section, Value, raw, verdict
from benchmarks.load import body_file, measure, verify
from benchmarks.messages import SMALL
from benchmarks.progress import Step, steps
from benchmarks.rig import Options, Rig
from benchmarks.servers import GATEWAY, Server, ServerError
from benchmarks.targets import SOAK_GROWTH_MB, WORKER_RSS_MB

_REQUESTS, _QUICK_REQUESTS = 1_000_000, 100_000
_READINGS = 10
_CONNECTIONS = 64


class Reading(msgspec.Struct, frozen=True):
    """Resident memory after so many requests: of the process that does the work, and of its whole tree."""

    server: str
    requests: int
    worker_mb: float
    tree_mb: float


def run(rig: Rig, options: Options, console: Console) -> Section:
    """Readings after every tenth of the requests, on every server whose processes can be seen."""
    total = _QUICK_REQUESTS if options.quick else _REQUESTS
    servers = [server for server in rig.measured if server.root_pid is not None]
    with steps(console, "soak", _READINGS * len(servers)) as step:
        soaked = [_soak(server, total, step) for server in servers]
    columns = ["server", *(f"{total * (n + 1) // _READINGS // 1000:,}k" for n in range(_READINGS))]
    return Section(
        name="soak",
        title=f"Worker's resident memory in MB over {total:,} requests of 0.6 kB",
        columns=[*columns, "tree MB", "target", "verdict"],
        rows=[_row(readings) for readings in soaked],
        notes=["The worker is the process that used most CPU; the tree holds the supervising parent too."],
        samples=[raw(reading) for readings in soaked for reading in readings],
    )


def _soak(server: Server, total: int, step: Step) -> list[Reading]:
    verify(server, SMALL)
    assert server.root_pid is not None
    start = tree_usage(server.root_pid)
    readings: list[Reading] = []
    done = 0
    with body_file(SMALL) as body:
        for n in range(_READINGS):
            step(f"{server.name}, {done:,} requests")
            done += _load(server, body, total * (n + 1) // _READINGS - done)
            readings.append(_reading(server.name, done, start, tree_usage(server.root_pid)))
    return readings


def _load(server: Server, body: Path, wanted: int) -> int:
    """At least `wanted` requests, in bursts of whole seconds, as wrk takes its time."""
    done, seconds = 0, 1
    while done < wanted:
        sample = measure(server, body, connections=_CONNECTIONS, seconds=seconds)
        if sample.failures or not sample.requests:
            msg = f"{server.name}: {sample.failures} of {sample.requests} requests failed"
            raise ServerError(msg)
        done += sample.requests
        seconds = max(1, round((wanted - done) / sample.requests_per_s))
    return done


def _reading(server: str, requests: int, start: TreeUsage, now: TreeUsage) -> Reading:
    worker = now[busiest(start, now)]
    return Reading(server, requests, worker.rss_bytes / 1e6, rss_bytes(now) / 1e6)


def _row(readings: list[Reading]) -> list[Value]:
    worker = [reading.worker_mb for reading in readings]
    within = verdict(max(worker), WORKER_RSS_MB)
    flat = verdict(worker[-1] - worker[0], SOAK_GROWTH_MB)
    judged = readings[0].server == GATEWAY
    return [
        readings[0].server,
        *worker,
        readings[-1].tree_mb,
        f"≤ {WORKER_RSS_MB:g} MB, growth ≤ {SOAK_GROWTH_MB:g} MB" if judged else "",
        max(within, flat) if judged else "",  # "met" < "missed"
    ]
