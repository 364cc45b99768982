"""The data plane's p99 under full load while ten tabs show the dashboard and refresh, against its p99 without them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

from rich.console import Console

from benchmarks.findings import Section, raw, verdict
from benchmarks.load import Sample, body_file, measure, verify
from benchmarks.messages import SMALL
from benchmarks.progress import Step, steps
from benchmarks.rig import Options, Rig
from benchmarks.servers import GATEWAY, REPOSITORY, Server, ServerError
from benchmarks.targets import DASHBOARDS_P99_RATIO

_TABS: Final = 10
_CONNECTIONS: Final = 64
_ROUNDS, _SECONDS = 7, 10
_QUICK_ROUNDS, _QUICK_SECONDS = 1, 5


def run(rig: Rig, options: Options, console: Console) -> Section:
    """Bursts of full load with and without the tabs, in turns."""
    server = next((each for each in rig.measured if each.name == GATEWAY), None)
    if server is None:
        msg = "there is no dashboard without the gateway"
        raise ServerError(msg)
    rounds, seconds = (_QUICK_ROUNDS, _QUICK_SECONDS) if options.quick else (_ROUNDS, _SECONDS)
    with steps(console, "dashboards", rounds) as step:
        alone, beside = _bursts(server, rig.directory / GATEWAY / "data" / "admin.key", rounds, seconds, step)
    ratio = median([watched.p99_us / free.p99_us for watched, free in zip(beside, alone, strict=True)])
    return Section(
        name="dashboards",
        title=f"Latency at {_CONNECTIONS} connections while {_TABS} tabs show the dashboard",
        columns=["what", "p50 µs", "p99 µs", "requests/s", "CPU µs", "p99 ratio", "target", "verdict"],
        rows=[
            ["alone", *_medians(alone), None, "", ""],
            ["beside tabs", *_medians(beside), ratio, f"≤ {DASHBOARDS_P99_RATIO:g}", verdict(ratio, DASHBOARDS_P99_RATIO)],
        ],
        notes=[f"Medians of {rounds} rounds of {seconds} s each with and without. Control plane and worker share one CPU."],
        samples=[raw(sample) for sample in (*alone, *beside)],
    )


def _bursts(server: Server, key: Path, rounds: int, seconds: int, step: Step) -> tuple[list[Sample], list[Sample]]:
    verify(server, SMALL)
    alone: list[Sample] = []
    beside: list[Sample] = []
    with body_file(SMALL) as body:
        measure(server, body, connections=_CONNECTIONS, seconds=seconds)  # so that there is something to be shown
        for number in range(rounds):
            step(f"round {number + 1}")
            alone.append(measure(server, body, connections=_CONNECTIONS, seconds=seconds))
            with _tabs(server, key):
                beside.append(measure(server, body, connections=_CONNECTIONS, seconds=seconds))
    return alone, beside


@contextlib.contextmanager
def _tabs(server: Server, key: Path) -> Iterator[None]:
    argv = [sys.executable, "-m", "benchmarks.watching_tabs", server.host, str(server.port), str(key), str(_TABS)]
    process = subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        if not process.stdout.readline():
            msg = "the dashboard's questions were not answered"
            raise ServerError(msg)
        yield
        if process.poll() is not None:
            msg = "the dashboard's questions were not answered under load"
            raise ServerError(msg)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _medians(samples: list[Sample]) -> list[float | None]:
    cpu = [sample.cpu_us_per_request for sample in samples if sample.cpu_us_per_request is not None]
    return [
        median([sample.p50_us for sample in samples]),
        median([sample.p99_us for sample in samples]),
        median([sample.requests_per_s for sample in samples]),
        median(cpu) if cpu else None,
    ]
