"""What a decision costs with ten targets, for each strategy."""

from __future__ import annotations

import timeit

from rich.console import Console

from benchmarks.findings import Section, Value, verdict
from benchmarks.progress import steps
from benchmarks.rig import Options, Rig
from weighbridge.core.clock import SystemRng
from weighbridge.core.routes import StrategyName
from weighbridge.routing.decide import Wishes, decide
from weighbridge.routing.live import LiveTarget
from weighbridge.routing.members import Branch, Candidate
from weighbridge.routing.strategies import STRATEGIES

_TARGETS = 10
_BATCHES = 30
_QUICK_BATCHES = 5
_TIMES = 2_000
_NOW = 1_000_000_000_000
TARGET_US = 8.0


class _Request:
    """A request whose traits have been found out already: what finding them costs is the request's, not the decision's."""

    is_stream = True
    sticky = b""
    prefixes = [b"%08d" % n for n in range(8)]  # noqa: RUF012 - never changed
    input_tokens = 1_200
    max_output_tokens = 500

    def values(self, names: frozenset[str]) -> dict[str, object]:
        raise NotImplementedError(names)


class _Sticky(_Request):
    sticky = b"user-42"


def run(rig: Rig, options: Options, console: Console) -> Section:  # noqa: ARG001 - needs no server; the same shape as the others
    """The least time of many batches, for each strategy."""
    batches = _QUICK_BATCHES if options.quick else _BATCHES
    cases = [(str(name), name, _Request()) for name in StrategyName] + [("weighted, sticky", StrategyName.WEIGHTED, _Sticky())]
    with steps(console, "routing", len(cases)) as step:
        rows: list[list[Value]] = []
        for title, name, request in cases:
            step(title)
            took = _microseconds(name, request, batches)
            rows.append([title, round(took, 2), verdict(took, TARGET_US)])
    return Section(
        name="routing",
        title=f"A decision among {_TARGETS} targets, all of them well",
        columns=["strategy", "µs", "at most 8 µs"],
        rows=rows,
        notes=["The least of many batches. What a request shows of itself was found out before."],
    )


def _microseconds(name: StrategyName, request: _Request, batches: int) -> float:
    branch = Branch("r", [_candidate(n) for n in range(_TARGETS)], STRATEGIES[name]())
    rng, wishes = SystemRng(1), Wishes()
    timer = timeit.Timer(lambda: decide(branch, request, wishes, rng, _NOW))
    return min(timer.repeat(batches, _TIMES)) / _TIMES * 1e6


def _candidate(n: int) -> Candidate:
    live = LiveTarget(f"p{n}/m")
    live.in_flight, live.first_token_ns, live.measured_ns = n, 1e8 + n, _NOW
    return Candidate(live.id, object(), live, weight=1.0 + n, input_rate=n, output_rate=2 * n)
