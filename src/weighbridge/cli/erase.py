"""`weighbridge erase`: forget an end user or a user, whether the gateway runs or not."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

from typing import Annotated

import typer

from weighbridge.cli.archive_access import ask_archive
from weighbridge.cli.config_file import ConfigOption, DataDirOption, read_config
from weighbridge.cli.console import CliError, counting, note
from weighbridge.cli.data_store import acting, open_store


def erase(
    end_user: Annotated[str, typer.Option("--end-user", help="As applications name him or her.", show_default=False)] = "",
    user: Annotated[str, typer.Option("--user", help="A user of the gateway.", show_default=False)] = "",
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Forget somebody: Records, feedback, kept responses and names. Sums and ledger entries stay."""
    from weighbridge.core.erasure import SubjectKind

    if bool(end_user) == bool(user):
        raise CliError("name one: --end-user or --user")
    kind, name = (SubjectKind.END_USER, end_user) if end_user else (SubjectKind.USER, user)
    with open_store(config, data_dir, make=False) as store:
        if not yes:
            typer.confirm(f"Forget everything that {name} has said? It cannot be brought back", abort=True, err=True)
        with counting("requests") as on_progress:
            done = store.erasures.erase(kind, name, acting(), on_progress)
        archived = ask_archive(read_config(config), store, lambda archive: archive.erase({kind.value: (name,)}))
    rest = f"{done.feedback:,} opinions and {done.responses:,} responses were deleted"
    if archived is not None:
        rest += f", and {sum(file.n_rows for file in archived):,} rows of the archive"
    note(f"{done.erasure.id}: the names in {done.requests:,} requests are forgotten; {rest}")
