"""`weighbridge provider-keys`: customers' own keys at providers, brought, listed, disabled, deleted, and sealed anew."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from weighbridge.cli.config_file import ConfigOption, DataDirOption, read_config
from weighbridge.cli.console import EXIT_ENVIRONMENT, CliError, JsonOption, counting, note, say, show_table
from weighbridge.cli.data_store import acting, every_page, open_store
from weighbridge.core.clock import utc_from_ns
from weighbridge.core.codec import pretty_json
from weighbridge.core.own_keys import Owner, OwnerKind
from weighbridge.core.secret import Secret

if TYPE_CHECKING:  # SQLAlchemy takes longer to import than `--help` may take
    from pathlib import Path

    from weighbridge.auth.master_keys import MasterKeys
    from weighbridge.storage.provider_key_store import ProviderKey
    from weighbridge.storage.store import Store

provider_keys_app: Final = typer.Typer(
    help="Customers' own keys at providers: bring, list, disable, enable, delete and reseal them.", no_args_is_help=True
)
KeyId = Annotated[str, typer.Argument(metavar="ID", help="The provider key's id, as `provider-keys list` shows it.")]
_MAX_LINE: Final = 16_384


class ProviderKeyRow(msgspec.Struct, frozen=True):
    """A provider key as `--json` prints it: never its secret."""

    id: str
    owner: str
    provider: str
    label: str
    hint: str
    state: str
    falls_back: bool
    created_at: datetime
    last_used_at: datetime | None


@provider_keys_app.command()
def create(
    owner: Annotated[str, typer.Argument(help="Whose requests it is for: `organisation:acme`, `team:search`, `key:ci`.")],
    provider: Annotated[str, typer.Argument(help="At whom, by the name in the configuration.")],
    label: Annotated[str, typer.Option("--label", help="For people.", show_default="none")] = "",
    *,
    falls_back: Annotated[
        bool, typer.Option("--falls-back", help="The gateway's own keys may be used, and charged for, where this one fails.")
    ] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Bring a key. It is read from standard input, so that it is in no shell's history and no list of processes."""
    from weighbridge.auth.master_keys import NoMasterKeyError
    from weighbridge.storage.provider_key_store import NewProviderKey

    keys = _master_keys(config)
    _check_provider(config, provider)
    if not keys:
        raise CliError(str(NoMasterKeyError()))
    secret = Secret(typer.prompt("The provider's key", hide_input=True, err=True) if sys.stdin.isatty() else _from_input())
    with open_store(config, data_dir, make=True) as store:
        whose, of_store = _owner(store, owner)
        made = store.provider_keys.create(
            NewProviderKey(whose, provider, secret, label, falls_back), keys, acting(), of_store=of_store
        )
    note(f"provider key {made.id} of {made.owner} is used at {provider}, within a second where the gateway runs")
    say(made.id)


@provider_keys_app.command("list")
def list_all(*, as_json: JsonOption = False, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """List them, newest first."""
    keys = _master_keys(config)
    with open_store(config, data_dir, make=False) as store:
        rows = [_row(each, keys) for each in every_page(store.provider_keys.page)]
    if as_json:
        say(pretty_json(rows))
        return
    columns = ("id", "owner", "provider", "label", "ends in", "state", "falls back")
    show_table(
        columns,
        [(r.id, r.owner, r.provider, r.label, r.hint, r.state, "yes" if r.falls_back else "no") for r in rows],
    )


@provider_keys_app.command()
def disable(key_id: KeyId, *, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Have one not used for the time being: its owner's requests are sent with the next one, or with the gateway's."""
    with _changing(config, data_dir, key_id, is_disabled=True):
        note(f"provider key {key_id} is not used any more, within a second where the gateway runs")


@provider_keys_app.command()
def enable(key_id: KeyId, *, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Have one used again."""
    with _changing(config, data_dir, key_id, is_disabled=False):
        note(f"provider key {key_id} is used again")


@provider_keys_app.command()
def delete(key_id: KeyId, *, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Delete one for good, with its secret."""
    with open_store(config, data_dir, make=False) as store:
        store.provider_keys.delete(key_id, acting(), None)
    note(f"provider key {key_id} is deleted")


@provider_keys_app.command()
def reseal(*, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Seal all of them anew under the first of the configured master keys. The gateway may go on serving."""
    from weighbridge.auth.master_keys import NoMasterKeyError

    keys = _master_keys(config)
    if not keys:
        raise CliError(str(NoMasterKeyError()))
    with open_store(config, data_dir, make=False) as store, counting("provider keys") as progress:
        done = store.provider_keys.reseal(keys, acting(), progress)
    note(f"{done.n_done} provider keys were sealed anew under the master key {keys.first}")
    if done.broken:
        raise CliError(
            f"{len(done.broken)} provider keys stay as they are: none of the master keys opens {', '.join(done.broken)}",
            advice="add the master key under which they were sealed, or delete them",
            exit_code=EXIT_ENVIRONMENT,
        )
    note("every one opens with the first master key now: the others can be taken out of the configuration")


@contextmanager
def _changing(config: Path | None, data_dir: Path | None, key_id: str, *, is_disabled: bool) -> Iterator[None]:
    from weighbridge.storage.provider_key_store import ProviderKeyChange

    with open_store(config, data_dir, make=False) as store:
        store.provider_keys.change(key_id, ProviderKeyChange(is_disabled=is_disabled), acting(), None)
    yield


def _master_keys(config: Path | None) -> MasterKeys:
    from weighbridge.auth.master_keys import MasterKeys

    return MasterKeys(read_config(config).config.provider_keys.secrets)


def _check_provider(config: Path | None, name: str) -> None:
    from weighbridge.config.compile import compile_plan

    plan = compile_plan(read_config(config), version=1, stored_keys=())
    found = next((each for each in plan.providers if each.name == name), None)
    if found is None:
        raise CliError(f"no provider of the configuration is called {name!r}")
    if found.takes_keys is None:
        raise CliError(f"the provider {name!r} takes no key: it is open, or opened by an account of its cloud")


def _from_input() -> str:
    return sys.stdin.readline(_MAX_LINE).rstrip("\r\n")


def _owner(store: Store, text: str) -> tuple[Owner, bool]:
    """Whose it is, and whether the store knows them; a virtual key by its name as well."""
    kind, _, name = text.partition(":")
    if kind not in tuple(OwnerKind) or not name:
        raise CliError(f"{text!r} is nobody's name", advice="write `organisation:acme`, `team:search` or `key:ci`")
    owner = Owner(OwnerKind(kind), name)
    if owner.kind is not OwnerKind.KEY:
        return owner, True
    if name.startswith("file:"):
        return owner, False
    return Owner(owner.kind, store.live_key_named(name).key.id), True


def _row(found: ProviderKey, keys: MasterKeys) -> ProviderKeyRow:
    from weighbridge.storage.provider_key_store import state_of

    used = found.last_used_wall_ns
    return ProviderKeyRow(
        found.id,
        str(found.owner),
        found.provider,
        found.label,
        found.hint,
        state_of(found, keys),
        found.falls_back,
        utc_from_ns(found.created_wall_ns),
        None if used is None else utc_from_ns(used),
    )
