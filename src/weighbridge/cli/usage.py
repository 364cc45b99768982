"""`weighbridge usage`: what was used and spent in a time, by any dimension, whether the gateway runs or not."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from weighbridge.cli.config_file import ConfigOption, DataDirOption
from weighbridge.cli.console import CliError, Maker, deliver, note, show_table
from weighbridge.cli.data_store import open_store, span_of
from weighbridge.core.codec import pretty_json
from weighbridge.core.money import Nanousd, format_usd
from weighbridge.storage.usage_rows import MAX_TOP

if TYPE_CHECKING:  # SQLAlchemy takes longer to import than `--help` may take
    from weighbridge.storage.usage_queries import UsageAnswer
    from weighbridge.storage.usage_terms import UsageQuery

_FORMATS: Final = ("table", "json", "csv", "parquet")
_INTERVALS: Final = ("none", "minute", "hour", "day", "month")
_MAX_GROUPS: Final = 2


def usage(
    start: Annotated[str, typer.Option("--from", help="RFC 3339, a date, or relative: -24h, -7d.")] = "-24h",
    end: Annotated[str, typer.Option("--to", help="The end, which is outside.")] = "now",
    by: Annotated[list[str] | None, typer.Option("--by", help="At most two: model, team, key, user, route, provider, …")] = None,
    interval: Annotated[str, typer.Option("--interval", help="none, minute, hour, day or month (UTC).")] = "none",
    where: Annotated[list[str] | None, typer.Option("--where", help="Only of these: `team=search`; repeated.")] = None,
    top: Annotated[
        int | None,
        typer.Option("--top", min=1, max=MAX_TOP, help="Only so many groups, those that come first, and all others as one."),
    ] = None,
    order_by: Annotated[
        str, typer.Option("--order-by", help="What groups have most of that come first: cost, requests, errors, input, …")
    ] = "cost",
    form: Annotated[str, typer.Option("--format", "-f", help="table, json, csv or parquet.")] = "table",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file.", show_default="standard output")] = None,
    *,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show requests, tokens and cost of a time."""
    from weighbridge.control.usage_api import as_csv, as_json, as_parquet
    from weighbridge.storage.usage_queries import usage as answered

    if form not in _FORMATS:
        raise CliError(f"{form!r} is no format: one is {', '.join(_FORMATS)}")
    query = _query(start, end, by or [], interval, where or [], order_by)
    query = query._replace(wants_quantiles=None if form == "json" else False, top=top)
    with open_store(config, data_dir, make=False) as store:
        answer = answered(store.ledger, query)
    if not answer.is_complete:
        note("There is more than can be shown: ask for less time, or by less.")
    if form == "table":
        _show(query, answer)
        return
    told: dict[str, Maker] = {
        "json": lambda: pretty_json(as_json(query, answer)),
        "csv": lambda: as_csv(query, answer),
        "parquet": lambda: as_parquet(query, answer),
    }
    deliver(told[form], output)
    if output is not None:
        note(f"{len(answer.rows):,} rows are in {output}")


def _query(start: str, end: str, by: list[str], interval: str, where: list[str], order_by: str) -> UsageQuery:
    from weighbridge.storage.ledger_sums import SUM_COLUMNS
    from weighbridge.storage.usage_terms import DIMENSIONS, UsageQuery, is_dimension

    if interval not in _INTERVALS:
        raise CliError(f"{interval!r} is no interval: one is {', '.join(_INTERVALS)}")
    if len(by) > _MAX_GROUPS:
        raise CliError("give at most two `--by`")
    filters: dict[str, list[str]] = {}
    for each in where:
        name, _, value = each.partition("=")
        filters.setdefault(name, []).append(value)
    unknown = next((name for name in by if not is_dimension(name)), None) or next((n for n in filters if n not in DIMENSIONS), None)
    if unknown:
        raise CliError(f"{unknown!r} is nothing that usage is known by: {', '.join(DIMENSIONS)}, or (to group) property.<name>")
    if order_by not in SUM_COLUMNS:
        raise CliError(f"{order_by!r} is nothing that groups are ordered by: {', '.join(SUM_COLUMNS)}")
    begins, ends = span_of(start, end)
    wanted = {name: tuple(values) for name, values in filters.items()}
    return UsageQuery(begins, ends, interval, tuple(dict.fromkeys(by)), wanted, order_by=order_by)


def _show(query: UsageQuery, answer: UsageAnswer) -> None:
    from weighbridge.control.instants import rfc3339
    from weighbridge.storage.ledger_sums import SUM_COLUMNS

    columns = ("requests", "errors", "input", "cache_read", "output", "cost", "charged")
    places = [SUM_COLUMNS.index(name) for name in columns]
    head = [*([] if query.interval == "none" else ["from"]), *query.group_by, *(name.replace("_", " ") for name in columns)]
    rows = []
    most = SUM_COLUMNS.index(query.order_by)
    for row in sorted(answer.rows, key=lambda row: (row.start_s or 0, row.is_rest, -row.sums[most])):
        begins = [] if row.start_s is None else [rfc3339(row.start_s)]
        figures = [
            format_usd(Nanousd(row.sums[at])) if name in ("cost", "charged") else f"{row.sums[at]:,}"
            for name, at in zip(columns, places, strict=True)
        ]
        rows.append((*begins, *row.shown_group, *figures))
    show_table(head, rows)
