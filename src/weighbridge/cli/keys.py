"""`weighbridge keys`: make, list and revoke virtual keys in the data directory's store, whether the gateway runs or not."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from weighbridge.auth.expiry import expiry_wall_ns
from weighbridge.auth.virtual_keys import mint_key
from weighbridge.cli.config_file import ConfigOption, DataDirOption
from weighbridge.cli.console import note, say, show_table
from weighbridge.cli.data_store import open_store
from weighbridge.core.clock import SystemClock, utc_from_ns
from weighbridge.core.codec import pretty_json

if TYPE_CHECKING:  # SQLAlchemy takes longer to import than `--help` may take
    from weighbridge.storage.store import Store
    from weighbridge.storage.stored_keys import StoredKey

keys_app: Final = typer.Typer(help="Make, list and revoke virtual keys.", no_args_is_help=True)


class KeyRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key as `--json` prints it. `key` is there only when it was made just now."""

    id: str
    name: str
    hint: str
    state: str
    models: tuple[str, ...]
    is_admin: bool
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    key: str = ""


@keys_app.command()
def create(
    name: Annotated[str, typer.Option("--name", "-n", help="What to call it. Unique among keys that are not revoked.")],
    models: Annotated[
        str,
        typer.Option("--models", help="Models it may ask for, with commas between; `*` matches anything.", show_default="all"),
    ] = "",
    expires: Annotated[
        str | None,
        typer.Option("--expires", help="When it ends: 12h, 30d, 2027-01-01 (UTC) or an RFC 3339 time.", show_default="never"),
    ] = None,
    *,
    admin: Annotated[bool, typer.Option("--admin", help="Make an admin key, which opens the admin API.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Make a key and print it. It is not shown again."""
    from weighbridge.storage.stored_keys import NewKey

    minted = mint_key()
    with open_store(config, data_dir, make=True) as store:
        new = NewKey(
            name=name,
            digest=minted.digest,
            hint=minted.hint,
            models=tuple(part.strip() for part in models.split(",") if part.strip()),
            expires_wall_ns=None if expires is None else expiry_wall_ns(expires, SystemClock.wall_ns()),
            is_admin=admin,
        )
        stored = store.create_key(new)
    if as_json:
        say(pretty_json(msgspec.structs.replace(_row(stored), key=minted.secret.reveal())))
        return
    say(minted.secret.reveal())
    note(f"{'admin key' if admin else 'key'} {stored.key.name!r} ({stored.key.id}) works at once; it is not shown again")


@keys_app.command("list")
def list_keys(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List every key, newest first, revoked ones included."""
    with open_store(config, data_dir, make=False) as store:
        rows = [_row(stored) for stored in _all_keys(store)]
    if as_json:
        say(pretty_json(rows))
        return
    show_table(
        ["id", "name", "key", "state", "models", "created", "expires"],
        [
            (
                row.id,
                f"{row.name} (admin)" if row.is_admin else row.name,
                f"wb-…{row.hint}",
                row.state,
                ", ".join(row.models) or "all",
                _date(row.created_at),
                _date(row.expires_at),
            )
            for row in rows
        ],
    )


@keys_app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="NAME_OR_ID", help="The key's name or id, as `keys list` shows it.")],
    *,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Revoke a key for good. A running gateway refuses it within a second."""
    with open_store(config, data_dir, make=False) as store:
        stored = store.revoke_key(key)
    note(f"key {stored.key.name!r} ({stored.key.id}) is revoked; a running gateway refuses it within a second")


def _all_keys(store: Store) -> Iterator[StoredKey]:
    cursor: str | None = None
    while True:
        page = store.list_keys(cursor=cursor)
        yield from page.keys
        cursor = page.next_cursor
        if cursor is None:
            return


def _row(stored: StoredKey) -> KeyRow:
    key = stored.key
    return KeyRow(
        id=key.id,
        name=key.name,
        hint=key.hint,
        state=stored.state_at(SystemClock.wall_ns()).value,
        models=key.models,
        is_admin=key.is_admin,
        created_at=utc_from_ns(stored.created_wall_ns),
        expires_at=None if key.expires_wall_ns is None else utc_from_ns(key.expires_wall_ns),
        revoked_at=None if stored.revoked_wall_ns is None else utc_from_ns(stored.revoked_wall_ns),
    )


def _date(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
