"""A statement as people file it: a page to print, and a table for a spreadsheet or a warehouse."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from weighbridge.control.usage_api import spreadsheet_text
from weighbridge.core.money import NANO
from weighbridge.storage.statements import Line, Statement
from weighbridge.telemetry.parquet import Column, Kind, encode_parquet

_COLUMNS: Final = (
    "model",
    "requests",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "cost_nanousd",
    "estimated_nanousd",
    "unknown_costs",
    "charged_nanousd",
    "own_key_cost_nanousd",
)
_DOLLAR_COLUMNS: Final = tuple(name.replace("nanousd", "usd") for name in _COLUMNS)
Names = Mapping[str, str]
"""What keys are called, by their ids."""


def as_json(found: Statement, names: Names) -> dict[str, object]:
    """As the API gives it."""
    return {
        "payer": {"kind": found.payer.kind.value, "name": found.payer.name},
        "month": str(found.month),
        "is_over": found.is_over,
        "lines": [_named(line) for line in found.lines],
        "total": {name: value for name, value in _named(found.total).items() if name != "model"},
        "corrections": [
            {"id": each.id, "reason": each.reason, "cost_nanousd": each.cost, "charged_nanousd": each.charge}
            for each in found.corrections
        ],
        "due_nanousd": found.due,
        "divided_by": found.divided_by,
        "parts": [{"name": names.get(line.model, line.model), **_figures(line)} for line in found.parts],
    }


def as_csv(found: Statement) -> str:
    """A line for each model and each correction; amounts in dollars, exact to the nano-dollar."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["month", "payer", *_DOLLAR_COLUMNS])
    for line in _table(found):
        told = [exact_usd(value) if "_usd" in name else value for name, value in zip(_DOLLAR_COLUMNS[1:], line[1:], strict=True)]
        writer.writerow([str(found.month), spreadsheet_text(payer_name(found)), spreadsheet_text(line.model), *told])
    return text.getvalue()


def as_parquet(found: Statement) -> bytes:
    """The same table, with exact dollars as decimals. Raises `GatewayError` NOT_IMPLEMENTED where the extra is not installed."""
    kinds = [Kind.DOLLARS if name.endswith("_usd") else Kind.WHOLE for name in _DOLLAR_COLUMNS[1:]]
    columns = [Column(name, Kind.TEXT) for name in ("month", "payer", "model")]
    columns += [Column(name, kind) for name, kind in zip(_DOLLAR_COLUMNS[1:], kinds, strict=True)]
    rows = [(str(found.month), payer_name(found), *line) for line in _table(found)]
    return encode_parquet(columns, rows, {"weighbridge.is_over": str(found.is_over).lower()})


def as_html(found: Statement, names: Names) -> str:
    """A page that prints on A4, without anything from elsewhere."""
    templates = Environment(loader=PackageLoader(__package__, "templates"), autoescape=True, undefined=StrictUndefined)
    templates.filters["usd"] = exact_usd
    templates.filters["grouped"] = lambda value: f"{value:,}"
    page = templates.get_template("statement.html")
    return page.render(found=found, payer=payer_name(found), names=names, has_cost=found.total.cost != found.total.charged)


def payer_name(found: Statement) -> str:
    """`team search`, or `everybody`."""
    return f"{found.payer.kind.value} {found.payer.name}" if found.payer.name else "everybody"


def exact_usd(nanousd: int) -> str:
    """All digits that there are, and two at least: `1.50`, `0.000000001`."""
    sign = "-" if nanousd < 0 else ""
    dollars, nano = divmod(abs(nanousd), NANO)
    digits = f"{nano:09}".rstrip("0").ljust(2, "0")
    return f"{sign}{dollars}.{digits}"


def _table(found: Statement) -> Iterator[Line]:
    """A line for each model and each correction."""
    yield from found.lines
    for each in found.corrections:
        yield Line(f"correction: {each.reason}", 0, 0, 0, 0, 0, each.cost, 0, 0, each.charge, 0)


def _named(line: Line) -> dict[str, object]:
    return dict(zip(_COLUMNS, line, strict=True))


def _figures(line: Line) -> dict[str, object]:
    return dict(zip(_COLUMNS[1:], line[1:], strict=True))
