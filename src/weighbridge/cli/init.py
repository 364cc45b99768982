"""`weighbridge init`: a commented configuration to start from."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli.config_file import DEFAULT_CONFIG
from weighbridge.cli.console import EXIT_ENVIRONMENT, CliError, note


def init(
    path: Annotated[Path, typer.Option("--path", help="Where to write it.")] = DEFAULT_CONFIG,
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Write a commented configuration file."""
    from weighbridge.config.template import initial_config

    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(initial_config())
    except FileExistsError:
        raise CliError(f"{path} is there already", advice="--force overwrites it; --path writes elsewhere") from None
    except OSError as error:
        advice = "choose a directory that exists and that you may write to, with --path"
        raise CliError(f"cannot write {path}: {error.strerror}", advice=advice, exit_code=EXIT_ENVIRONMENT) from None
    option = "" if path == DEFAULT_CONFIG else f" --config {path}"
    note(f"wrote {path}\nnext: weighbridge check-config{option}\n      weighbridge serve{option}")
