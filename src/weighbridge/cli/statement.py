"""`weighbridge statement`: a customer's month to be filed, whether the gateway runs or not."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli.config_file import ConfigOption, DataDirOption
from weighbridge.cli.console import CliError, Maker, deliver, note, show_table
from weighbridge.cli.data_store import open_store
from weighbridge.core.clock import NS_PER_S, SystemClock
from weighbridge.core.codec import pretty_json

if TYPE_CHECKING:  # SQLAlchemy takes longer to import than `--help` may take
    from weighbridge.core.allowances import Scope
    from weighbridge.storage.statements import Statement

_FORMATS = ("table", "json", "csv", "parquet", "html")


def statement(
    month: Annotated[str, typer.Argument(help="Of UTC: 2026-11.")],
    payer: Annotated[
        str, typer.Option("--for", help="`team:search`, `organisation:acme`, `user:…`, `key:…` by its id.")
    ] = "gateway",
    form: Annotated[str, typer.Option("--format", "-f", help="table, json, csv, parquet, or html to print.")] = "table",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file.", show_default="standard output")] = None,
    *,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show what a customer used in a month, and pays for it."""
    from weighbridge.control.statement_pages import as_csv, as_html, as_json, as_parquet
    from weighbridge.storage.statements import parse_month
    from weighbridge.storage.statements import statement as made

    if form not in _FORMATS:
        raise CliError(f"{form!r} is no format: one is {', '.join(_FORMATS)}")
    with open_store(config, data_dir, make=False) as store:
        whose, when = _payer(payer), parse_month(month)
        corrections = store.corrections.made_in(when.start_s, when.end_s, whose)
        found = made(store.ledger, whose, when, SystemClock.wall_ns() // NS_PER_S, corrections)
        names = {key.id: key.name for key in store.live_keys()}
    if form == "table":
        _show(found)
        return
    told: dict[str, Maker] = {
        "json": lambda: pretty_json(as_json(found, names)),
        "csv": lambda: as_csv(found),
        "parquet": lambda: as_parquet(found),
        "html": lambda: as_html(found, names),
    }
    deliver(told[form], output)
    if output is not None:
        note(f"the statement of {payer} for {month} is in {output}")


def _payer(text: str) -> Scope:
    from weighbridge.core.allowances import Scope, ScopeKind
    from weighbridge.storage.statements import PAYERS

    kind, _, name = text.partition(":")
    known = {each.value for each in PAYERS}
    if kind not in known or (kind == ScopeKind.GATEWAY) == bool(name):
        raise CliError(
            f"{text!r} is nobody with a statement: write `gateway`, `team:search`, `organisation:acme`, `user:…` or `key:…`"
        )
    return Scope(ScopeKind(kind), name)


def _show(found: Statement) -> None:
    from weighbridge.control.statement_pages import exact_usd, payer_name

    rows = [
        (
            each.model or "total",
            f"{each.requests:,}",
            f"{each.input:,}",
            f"{each.output:,}",
            exact_usd(each.cost),
            exact_usd(each.charged),
        )
        for each in (*found.lines, found.total)
    ]
    rows += [(f"correction: {each.reason}", "", "", "", exact_usd(each.cost), exact_usd(each.charge)) for each in found.corrections]
    if found.corrections:
        rows.append(("due", "", "", "", "", exact_usd(found.due)))
    title = f"{payer_name(found)}, {found.month}{'' if found.is_over else ' (not over)'}"
    show_table(("model", "requests", "input", "output", "providers, USD", "charged, USD"), rows, title=title)
