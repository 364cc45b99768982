"""The command line: `python -m benchmarks [PROGRAM] [OPTIONS]`."""

from __future__ import annotations

import enum
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import (
    dashboards,
    idle,
    latency,
    matrix,
    routing,
    slow_reader,
    slowloris,
    soak,
    start,
    steps,
    stream_latency,
    translated,
    translation,
)
from benchmarks.accounting import foreign_cpus, machine_usage
from benchmarks.findings import Section, keep, markdown, read, show
from benchmarks.rig import BULK_BYTES, Options, Rig, running
from benchmarks.servers import ServerError


class Program(enum.StrEnum):
    """What can be run; `table` renders kept results and measures nothing."""

    MATRIX = "matrix"
    LATENCY = "latency"
    STREAM_LATENCY = "stream-latency"
    IDLE = "idle"
    SLOWLORIS = "slowloris"
    SLOW_READER = "slow-reader"
    SOAK = "soak"
    START = "start"
    STEPS = "steps"
    TRANSLATION = "translation"
    TRANSLATED = "translated"
    ROUTING = "routing"
    DASHBOARDS = "dashboards"
    ALL = "all"
    TABLE = "table"


MEASUREMENTS: dict[Program, Callable[[Rig, Options, Console], Section]] = {
    Program.MATRIX: matrix.run,
    Program.LATENCY: latency.run,
    Program.STREAM_LATENCY: stream_latency.run,
    Program.IDLE: idle.run,
    Program.SLOWLORIS: slowloris.run,
    Program.SLOW_READER: slow_reader.run,
    Program.SOAK: soak.run,
    Program.START: start.run,
    Program.STEPS: steps.run,
    Program.TRANSLATION: translation.run,
    Program.TRANSLATED: translated.run,
    Program.ROUTING: routing.run,
    Program.DASHBOARDS: dashboards.run,
}
_RESULTS = re.compile(r"(<!-- results -->\n).*?(<!-- end of results -->)", re.DOTALL)
_FAILED = 1
_FILE_WIDTH = 160

# Into a file or a pipe, tables must not be squeezed to a terminal's 80 columns.
console = Console() if sys.stdout.isatty() else Console(width=_FILE_WIDTH)


def main(
    program: Annotated[Program, typer.Argument(help="What to run.")] = Program.MATRIX,
    *,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run: short, figures not to be quoted.")] = False,
    gateway: Annotated[bool, typer.Option(help="Measure the gateway.")] = True,
    nginx: Annotated[bool, typer.Option(help="Measure nginx beside it, where it is installed.")] = True,
    against: Annotated[list[str] | None, typer.Option(metavar="NAME=URL", help="Measure a running server too.")] = None,
    upstream_port: Annotated[int, typer.Option(help="A fixed port for the upstream, for servers named by --against.")] = 0,
    bulk_bytes: Annotated[int, typer.Option(help="Size of the slow reader's stream.")] = BULK_BYTES,
    json: Annotated[Path | None, typer.Option(help="Keep the results in this file, beside those of other programs.")] = None,
    into: Annotated[Path | None, typer.Option(help="With `table`: the page whose results are replaced.")] = None,
) -> None:
    """Measure what the gateway costs, beside nginx as a bare proxy.

    matrix: CPU per request over bodies, streams and connections. latency: time added at low load. stream-latency: how long
    a chunk stays inside. idle: memory of 10,000 idle connections. slowloris: p99 while 1,000 clients drip their headers.
    slow-reader: memory while a gigabyte flows. soak: memory over a million requests. start: time until ready.
    steps: Python's own share of an exchange, without kernel and event loop, which repeats on a busy machine.
    translation: what it takes to translate between dialects. translated: CPU per request of a whole translated exchange.
    dashboards: p99 while ten tabs show the dashboard.
    all: every one of them. table: Markdown of the results kept in --json.
    """
    if program is Program.TABLE:
        render_table(json, into)
        return
    options = Options(
        gateway=gateway,
        nginx=nginx,
        against=tuple(against or ()),
        upstream_port=upstream_port,
        quick=quick,
        bulk_bytes=bulk_bytes,
    )
    measure(options, json, MEASUREMENTS if program is Program.ALL else [program])


def measure(options: Options, json: Path | None, programs: Iterable[Program]) -> None:
    """Run programs, each on freshly started servers, so that none inherits another's memory."""
    # Ended by SIGTERM, the harness must still stop its servers, which live in sessions of their own.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(_FAILED))
    failed = False
    for program in programs:
        before, started = machine_usage(), time.monotonic()
        try:
            with running(options) as rig:
                section = MEASUREMENTS[program](rig, options, console)
        except ServerError as error:
            console.print(f"{program}: {error}", style="bold red", markup=False)
            failed = True
            continue
        foreign = foreign_cpus(before, machine_usage(), time.monotonic() - started)
        section.notes.append(f"Meanwhile everything else on the machine kept {foreign:.2f} CPUs busy.")
        if options.quick:
            section.notes.append("A quick run: not to be quoted.")
        show(section, console)
        if json is not None:
            keep(section, json)
    if failed:
        raise typer.Exit(_FAILED)


def render_table(json: Path | None, into: Path | None) -> None:
    """Print kept results as Markdown, or put them between the markers of a page."""
    if json is None or not json.exists():
        console.print("table needs --json FILE with kept results", style="bold red")
        raise typer.Exit(_FAILED)
    tables = markdown(read(json))
    if into is None:
        print(tables)
        return
    page, replaced = _RESULTS.subn(lambda found: f"{found[1]}\n{tables}\n{found[2]}", into.read_text())
    if not replaced:
        console.print(f"{into} has no `<!-- results -->` to fill", style="bold red")
        raise typer.Exit(_FAILED)
    into.write_text(page)


if __name__ == "__main__":
    typer.run(main)
