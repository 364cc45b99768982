"""The commands of `weighbridge` but `serve`: where each is, and how it is found without importing the others."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, Final

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from typer._click import Command

_PLACES: Final = {
    "init": "init:init",
    "check-config": "check_config:check_config",
    "keys": "keys:keys_app",
    "orgs": "orgs:orgs_app",
    "teams": "teams:teams_app",
    "users": "users:users_app",
    "budgets": "budgets:budgets_app",
    "limits": "limits:limits_app",
    "credits": "credits:credits_app",
    "provider-keys": "provider_keys:provider_keys_app",
    "audit": "audit:audit",
    "statement": "statement:statement",
    "usage": "usage:usage",
    "backup": "backup:backup",
    "erase": "erase:erase",
    "ledger": "ledger:ledger_app",
    "archive": "archive:archive_app",
    "models": "models:models",
    "prices": "prices:prices_app",
    "explain": "explain:explain",
    "version": "version:version",
}
"""Each command's module in this package, and its name there, in the order in which `--help` shows them."""


class Commands(TyperGroup):
    """A group that reads a command when it is named: to import all of them and read their options takes 100 ms of each start."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Late(self.commands)


class _Late(MutableMapping[str, "Command"]):
    """Commands by name, those of the table among them from the beginning. Looking at one reads it."""

    def __init__(self, there: MutableMapping[str, Command]) -> None:
        self._read = there

    def __getitem__(self, name: str) -> Command:
        if name not in self._read and (place := _PLACES.get(name)) is not None:
            self._read[name] = _command(name, place)
        return self._read[name]

    def __setitem__(self, name: str, command: Command) -> None:
        self._read[name] = command

    def __delitem__(self, name: str) -> None:
        del self._read[name]

    def __iter__(self) -> Iterator[str]:
        yield from (name for name in self._read if name not in _PLACES)
        yield from _PLACES

    def __len__(self) -> int:
        return len(self._read.keys() | _PLACES.keys())


def _command(name: str, place: str) -> Command:
    module, _, attribute = place.partition(":")
    found = getattr(importlib.import_module(f"weighbridge.cli.{module}"), attribute)
    around = typer.Typer(rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        around.add_typer(found, name=name)
    else:
        around.command(name)(found)
    return typer.main.get_group(around).commands[name]
