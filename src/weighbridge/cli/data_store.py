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
    from weighbridge.storage.store import Store


@contextmanager
def open_store(config: Path | None, data_dir: Path | None, *, make: bool) -> Iterator[Store]:
    """The data directory's store, its failures turned into `CliError`. `make` allows for one that is not there yet."""
    from weighbridge.storage.engine import DATABASE_FILE, sqlite_url
    from weighbridge.storage.errors import KeyNameTakenError, KeyNotFoundError, StorageError
    from weighbridge.storage.store import Store

    directory = data_dir if data_dir is not None else read_config(config).config.data_dir
    if not make and not (directory / DATABASE_FILE).exists():
        raise CliError(f"there is no database in {directory}", advice="name the gateway's data directory with --data-dir")
    try:
        store = Store.open(sqlite_url(directory), SystemClock())
        try:
            store.migrate()
            yield store
        finally:
            store.close()
    except (KeyNotFoundError, KeyNameTakenError, ValueError) as error:
        raise CliError(str(error)) from None
    except StorageError as error:
        raise CliError(str(error), exit_code=EXIT_ENVIRONMENT) from None
