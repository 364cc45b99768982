"""`weighbridge backup`: a copy of the database and of the journals, while the gateway runs or not."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli.config_file import ConfigOption, DataDirOption, read_config
from weighbridge.cli.console import EXIT_ENVIRONMENT, CliError, note


def backup(
    to: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="Where the copy goes: a directory that is not there, or empty.")],
    *,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Copy the database and the journals into a directory that a gateway can start from."""
    from weighbridge.storage.backup import back_up
    from weighbridge.storage.errors import StorageError

    loaded = read_config(config).config if data_dir is None or config is not None else None
    if loaded is not None and loaded.database is not None:
        raise CliError(
            "the database is PostgreSQL, which has a tool of its own",
            advice="use pg_dump, and copy the `journal` directory before it",
        )
    source = data_dir or (loaded.data_dir if loaded is not None else Path())
    try:
        copied = back_up(source, to, lambda share: note(f"the database: {share} %"))
    except FileNotFoundError:
        raise CliError(f"there is no database in {source}", advice="name the gateway's data directory with --data-dir") from None
    except FileExistsError:
        raise CliError(f"{to} is not empty") from None
    except StorageError as error:
        raise CliError(str(error), exit_code=EXIT_ENVIRONMENT) from None
    except OSError as error:
        raise CliError(f"{to} cannot be written: {error.strerror}", exit_code=EXIT_ENVIRONMENT) from None
    note(f"{copied.n_bytes:,} bytes of database and {copied.n_segments} journal files are in {to}")
