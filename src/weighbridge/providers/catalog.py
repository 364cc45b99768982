"""The catalogue: one row of facts for each provider that the gateway knows by name, read from `catalog.toml`.

An OpenAI-compatible provider is a row and nothing else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import Any

import msgspec

from weighbridge.core.terms import Dialect
from weighbridge.providers.base import AuthStyle


class CatalogRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known about a provider before anybody configures it.

    `dialects` maps a dialect to the base URL that the vendor's own SDK takes (`https://api.openai.com/v1`, but
    `https://api.anthropic.com`); the first is the main one. `env` names the variables that may hold the key, by precedence;
    a row without any needs no key. `patterns` are globs of bare model names; `models` are names that are served for certain.
    `source` is the provider's page on which the facts stand, empty for what is built in.
    """

    name: str
    title: str
    dialects: dict[Dialect, str]
    auth: AuthStyle
    env: tuple[str, ...] = ()
    base_url_env: str | None = None
    patterns: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    source: str = ""

    @property
    def main_dialect(self) -> Dialect:
        """The dialect that a plain `base_url` is about."""
        return next(iter(self.dialects))


def load_catalog() -> Mapping[str, CatalogRow]:
    """The rows by name, in the order of the file. Reads the packaged file each time: callers keep what they need."""
    text = resources.files("weighbridge.providers").joinpath("catalog.toml").read_text(encoding="utf-8")
    return parse_catalog(text)


def parse_catalog(text: str) -> Mapping[str, CatalogRow]:
    """TOML in the form of `catalog.toml` as rows. Raises `tomllib.TOMLDecodeError` and `msgspec.ValidationError`."""
    tables: dict[str, dict[str, Any]] = tomllib.loads(text)
    rows = {name: msgspec.convert({"name": name, **table}, CatalogRow) for name, table in tables.items()}
    return MappingProxyType(rows)
