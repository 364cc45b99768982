"""The store of a data directory, for commands that read or change it while the gateway runs or not."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.cli.config_file import read_config
from weighbridge.cli.console import EXIT_ENVIRONMENT, CliError
from weighbridge.core.clock import SystemClock

if TYPE_CHECKING:  # SQLAlchemy takes longer to import than `--help` may take
    from weighbridge.config.schema import Config
    from weighbridge.storage.store import Store


def database_url(config: Config, data_dir: Path) -> str:
    """Where a gateway of this configuration keeps what it knows: the database that it names, else SQLite in its data directory."""
    from weighbridge.storage.engine import sqlite_url

    return config.database.reveal() if config.database is not None else sqlite_url(data_dir)


@contextmanager
def open_store(config: Path | None, data_dir: Path | None, *, make: bool) -> Iterator[Store]:
    """The store that a gateway of this configuration or data directory has, its failures turned into `CliError`. `make` allows
    for a directory without one yet."""
    from weighbridge.storage.engine import DATABASE_FILE, sqlite_url
    from weighbridge.storage.errors import KeyNameTakenError, KeyNotFoundError, StorageError
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
    except (KeyNotFoundError, KeyNameTakenError, ValueError) as error:
        raise CliError(str(error)) from None
    except StorageError as error:
        raise CliError(str(error), exit_code=EXIT_ENVIRONMENT) from None
