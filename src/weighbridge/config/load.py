"""From a file and the environment to a checked configuration. The only door to `os.environ`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from weighbridge.config.completion import Completion, Raw, providers_from_environment
from weighbridge.config.document import Document, parse_document
from weighbridge.config.problems import ConfigError, ConfigProblem, PathParts
from weighbridge.config.proxies import ProxyRules, read_proxy_rules
from weighbridge.config.references import expand_references
from weighbridge.config.schema import Config
from weighbridge.config.validation import validate_config
from weighbridge.providers.catalog import load_catalog

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
"""Ten thousand virtual keys take 2 MB; a larger file is a wrong path."""
_WITHOUT_FILE: Final = "(no configuration file)"
_EXTENSION_PREFIX: Final = "x-"
"""Top-level keys that begin so are a place for anchors, as in Docker's Compose files."""


class ServerOverrides(msgspec.Struct, frozen=True):
    """What the command line says instead of the file's `server` section. None leaves the file's word."""

    host: str | None = None
    port: int | None = None
    workers: int | None = None


class LoadedConfig(msgspec.Struct, frozen=True):
    """A checked configuration: where it came from, and which proxies the environment names."""

    config: Config
    source: Path | None
    proxies: ProxyRules


def load_config(
    path: Path | None, *, environ: Mapping[str, str] | None = None, overrides: ServerOverrides | None = None
) -> LoadedConfig:
    """Read and check a configuration file, or without one what the environment offers.

    `environ` defaults to the process's own. Without a file every provider whose usual variable is set is on, and so is the
    demo. Relative paths in the file are taken from its directory. Raises `ConfigError` with every problem there is.
    """
    environ = os.environ if environ is None else environ
    source = str(path) if path else _WITHOUT_FILE
    document = parse_document(_read(path), source) if path else Document({}, {})
    raw, problems = _expand(document, source, environ)
    catalog = load_catalog()
    if path is None:
        raw["providers"] = providers_from_environment(catalog, environ)
    _override(raw, overrides or ServerOverrides())
    completion = Completion(document, catalog, environ)
    checked = validate_config(completion.complete(raw), document, path.parent if path else Path())
    proxies, faults = read_proxy_rules(environ)
    rest = [*completion.problems, *(ConfigProblem("", None, f"the variable {name} {text}") for name, text in faults.items())]
    if isinstance(checked, Config):
        if not problems and not rest:
            return LoadedConfig(checked, path, proxies)
        checked = []
    raise ConfigError(source, _distinct(problems, [*checked, *rest]))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        advice = "`weighbridge init` writes one" if isinstance(error, FileNotFoundError) else None
        raise ConfigError(str(path), [ConfigProblem("", None, f"cannot be read: {error.strerror}", advice)]) from None
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(str(path), [ConfigProblem("", None, f"is larger than {MAX_FILE_BYTES} bytes")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(str(path), [ConfigProblem("", line, "is not UTF-8 text")]) from None


def _expand(document: Document, source: str, environ: Mapping[str, str]) -> tuple[Raw, dict[PathParts, ConfigProblem]]:
    if not isinstance(document.value, dict):
        raise ConfigError(source, [ConfigProblem("", 1, "must be a mapping (lines of `name: value`)")])
    settings = {name: value for name, value in document.value.items() if not name.startswith(_EXTENSION_PREFIX)}
    problems: dict[PathParts, ConfigProblem] = {}
    raw: Raw = {}
    for name, value in settings.items():
        raw[name], found = expand_references(value, document, environ, at=(name,))
        problems.update(found)
    return raw, problems


def _override(raw: Raw, overrides: ServerOverrides) -> None:
    given = {name: value for name, value in msgspec.structs.asdict(overrides).items() if value is not None}
    server = raw.get("server")
    if given and isinstance(server, dict | None):
        raw["server"] = {**(server or {}), **given}


def _distinct(references: Mapping[PathParts, ConfigProblem], others: list[ConfigProblem]) -> list[ConfigProblem]:
    # A reference that could not be replaced also fails its field's check: the first reason is the true one.
    told = {problem.path for problem in references.values()}
    return [*references.values(), *(problem for problem in others if problem.path not in told)]
