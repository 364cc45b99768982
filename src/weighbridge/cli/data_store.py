"""The store of a data directory, for commands that read or change it while the gateway runs or not."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from weighbridge.cli.config_file import read_config
from weighbridge.cli.console import EXIT_ENVIRONMENT, CliError
from weighbridge.core.clock import SystemClock
from weighbridge.core.errors import GatewayError

if TYPE_CHECKING:  # SQLAlchemy takes longer to import than `--help` may take
    from weighbridge.config.schema import Config
    from weighbridge.core.allowances import Allowances
    from weighbridge.storage.people_store import Page
    from weighbridge.storage.store import Store
    from weighbridge.storage.transactions import Act

T = TypeVar("T")


def database_url(config: Config, data_dir: Path) -> str:
    """Where a gateway of this configuration keeps what it knows: the database that it names, else SQLite in its data directory."""
    from weighbridge.storage.engine import sqlite_url

    return config.database.reveal() if config.database is not None else sqlite_url(data_dir)


def acting() -> Act:
    """On whose account a command changes something: whoever is logged in on the machine."""
    from weighbridge.storage.transactions import Act

    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        name = "unknown"
    return Act(f"cli:{name}")


def span_of(start: str, end: str) -> tuple[int, int]:
    """A time as commands take it (`-7d`, `2026-11-01`, `now`), as Unix seconds. Raises `CliError`."""
    from weighbridge.control.instants import instant_s

    now = SystemClock.wall_ns()
    try:
        return instant_s(start, now), instant_s(end, now)
    except GatewayError as error:
        raise CliError(error.public) from None


def written_allowances(config: Path | None, data_dir: Path | None) -> Allowances:
    """Budgets and limits of the configuration that a command uses; none where only a data directory is named."""
    from weighbridge.config.allowances import compile_allowances
    from weighbridge.core.allowances import Allowances

    if data_dir is not None and config is None:
        return Allowances()
    return compile_allowances(read_config(config).config)


def every_page(list_page: Callable[..., Page[T]]) -> Iterator[T]:
    """All that a list of the store has."""
    cursor: str | None = None
    while True:
        page = list_page(cursor=cursor)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return


@contextmanager
def open_store(config: Path | None, data_dir: Path | None, *, make: bool) -> Iterator[Store]:
    """The store that a gateway of this configuration or data directory has, its failures turned into `CliError`. `make` allows
    for a directory without one yet."""
    from weighbridge.storage.engine import DATABASE_FILE, sqlite_url
    from weighbridge.storage.errors import (
        InUseError,
        KeyNameTakenError,
        KeyNotFoundError,
        NameTakenError,
        NotFoundError,
        StorageError,
    )
    from weighbridge.storage.store import Store

    chosen = read_config(config).config if data_dir is None or config is not None else None
    directory = data_dir or (chosen.data_dir if chosen is not None else Path())
    url = database_url(chosen, directory) if chosen is not None else sqlite_url(directory)
    if not make and url == sqlite_url(directory) and not (directory / DATABASE_FILE).exists():
        raise CliError(f"there is no database in {directory}", advice="name the gateway's data directory with --data-dir")
    try:
        store = Store.open(url, SystemClock())
        try:
            store.migrate()
            yield store
        finally:
            store.close()
    except (KeyNotFoundError, KeyNameTakenError, NotFoundError, NameTakenError, InUseError, ValueError) as error:
        raise CliError(str(error)) from None
    except StorageError as error:
        raise CliError(str(error), exit_code=EXIT_ENVIRONMENT) from None
