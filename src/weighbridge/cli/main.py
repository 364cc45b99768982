"""The entry point `weighbridge`: `serve`, the other commands where they are, and what becomes of their failures."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from weighbridge.cli.commands import Commands
from weighbridge.cli.config_file import ConfigOption, DataDirOption, chosen_config
from weighbridge.cli.console import CliError, report

app: Final = typer.Typer(
    name="weighbridge",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    # A traceback with locals would print keys.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def weighbridge() -> None:
    """A self-hosted AI API gateway."""


@app.command()
def serve(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.", show_default="as configured")] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", "-p", min=0, max=65_535, help="Port; 0 takes a free one.", show_default="as configured"),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", "-w", min=1, help="Data-plane processes.", show_default="as configured"),
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Start the gateway."""
    from weighbridge.app.collector import held_off

    with held_off():
        from weighbridge.cli.serve import run_gateway

        run_gateway(config_path=chosen_config(config), host=host, port=port, workers=workers, data_dir=data_dir)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; `arguments` default to the process's own. Always ends in `SystemExit` (codes: docs/reference/cli.md)."""
    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="weighbridge")
    except CliError as error:
        report(error)
        sys.exit(error.exit_code)
