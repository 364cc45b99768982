"""`weighbridge keys`: make, list, change, rotate, block and revoke virtual keys, whether the gateway runs or not."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from weighbridge.auth.expiry import duration_ns, expiry_wall_ns
from weighbridge.auth.virtual_keys import mint_key
from weighbridge.cli.config_file import ConfigOption, DataDirOption
from weighbridge.cli.console import note, say, show_table
from weighbridge.cli.data_store import acting, open_store
from weighbridge.core.clock import SystemClock, utc_from_ns
from weighbridge.core.codec import pretty_json

if TYPE_CHECKING:  # SQLAlchemy takes longer to import than `--help` may take
    from weighbridge.storage.store import Store
    from weighbridge.storage.stored_keys import StoredKey

KeyArgument = Annotated[str, typer.Argument(metavar="NAME_OR_ID", help="The key's name or id, as `keys list` shows it.")]
TeamOption = Annotated[str | None, typer.Option("--team", help="Whose it is: a team that `teams list` shows.")]
UserOption = Annotated[str | None, typer.Option("--user", help="Who holds it: an e-mail address or a service account.")]
AddressesOption = Annotated[
    str | None, typer.Option("--addresses", help="Networks it may be used from (10.0.0.0/8), with commas between.")
]
TagsOption = Annotated[str | None, typer.Option("--tags", help="What its requests are booked under besides, with commas between.")]
OutputOption = Annotated[
    int | None, typer.Option("--max-output-tokens", min=0, help="The most that one of its requests may have generated.")
]
keys_app: Final = typer.Typer(help="Make, list, change, rotate, block and revoke virtual keys.", no_args_is_help=True)


class KeyRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key as `--json` prints it. `key` is there only when it was made just now."""

    id: str
    name: str
    hint: str
    state: str
    models: tuple[str, ...]
    is_admin: bool
    team: str
    user: str
    organisation: str
    addresses: tuple[str, ...]
    max_output_tokens: int | None
    tags: tuple[str, ...]
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
    team: TeamOption = None,
    user: UserOption = None,
    addresses: AddressesOption = None,
    tags: TagsOption = None,
    max_output_tokens: OutputOption = None,
    *,
    admin: Annotated[
        bool, typer.Option("--admin", help="Make an admin key: it opens the admin API, with --user as far as the user's role goes.")
    ] = False,
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
            models=_parts(models),
            expires_wall_ns=None if expires is None else expiry_wall_ns(expires, SystemClock.wall_ns()),
            is_admin=admin,
            team=team or "",
            user=user or "",
            addresses=_parts(addresses or ""),
            tags=_parts(tags or ""),
            max_output_tokens=max_output_tokens,
        )
        stored = store.create_key(new, acting())
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
        ["id", "name", "key", "state", "team", "user", "models", "created", "expires"],
        [
            (
                row.id,
                f"{row.name} (admin)" if row.is_admin else row.name,
                f"wb-…{row.hint}",
                row.state,
                row.team,
                row.user,
                ", ".join(row.models) or "all",
                _date(row.created_at),
                _date(row.expires_at),
            )
            for row in rows
        ],
    )


@keys_app.command()
def revoke(
    key: KeyArgument,
    *,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Revoke a key for good. A running gateway refuses it within a second."""
    with open_store(config, data_dir, make=False) as store:
        stored = store.revoke_key(key, acting())
    note(f"key {stored.key.name!r} ({stored.key.id}) is revoked; a running gateway refuses it within a second")


@keys_app.command()
def edit(
    key: KeyArgument,
    name: Annotated[str | None, typer.Option("--name", "-n", help="What to call it.")] = None,
    models: Annotated[str | None, typer.Option("--models", help='Models it may ask for, with commas between; "" for all.')] = None,
    expires: Annotated[str | None, typer.Option("--expires", help='When it ends; "" for never.')] = None,
    team: TeamOption = None,
    user: UserOption = None,
    addresses: AddressesOption = None,
    tags: TagsOption = None,
    max_output_tokens: OutputOption = None,
    *,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Change a key: what is not told stays. What it has spent stays with it."""
    from msgspec import UNSET

    from weighbridge.storage.stored_keys import KeyChange

    ends = UNSET if expires is None else expiry_wall_ns(expires, SystemClock.wall_ns()) if expires else None
    change = KeyChange(
        name=UNSET if name is None else name,
        models=UNSET if models is None else _parts(models),
        expires_wall_ns=ends,
        team=UNSET if team is None else team,
        user=UNSET if user is None else user,
        addresses=UNSET if addresses is None else _parts(addresses),
        tags=UNSET if tags is None else _parts(tags),
        max_output_tokens=UNSET if max_output_tokens is None else max_output_tokens or None,
    )
    with open_store(config, data_dir, make=False) as store:
        stored = store.change_key(store.live_key_named(key).key.id, change, acting())
    note(f"key {stored.key.name!r} ({stored.key.id}) is changed")


@keys_app.command()
def rotate(
    key: KeyArgument,
    overlap: Annotated[str, typer.Option("--overlap", help="How long the old secret works on: 0s, 30m, 24h, 7d.")] = "24h",
    *,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Give a key another secret and print it. Id, name and what was spent stay."""
    minted = mint_key()
    with open_store(config, data_dir, make=False) as store:
        stored = store.rotate_key(store.live_key_named(key).key.id, minted, duration_ns(overlap), acting())
    say(minted.secret.reveal())
    note(f"key {stored.key.name!r} ({stored.key.id}) has this secret now; the old one works for {overlap}")


@keys_app.command()
def block(key: KeyArgument, *, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Have a key refused until it is unblocked, within a second where the gateway runs."""
    _block(key, config, data_dir, is_blocked=True)
    note(f"key {key!r} is blocked")


@keys_app.command()
def unblock(key: KeyArgument, *, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Let a key work again."""
    _block(key, config, data_dir, is_blocked=False)
    note(f"key {key!r} works again")


def _block(key: str, config: ConfigOption, data_dir: DataDirOption, *, is_blocked: bool) -> None:
    from weighbridge.storage.stored_keys import KeyChange

    with open_store(config, data_dir, make=False) as store:
        store.change_key(store.live_key_named(key).key.id, KeyChange(is_blocked=is_blocked), acting())


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


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
        team=key.team,
        user=key.user,
        organisation=key.organisation,
        addresses=key.addresses,
        max_output_tokens=key.max_output_tokens,
        tags=key.tags,
        created_at=utc_from_ns(stored.created_wall_ns),
        expires_at=None if key.expires_wall_ns is None else utc_from_ns(key.expires_wall_ns),
        revoked_at=None if stored.revoked_wall_ns is None else utc_from_ns(stored.revoked_wall_ns),
    )


def _date(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
