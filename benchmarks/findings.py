"""Results as data: a section for each program, with rows, targets and verdicts, kept in a JSON file and shown as tables."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.machine import description

Value = str | int | float | None
MET, MISSED = "met", "missed"


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One program's results. `samples` keeps what the rows were made from, as the program's own structs encode."""

    name: str
    title: str
    columns: list[str]
    rows: list[list[Value]]
    notes: list[str] = []
    samples: list[msgspec.Raw] = []
    machine: str = msgspec.field(default_factory=description)
    measured_at: str = msgspec.field(default_factory=lambda: dt.datetime.now(dt.UTC).isoformat(timespec="seconds"))


def verdict(value: float | None, limit: float | None) -> str:
    """`met` or `missed`; empty where there is nothing to judge."""
    if value is None or limit is None:
        return ""
    return MET if value <= limit else MISSED


def raw(sample: msgspec.Struct) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(sample))


def read(path: Path) -> dict[str, Section]:
    """The sections kept in a file, by name; none where there is no file."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Section]) if path.exists() else {}


def keep(section: Section, path: Path) -> None:
    """Put a section into a file and leave the others in it as they are."""
    sections = {**read(path), section.name: section}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(sections), indent=1) + b"\n")


def show(section: Section, console: Console) -> None:
    """Print a section as a table."""
    table = Table(title=section.title, title_justify="left")
    for column in section.columns:
        table.add_column(column, justify="left" if column in {"request", "server", "what"} else "right")
    for row in section.rows:
        table.add_row(*(_coloured(_text(value)) for value in row))
    console.print(table)
    for note in section.notes:
        console.print(note, style="dim")


def markdown(sections: dict[str, Section]) -> str:
    """All sections as Markdown tables."""
    return "\n".join(_markdown(section) for section in sections.values())


def _markdown(section: Section) -> str:
    lines = [f"### {section.title}", "", "| " + " | ".join(section.columns) + " |", "|" + "---|" * len(section.columns)]
    lines += ["| " + " | ".join(_text(value) for value in row) + " |" for row in section.rows]
    lines += ["", *section.notes, f"Measured {section.measured_at} on {section.machine}.", ""]
    return "\n".join(lines)


def _coloured(text: str) -> str:
    styles = {MET: f"[green]{MET}[/green]", MISSED: f"[bold red]{MISSED}[/bold red]"}
    return styles.get(text, text)


def _text(value: Value) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) < 10 else f"{value:,.1f}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else value
