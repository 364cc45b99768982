"""`weighbridge archive`: what has been archived, and whether all of it is there, whether the gateway runs or not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import typer

from weighbridge.cli.archive_access import ask_archive
from weighbridge.cli.config_file import ConfigOption, DataDirOption, read_config
from weighbridge.cli.console import CliError, JsonOption, counting, note, say, show_table
from weighbridge.cli.data_store import open_store
from weighbridge.core.codec import pretty_json

if TYPE_CHECKING:  # SQLAlchemy takes longer to import than `--help` may take
    from weighbridge.control.archive import Archive

T = TypeVar("T")

archive_app: Final = typer.Typer(help="Look into the archive of requests, and check it.", no_args_is_help=True)


@archive_app.command("list")
def list_days(*, as_json: JsonOption = False, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """List the days that there are, with their files."""
    found = _asked(config, data_dir, lambda archive: archive.days())
    if as_json:
        say(pretty_json([day._asdict() for day in found]))
        return
    show_table(("day", "files", "bytes"), [(day.day, f"{day.n_files:,}", f"{day.n_bytes:,}") for day in found])


@archive_app.command()
def verify(*, as_json: JsonOption = False, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Read every file, and compare it with what was archived. Exits with 1 if anything is missing or damaged."""
    with counting("files") as tell:
        found = _asked(config, data_dir, lambda archive: archive.verify(tell))
    if as_json:
        say(pretty_json({"is_sound": not found.problems, **found._asdict()}))
    else:
        for problem in found.problems:
            say(problem)
        counted = f"{found.n_files:,} files, {found.n_rows:,} requests, {found.n_erased:,} erased"
        note(f"{'THE ARCHIVE IS NOT WHOLE' if found.problems else 'The archive is whole'}: {counted}")
    if found.problems:
        raise typer.Exit(1)


def _asked(config: Path | None, data_dir: Path | None, ask: Callable[[Archive], Awaitable[T]]) -> T:
    loaded = read_config(config)
    with open_store(config, data_dir, make=False) as store:
        found = ask_archive(loaded, store, ask)
    if found is None:
        raise CliError("the configuration has no archive", advice="say under `ledger.archive` where it is")
    return found
