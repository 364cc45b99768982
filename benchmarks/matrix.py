"""CPU per request over bodies, streams and connections: the gateway and nginx in turns, so that a noisy minute hits both."""

from __future__ import annotations

from statistics import median

import msgspec
from rich.console import Console

from benchmarks.findings import Section, Value, raw, verdict
from benchmarks.load import Sample, body_file, measure, verify
from benchmarks.messages import PAYLOADS, SMALL, Payload
from benchmarks.progress import Step, steps
from benchmarks.rig import Options, Rig
from benchmarks.servers import GATEWAY, NGINX
from benchmarks.targets import NGINX_RATIO, SMALL_CPU_CONNECTIONS, SMALL_CPU_US

_COLUMNS = ["request", "conns", "server", "CPU µs", "× nginx", "target", "verdict"]
_COLUMNS += ["requests/s", "core busy", "p50 µs", "p99 µs", "RSS MB", "failures"]


class Plan(msgspec.Struct, frozen=True):
    """How much is measured: 15 cells × 3 rounds × 2 s for each server stay under four minutes with two servers."""

    connections: tuple[int, ...]
    rounds: int
    seconds: int


STANDARD = Plan(connections=(1, 8, 64), rounds=3, seconds=2)
QUICK = Plan(connections=(1, 64), rounds=1, seconds=1)


class Cell(msgspec.Struct, frozen=True):
    """One payload at one number of connections, with one list of samples for each server, a sample for each round."""

    payload: str
    connections: int
    samples: dict[str, list[Sample]]


def run(rig: Rig, options: Options, console: Console) -> Section:
    """Every cell on every server; raises ServerError where a reply is not the upstream's."""
    plan = QUICK if options.quick else STANDARD
    total = len(PAYLOADS) * len(plan.connections) * plan.rounds * len(rig.measured)
    with steps(console, "matrix", total) as step:
        cells = [_cell(rig, payload, count, plan, step) for payload in PAYLOADS for count in plan.connections]
    return Section(
        name="matrix",
        title="CPU per request, whole process tree",
        columns=_COLUMNS,
        rows=[_row(cell, server.name) for cell in cells for server in rig.measured],
        notes=[
            f"Rounds of {plan.seconds} s: {plan.rounds}. Figures are their medians, the ratio that of each round's own ratio.",
            "Core busy is the share of one core that the server used while loaded.",
        ],
        samples=[raw(cell) for cell in cells],
    )


def _cell(rig: Rig, payload: Payload, connections: int, plan: Plan, step: Step) -> Cell:
    samples: dict[str, list[Sample]] = {server.name: [] for server in rig.measured}
    for server in rig.measured:
        verify(server, payload)
    with body_file(payload) as body:
        for _ in range(plan.rounds):
            for server in rig.measured:
                step(f"{payload.name}, {connections} connections, {server.name}")
                samples[server.name].append(measure(server, body, connections=connections, seconds=plan.seconds))
    return Cell(payload.name, connections, samples)


def _row(cell: Cell, server: str) -> list[Value]:
    samples = cell.samples[server]
    cpu_us = _median_of([sample.cpu_us_per_request for sample in samples])
    ratio = _ratio(cell, server)
    failures = sum(sample.failures for sample in samples)
    target, judgement = _judge(cell, cpu_us, ratio) if server == GATEWAY else ("", "")
    return [
        *(cell.payload, cell.connections, server, cpu_us, ratio, target, judgement),
        median([sample.requests_per_s for sample in samples]),
        _median_of([sample.cpu_busy for sample in samples]),
        median([sample.p50_us for sample in samples]),
        median([sample.p99_us for sample in samples]),
        _median_of([sample.rss_mb for sample in samples]),
        failures,
    ]


def _judge(cell: Cell, cpu_us: float | None, ratio: float | None) -> tuple[str, str]:
    limit = NGINX_RATIO[cell.payload]
    targets, verdicts = [f"≤ {limit:g} ×"], [verdict(ratio, limit)]
    if cell.payload == SMALL.name and cell.connections == SMALL_CPU_CONNECTIONS:
        targets.append(f"≤ {SMALL_CPU_US:g} µs")
        verdicts.append(verdict(cpu_us, SMALL_CPU_US))
    # A reply that failed cost less than one that did not: such a cell proves nothing.
    broken = any(sample.failures for samples in cell.samples.values() for sample in samples)
    return ", ".join(targets), "failures" if broken else max(verdicts)  # "" < "met" < "missed"


def _ratio(cell: Cell, server: str) -> float | None:
    if server == NGINX or NGINX not in cell.samples:
        return None
    rounds = zip(cell.samples[server], cell.samples[NGINX], strict=True)
    pairs = [(ours.cpu_us_per_request, theirs.cpu_us_per_request) for ours, theirs in rounds]
    return _median_of([ours / theirs if ours is not None and theirs else None for ours, theirs in pairs])


def _median_of(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
