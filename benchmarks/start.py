"""Time from starting the program to its first ready answer, in a new data directory and in one that is there."""

from __future__ import annotations

import time
from statistics import median

from rich.console import Console

from benchmarks.findings import Section, Value, verdict
from benchmarks.progress import Step, steps
from benchmarks.rig import Options, Rig
from benchmarks.servers import GATEWAY, NGINX, Launch, gateway_launch, nginx_installed, nginx_launch, started
from benchmarks.targets import START_S

_STARTS, _QUICK_STARTS = 5, 1


def run(rig: Rig, options: Options, console: Console) -> Section:
    """Seconds until ready, for the servers that this harness starts itself; the rig's own run beside them, idle."""
    starts = _QUICK_STARTS if options.quick else _STARTS
    with steps(console, "start", 4 * starts) as step:
        rows: list[list[Value]] = []
        if options.gateway:
            fresh = [gateway_launch(rig.directory / f"new-{n}", upstream_port=rig.upstream.port) for n in range(starts)]
            rows.append(_row(GATEWAY, "new data directory", fresh, step))
            rows.append(_row(GATEWAY, "existing data directory", fresh, step))
        if options.nginx and nginx_installed():
            again = [nginx_launch(rig.directory / f"nginx-{n}", upstream_port=rig.upstream.port) for n in range(starts)]
            rows.append(_row(NGINX, "", again, step))
    return Section(
        name="start",
        title="From exec to ready",
        columns=["server", "what", "median s", "slowest s", "target", "verdict"],
        rows=rows,
        notes=[f"{starts} starts each; byte code compiled before, files in the page cache."],
    )


def _row(name: str, what: str, launches: list[Launch], step: Step) -> list[Value]:
    taken = []
    for launch in launches:
        step(f"{name} {what}")
        taken.append(_seconds_until_ready(launch))
    judged = name == GATEWAY
    return [
        *(name, what, median(taken), max(taken)),
        f"≤ {START_S:g} s" if judged else "",
        verdict(max(taken), START_S) if judged else "",
    ]


def _seconds_until_ready(launch: Launch) -> float:
    began = time.monotonic()
    with started(launch):
        return time.monotonic() - began
