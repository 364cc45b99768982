"""How commands speak: results on standard output, everything else on standard error, and exit codes that scripts can use."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from weighbridge.core.errors import GatewayError

EXIT_WRONG_INPUT: Final = 1
"""The configuration or a name or a value is wrong."""
EXIT_USAGE: Final = 2
"""The command line is wrong (Typer's own)."""
EXIT_ENVIRONMENT: Final = 3
"""The machine does not allow it: a directory that cannot be written, a database that is locked, a port in use."""

_PIPE_WIDTH: Final = 200
"""Columns of a table that goes to a file or another program, where 80 would cut ids in two."""


JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class CliError(Exception):
    """An expected failure: `message` says what is wrong, `advice` what to do about it. No traceback is shown."""

    def __init__(self, message: str, *, advice: str = "", exit_code: int = EXIT_WRONG_INPUT) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.exit_code = exit_code


def say(text: str) -> None:
    """A result, on standard output, as it stands."""
    typer.echo(text)


Maker = Callable[[], str | bytes]
"""Makes a result, when it is known that it is wanted."""


def deliver(make: Maker, output: Path | None) -> None:
    """A result, into a file or on standard output; bytes only into a file. Raises `CliError`, also for what `make` refuses."""
    try:
        told = make()
    except GatewayError as error:
        raise CliError(error.public, exit_code=EXIT_ENVIRONMENT) from None
    if output is None:
        if isinstance(told, bytes):
            raise CliError("Parquet is not for a screen", advice="name a file with --output")
        say(told)
        return
    try:
        output.write_bytes(told if isinstance(told, bytes) else told.encode())
    except OSError as error:
        raise CliError(f"{output} cannot be written: {error.strerror}", exit_code=EXIT_ENVIRONMENT) from None


def note(text: str) -> None:
    """Something for the person at the screen, on standard error, so that a pipe gets results only."""
    typer.echo(text, err=True)


def report(error: CliError) -> None:
    """Show an expected failure."""
    typer.secho("error: ", fg=typer.colors.RED, bold=True, nl=False, err=True)
    note(error.message)
    if error.advice:
        note(error.advice)


def first_problem(error: object) -> str:
    """What is wrong first, as `period: must be …`."""
    from pydantic import ValidationError

    assert isinstance(error, ValidationError)
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], None]]:
    """Shows how far a long command is, where somebody looks: give it how many of them were dealt with."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn(f"{{task.completed:,}} {what}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda n: progress.update(task, completed=n)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> None:
    """A table on standard output. Cells are text as it stands, not markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPE_WIDTH)
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)
