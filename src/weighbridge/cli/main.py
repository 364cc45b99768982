"""The entry point `weighbridge`: the commands and what becomes of their failures."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from weighbridge.cli.archive import archive_app
from weighbridge.cli.audit import audit
from weighbridge.cli.backup import backup
from weighbridge.cli.budgets import budgets_app
from weighbridge.cli.check_config import check_config
from weighbridge.cli.config_file import ConfigOption, DataDirOption, chosen_config
from weighbridge.cli.console import CliError, report
from weighbridge.cli.credits import credits_app
from weighbridge.cli.erase import erase
from weighbridge.cli.explain import explain
from weighbridge.cli.init import init
from weighbridge.cli.keys import keys_app
from weighbridge.cli.ledger import ledger_app
from weighbridge.cli.limits import limits_app
from weighbridge.cli.models import models
from weighbridge.cli.orgs import orgs_app
from weighbridge.cli.prices import prices_app
from weighbridge.cli.provider_keys import provider_keys_app
from weighbridge.cli.statement import statement
from weighbridge.cli.teams import teams_app
from weighbridge.cli.usage import usage
from weighbridge.cli.users import users_app
from weighbridge.cli.version import version

app: Final = typer.Typer(
    name="weighbridge",
    help="A self-hosted AI API gateway.",
    no_args_is_help=True,
    add_completion=False,
    # A traceback with locals would print keys.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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


app.command()(init)
app.command("check-config")(check_config)
app.add_typer(keys_app, name="keys")
app.add_typer(orgs_app, name="orgs")
app.add_typer(teams_app, name="teams")
app.add_typer(users_app, name="users")
app.add_typer(budgets_app, name="budgets")
app.add_typer(limits_app, name="limits")
app.add_typer(credits_app, name="credits")
app.add_typer(provider_keys_app, name="provider-keys")
app.command()(audit)
app.command()(statement)
app.command()(usage)
app.command()(backup)
app.command()(erase)
app.add_typer(ledger_app, name="ledger")
app.add_typer(archive_app, name="archive")
app.command()(models)
app.add_typer(prices_app, name="prices")
app.command()(explain)
app.command()(version)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; `arguments` default to the process's own. Always ends in `SystemExit` (codes: docs/reference/cli.md)."""
    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="weighbridge")
    except CliError as error:
        report(error)
        sys.exit(error.exit_code)
