"""The catalogue: one row of facts for each provider that the gateway knows by name, read from `catalog.toml`.

An OpenAI-compatible provider is a row and nothing else. A cloud's row has addresses with placeholders (`{region}`), which
configuration or environment fill in.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from weighbridge.core.terms import Dialect, WireFormat
from weighbridge.providers.base import AuthStyle, CallPath
from weighbridge.wire.quirks import NO_QUIRKS, Quirks

VariableName = Literal["region", "project", "location", "resource", "account", "api_version"]
OperationName = Literal["embeddings", "rerank", "images", "audio", "moderations"]

FORMATS_OF: Final[Mapping[Dialect, tuple[WireFormat, ...]]] = MappingProxyType(
    {
        Dialect.OPENAI: (WireFormat.OPENAI_CHAT, WireFormat.OPENAI_RESPONSES, WireFormat.OPENAI_COMPLETIONS),
        Dialect.ANTHROPIC: (WireFormat.ANTHROPIC_MESSAGES,),
        Dialect.GEMINI: (WireFormat.GEMINI_GENERATE,),
        Dialect.BEDROCK: (WireFormat.BEDROCK_CONVERSE,),
        Dialect.COHERE: (WireFormat.COHERE_CHAT,),
        Dialect.OLLAMA: (WireFormat.OLLAMA_CHAT,),
    }
)
"""The formats of each dialect. Of the first everybody is sure who speaks the dialect; the others are named by the row."""

DIALECT_OF: Final[Mapping[WireFormat, Dialect]] = MappingProxyType(
    {wire_format: dialect for dialect, formats in FORMATS_OF.items() for wire_format in formats}
)

DEFAULT_PATHS: Final[Mapping[WireFormat, CallPath]] = MappingProxyType(
    {
        WireFormat.OPENAI_CHAT: CallPath("/chat/completions"),
        WireFormat.OPENAI_RESPONSES: CallPath("/responses"),
        WireFormat.OPENAI_COMPLETIONS: CallPath("/completions"),
        WireFormat.ANTHROPIC_MESSAGES: CallPath("/messages"),
        WireFormat.GEMINI_GENERATE: CallPath("/models/{model}:generateContent", "/models/{model}:streamGenerateContent?alt=sse"),
        WireFormat.BEDROCK_CONVERSE: CallPath("/model/{model}/converse", "/model/{model}/converse-stream"),
        WireFormat.COHERE_CHAT: CallPath("/v2/chat"),
        WireFormat.OLLAMA_CHAT: CallPath("/api/chat"),
    }
)
"""Where each format's own vendor is called, relative to the base with its version segment."""

# Anthropic shows 20 at a time and Google 50, unless they are asked for as many as they allow.
_DEFAULT_LISTS: Final[Mapping[Dialect, str]] = MappingProxyType(
    {Dialect.OPENAI: "/models", Dialect.ANTHROPIC: "/models?limit=1000", Dialect.GEMINI: "/models?pageSize=1000"}
)
_Table = dict[str, Any]
_CALLERS: Final = frozenset((Dialect.OPENAI, Dialect.ANTHROPIC, Dialect.GEMINI))
_PLACEHOLDER: Final = re.compile(r"\{(\w+)(\.host)?\}")


