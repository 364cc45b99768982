"""Which configuration a command uses, and how its errors are shown."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from weighbridge.cli.console import CliError

if TYPE_CHECKING:  # the configuration needs pydantic and YAML, which `--help` must not wait for
    from weighbridge.config.load import LoadedConfig

DEFAULT_CONFIG: Final = Path("weighbridge.yaml")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration file.", show_default="weighbridge.yaml here, if there is one"),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where the database and the key files are.", show_default="what the configuration says"),
]


def chosen_config(option: Path | None) -> Path | None:
    """The file that was asked for, else `weighbridge.yaml` in the working directory if it is there, else None."""
    if option is not None:
        return option
    return DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None


def read_config(option: Path | None) -> LoadedConfig:
    """Load the chosen configuration. Raises `CliError` with all problems, each with its place and a suggestion."""
    from weighbridge.config.load import load_config

    return load_or_explain(lambda: load_config(chosen_config(option)))


def load_or_explain(load: Callable[[], LoadedConfig]) -> LoadedConfig:
    """What `load` gives; its `ConfigError` as a `CliError` with all problems."""
    from weighbridge.config.problems import ConfigError

    try:
        return load()
    except ConfigError as error:
        count = len(error.problems)
        problems = "\n".join(f"  {problem.render(error.source)}" for problem in error.problems)
        raise CliError(f"the configuration has {count} problem{'' if count == 1 else 's'}:\n{problems}") from None
