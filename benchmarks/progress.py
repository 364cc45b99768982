"""What the harness is doing, on the terminal. Nothing is drawn between steps: a refreshing thread would be measured too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class Step(Protocol):
    """Says what is measured next, and that what was measured before is done."""

    def __call__(self, text: str, /) -> None: ...


@contextmanager
def steps(console: Console, title: str, total: int) -> Iterator[Step]:
    """A bar of `total` steps that disappears at the end."""
    columns = (TextColumn(f"{title}:"), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        task = progress.add_task("", total=total, completed=-1)

        def step(text: str, /) -> None:
            progress.update(task, advance=1, description=text, refresh=True)

        yield step
