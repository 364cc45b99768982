"""`weighbridge orgs`: make, list, block and delete organisations, whether the gateway runs or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from weighbridge.cli.config_file import ConfigOption, DataDirOption
from weighbridge.cli.console import CliError, JsonOption, note, say, show_table
from weighbridge.cli.data_store import acting, open_store
from weighbridge.core.codec import pretty_json

if TYPE_CHECKING:  # SQLAlchemy takes longer to import than `--help` may take
    from weighbridge.auth.people import Organisation
    from weighbridge.storage.store import Store

orgs_app: Final = typer.Typer(help="Make, list, block and delete organisations.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The organisation's name.")]


@orgs_app.command()
def create(name: Name, *, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Make an organisation. The ledger books under its name, so that never changes."""
    with open_store(config, data_dir, make=True) as store:
        made = store.people.create_organisation(name, acting())
    note(f"organisation {made.name!r} ({made.id}) is there")


@orgs_app.command("list")
def list_all(*, as_json: JsonOption = False, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """List organisations, newest first."""
    with open_store(config, data_dir, make=False) as store:
        found = store.people.organisations().items
    if as_json:
        say(pretty_json(found))
        return
    show_table(("id", "name", "state"), [(each.id, each.name, "blocked" if each.is_blocked else "active") for each in found])


@orgs_app.command()
def block(name: Name, *, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Have all its keys refused, within a second where the gateway runs."""
    with open_store(config, data_dir, make=False) as store:
        store.people.block_organisation(_named(store, name).id, acting(), None, is_blocked=True)
    note(f"organisation {name!r} is blocked with all its keys")


@orgs_app.command()
def unblock(name: Name, *, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Let its keys work again."""
    with open_store(config, data_dir, make=False) as store:
        store.people.block_organisation(_named(store, name).id, acting(), None, is_blocked=False)
    note(f"organisation {name!r} works again")


@orgs_app.command()
def delete(name: Name, *, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Delete an organisation without teams, users or keys. What was booked stays in the ledger."""
    with open_store(config, data_dir, make=False) as store:
        store.people.delete_organisation(_named(store, name).id, acting(), None)
    note(f"organisation {name!r} is deleted")


def _named(store: Store, name: str) -> Organisation:
    found = store.people.organisation_named(name)
    if found is None:
        raise CliError(f"there is no organisation {name!r}", advice="`weighbridge orgs list` shows them")
    return found
