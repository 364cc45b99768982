"""`weighbridge teams`: make, list, block and delete teams, whether the gateway runs or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from weighbridge.cli.config_file import ConfigOption, DataDirOption
from weighbridge.cli.console import CliError, JsonOption, note, say, show_table
from weighbridge.cli.data_store import acting, every_page, open_store
from weighbridge.core.codec import pretty_json

if TYPE_CHECKING:  # SQLAlchemy takes longer to import than `--help` may take
    from weighbridge.auth.people import Team
    from weighbridge.storage.store import Store

teams_app: Final = typer.Typer(help="Make, list, block and delete teams.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The team's name.")]


@teams_app.command()
def create(
    name: Name,
    organisation: Annotated[str, typer.Option("--org", help="Its organisation, for good.", show_default="none")] = "",
    *,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Make a team. The ledger books under its name, so that never changes."""
    with open_store(config, data_dir, make=True) as store:
        made = store.people.create_team(name, organisation, acting())
    note(f"team {made.name!r} ({made.id}) is there")


@teams_app.command("list")
def list_all(*, as_json: JsonOption = False, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """List teams, newest first."""
    with open_store(config, data_dir, make=False) as store:
        found = list(every_page(store.people.teams))
    if as_json:
        say(pretty_json(found))
        return
    rows = [(each.id, each.name, each.organisation, "blocked" if each.is_blocked else "active") for each in found]
    show_table(("id", "name", "organisation", "state"), rows)


@teams_app.command()
def block(name: Name, *, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Have all its keys refused, within a second where the gateway runs."""
    with open_store(config, data_dir, make=False) as store:
        store.people.block_team(_named(store, name).id, acting(), None, is_blocked=True)
    note(f"team {name!r} is blocked with all its keys")


@teams_app.command()
def unblock(name: Name, *, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Let its keys work again."""
    with open_store(config, data_dir, make=False) as store:
        store.people.block_team(_named(store, name).id, acting(), None, is_blocked=False)
    note(f"team {name!r} works again")


@teams_app.command()
def delete(name: Name, *, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Delete a team without users or keys. What was booked stays in the ledger."""
    with open_store(config, data_dir, make=False) as store:
        store.people.delete_team(_named(store, name).id, acting(), None)
    note(f"team {name!r} is deleted")


def _named(store: Store, name: str) -> Team:
    found = store.people.team_named(name)
    if found is None:
        raise CliError(f"there is no team {name!r}", advice="`weighbridge teams list` shows them")
    return found