class Variable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a cloud's addresses that is each customer's own.

    `env` names the variables that may hold it, by precedence; `default` is taken where neither they nor the configuration do.
    `host` says what `{name.host}` stands for, by glob of the value: Google's global endpoint is at another host than its regions'.
    A variable that holds a whole URL (`AZURE_OPENAI_ENDPOINT`) means the `part` of it: the first label of its host, or the host.
    """

    env: tuple[str, ...] = ()
    default: str = ""
    host: dict[str, str] = {}
    part: Literal["label", "host"] = "label"

    def read(self, text: str) -> str:
        """The value that a variable of the environment holds."""
        host = urlsplit(text).hostname if "://" in text else None
        if host is None:
            return text
        return host if self.part == "host" else host.partition(".")[0]


class Elsewhere(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be expected of a server that only speaks like the vendor: `formats` to translate into, and `quirks`."""

    formats: tuple[WireFormat, ...]
    quirks: Quirks = NO_QUIRKS


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
    formats: tuple[WireFormat, ...] | None = None
    """Formats of an answer, the best first; the first of each dialect if not given, none for who answers no chats."""
    paths: dict[WireFormat, CallPath] = {}
    """Where a format is called, if it is not where its own vendor has it."""
    quirks: Quirks = NO_QUIRKS
    quirks_like: str = ""
    """The row whose quirks this one has too."""
    lists_models: str | None = None
    """Where the models are listed, relative to the main base; the dialect's own path if not given, empty for nowhere."""
    variables: dict[VariableName, Variable] = {}
    """Placeholders of the addresses."""
    identity: AuthStyle | None = None
    """How to authenticate without a key, by an account of the machine's surroundings (AWS, Google Cloud, Entra)."""
    identity_for: str = ""
    """For what that account is asked: AWS' name of the service, Entra's scope."""
    operations: dict[OperationName, str] = {}
    """Further endpoints and in whose style they are asked (`rerank = "jina"`)."""
    operation_paths: dict[OperationName, CallPath] = {}
    """Where those are called, if it is not where the style has it."""
    variant_of: str = ""
    """The row whose account, and so whose key, this one shares: another region or plan. Only on if configured."""
    elsewhere: Elsewhere | None = None
    """For a vendor whose dialect many servers speak: what holds at another address under another name."""

    @property
    def main_dialect(self) -> Dialect:
        """The dialect that a plain `base_url` is about."""
        return next(iter(self.dialects))

    @property
    def spoken(self) -> tuple[WireFormat, ...]:
        """The formats of an answer, the best first."""
        return tuple(FORMATS_OF[dialect][0] for dialect in self.dialects) if self.formats is None else self.formats

    @property
    def model_list(self) -> str:
        """The path of the list of models, relative to the main base; empty if there is none."""
        return _DEFAULT_LISTS.get(self.main_dialect, "") if self.lists_models is None else self.lists_models

    def call_path(self, wire_format: WireFormat) -> CallPath:
        """Where a format is called, placeholders and all."""
        return self.paths.get(wire_format, DEFAULT_PATHS[wire_format])

    def needed(self, *, own_address: bool) -> tuple[VariableName, ...]:
        """The variables without which the row is of no use; with an address of one's own, only those of the paths."""
        paths = (*self.paths.values(), *self.operation_paths.values())
        texts = [text for path in paths for text in (path.whole, path.stream, path.query)]
        names = {match[1] for text in (*texts, *(() if own_address else self.dialects.values())) for match in _placeholders(text)}
        return tuple(name for name in self.variables if name in names)

    def values_for(self, given: Mapping[str, str]) -> dict[str, str]:
        """Every variable that has a value: what was given, else its default."""
        values = {name: given.get(name) or variable.default for name, variable in self.variables.items()}
        return {name: value for name, value in values.items() if value}

    def fill(self, text: str, values: Mapping[str, str]) -> str:
        """An address or a path with its placeholders filled in; one without a value stays as it is."""
        return _PLACEHOLDER.sub(lambda match: self._filled(match, values), text)

    def _filled(self, match: re.Match[str], values: Mapping[str, str]) -> str:
        value = values.get(match[1])
        if value is None:
            # `{model}` is not the catalogue's.
            return match[0]
        if match[2] is None:
            return value
        hosts: Mapping[str, str] = next(v for name, v in self.variables.items() if name == match[1]).host
        return self.fill(next(host for pattern, host in hosts.items() if fnmatchcase(value, pattern)), values)

    def fill_path(self, path: CallPath, values: Mapping[str, str]) -> CallPath:
        """The same of a path and its query."""
        if not any(_placeholders(path.whole + path.stream + path.query)):
            return path
        return msgspec.structs.replace(
            path,
            whole=self.fill(path.whole, values),
            stream=self.fill(path.stream, values),
            query=self.fill(path.query, values),
        )


def natively_spoken(paths: Mapping[WireFormat, CallPath]) -> frozenset[WireFormat]:
    """Formats in which a caller's bytes can be forwarded: the path and what stands in the body are the vendor's own."""
    own = (f for f, path in paths.items() if msgspec.structs.replace(path, models=()) == DEFAULT_PATHS[f])
    return frozenset(f for f in own if DIALECT_OF[f] in _CALLERS)


def formats_of(dialects: Iterable[Dialect]) -> frozenset[WireFormat]:
    """Every format of these dialects that callers speak."""
    return frozenset(f for dialect in dialects if dialect in _CALLERS for f in FORMATS_OF[dialect])


@cache
def load_catalog() -> Mapping[str, CatalogRow]:
    """The rows by name, in the order of the file. Read once: it takes 14 ms, and the command line asks twice."""
    text = resources.files("weighbridge.providers").joinpath("catalog.toml").read_text(encoding="utf-8")
    return parse_catalog(text)


def parse_catalog(text: str) -> Mapping[str, CatalogRow]:
    """TOML in the form of `catalog.toml` as rows. Raises `tomllib.TOMLDecodeError` and `msgspec.ValidationError`."""
    tables: dict[str, _Table] = tomllib.loads(text)
    rows = {
        name: msgspec.convert({**table, "name": name, "quirks": _quirks(name, tables)}, CatalogRow)
        for name, table in tables.items()
    }
    return MappingProxyType(rows)


def _quirks(name: str, tables: Mapping[str, _Table]) -> _Table:
    """A row's quirks: those of the row that it names, else of a server that only speaks like the vendor, and its own on top."""
    table = tables[name]
    like = table.get("quirks_like")
    if like is not None:
        if like not in tables or "quirks_like" in tables[like]:
            raise msgspec.ValidationError(f"{name}: `quirks_like` names no row with quirks of its own")
        known = _quirks(like, tables)
    else:
        known = next((vendor["elsewhere"].get("quirks", {}) for vendor in tables.values() if _is_like(table, vendor)), {})
    return {**known, **table.get("quirks", {})}


def _is_like(table: _Table, vendor: _Table) -> bool:
    """Whether a row speaks the main dialect of another row's vendor."""
    return "elsewhere" in vendor and vendor is not table and next(iter(vendor["dialects"])) in table.get("dialects", {})


def _placeholders(text: str) -> Iterator[re.Match[str]]:
    return (match for match in _PLACEHOLDER.finditer(text) if match[1] != "model")
