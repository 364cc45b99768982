"""`weighbridge users`: people who sign in or hold keys, and service accounts, whether the gateway runs or not."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from weighbridge.cli.config_file import ConfigOption, DataDirOption
from weighbridge.cli.console import CliError, JsonOption, note, say, show_table
from weighbridge.cli.data_store import acting, every_page, open_store
from weighbridge.core.codec import pretty_json

if TYPE_CHECKING:  # SQLAlchemy takes longer to import than `--help` may take
    from weighbridge.auth.people import Place, Role, User
    from weighbridge.storage.store import Store

users_app: Final = typer.Typer(help="Make, list, change, block and delete users.", no_args_is_help=True)
Login = Annotated[str, typer.Argument(help="The e-mail address, or a service account's name.")]
RoleOption = Annotated[str | None, typer.Option("--role", help="owner, admin, member, viewer, billing or none.")]
TeamOption = Annotated[str | None, typer.Option("--team", help="Where the role counts, and what keys are booked under.")]
OrgOption = Annotated[str | None, typer.Option("--org", help="Where the role counts: an organisation with all its teams.")]
PasswordOption = Annotated[
    bool, typer.Option("--password", help="Ask for a password (or read it from standard input): for signing in to the dashboard.")
]


@users_app.command()
def create(
    name: Annotated[str, typer.Option("--name", "-n", help="What to call the user; a service account, for good.")],
    email: Annotated[str | None, typer.Option("--email", help="Without one it is a service account.")] = None,
    role: RoleOption = "member",
    team: TeamOption = None,
    organisation: OrgOption = None,
    *,
    password: PasswordOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Make a user. The ledger books under the e-mail address, so that never changes."""
    from weighbridge.auth.people import Place
    from weighbridge.storage.people_store import NewUser

    password_hash = _ask_for_password() if password else None
    new = NewUser(name, _role(role or "member"), email, Place(organisation or "", team or ""), password_hash)
    with open_store(config, data_dir, make=True) as store:
        made = store.people.create_user(new, acting())
    note(f"user {made.login!r} ({made.id}) is there, as {made.role.value}{_where(made.place)}")


@users_app.command("list")
def list_all(*, as_json: JsonOption = False, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """List users, newest first."""
    with open_store(config, data_dir, make=False) as store:
        found = list(every_page(store.people.users))
    if as_json:
        say(pretty_json(found))
        return
    rows = [
        (each.id, each.login, each.name, each.role.value, each.place.team or each.place.organisation or "everywhere", _state(each))
        for each in found
    ]
    show_table(("id", "login", "name", "role", "where", "state"), rows)


@users_app.command()
def edit(
    login: Login,
    name: Annotated[str | None, typer.Option("--name", "-n", help="What to call the user.")] = None,
    role: RoleOption = None,
    team: TeamOption = None,
    organisation: OrgOption = None,
    *,
    password: PasswordOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Change a user. `--team ""` and `--org ""` make the role count everywhere. A new password ends sessions."""
    from msgspec import UNSET

    from weighbridge.auth.people import Place
    from weighbridge.storage.people_store import UserChange

    password_hash = _ask_for_password() if password else None
    change = UserChange(
        name=UNSET if name is None else name,
        role=UNSET if role is None else _role(role),
        place=UNSET if team is None and organisation is None else Place(organisation or "", team or ""),
        password_hash=UNSET if password_hash is None else password_hash,
    )
    with open_store(config, data_dir, make=False) as store:
        changed = store.people.change_user(_named(store, login).id, change, acting(), None)
    note(f"user {changed.login!r} is {changed.role.value}{_where(changed.place)}")


@users_app.command()
def block(login: Login, *, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Refuse the user's sign-in and keys."""
    _block(login, config, data_dir, is_blocked=True)
    note(f"user {login!r} is blocked; keys are refused and sessions end")


@users_app.command()
def unblock(login: Login, *, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Let the user and the user's keys in again."""
    _block(login, config, data_dir, is_blocked=False)
    note(f"user {login!r} works again")


@users_app.command()
def delete(login: Login, *, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Delete a user who holds no keys. What was booked stays in the ledger."""
    with open_store(config, data_dir, make=False) as store:
        store.people.delete_user(_named(store, login).id, acting(), None)
    note(f"user {login!r} is deleted")


def _block(login: str, config: ConfigOption, data_dir: DataDirOption, *, is_blocked: bool) -> None:
    from weighbridge.storage.people_store import UserChange

    with open_store(config, data_dir, make=False) as store:
        store.people.change_user(_named(store, login).id, UserChange(is_blocked=is_blocked), acting(), None)


def _named(store: Store, login: str) -> User:
    found = store.people.user_of(login)
    if found is None:
        raise CliError(f"there is no user {login!r}", advice="`weighbridge users list` shows them")
    return found


def _role(name: str) -> Role:
    from weighbridge.auth.people import Role

    try:
        return Role(name)
    except ValueError:
        raise CliError(f"{name!r} is no role: one is {', '.join(Role)}") from None


def _ask_for_password() -> str:
    """Asked twice at a terminal; from a pipe the first line is taken. Never an argument: those can be seen by others."""
    from weighbridge.auth.passwords import hash_password
    from weighbridge.auth.people import check_password

    if sys.stdin.isatty():
        password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    try:
        return hash_password(check_password(password))
    except ValueError as error:
        raise CliError(str(error)) from None


def _where(place: Place) -> str:
    return f" of {place.team or place.organisation}" if not place.is_everywhere else ""


def _state(user: User) -> str:
    if user.is_blocked:
        return "blocked"
    return "signs in" if user.has_password else "active"
