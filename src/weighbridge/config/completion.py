"""What the environment and the catalogue add to the document before it is checked, and what only the whole of it can show.

Works on plain values and so also where a section has other problems: all of them are told at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from weighbridge.config.document import Document
from weighbridge.config.problems import ConfigProblem, PathParts, did_you_mean, format_path
from weighbridge.config.proxies import is_loopback
from weighbridge.config.route_checks import route_problems
from weighbridge.config.schema import Provider, Server
from weighbridge.core.secret import Secret
from weighbridge.providers.catalog import CatalogRow

_EVERY_ADDRESS: Final = ("0.0.0.0", "::")  # noqa: S104 - compared, not listened on
_KEY_OR_ADDRESS: Final = ("api_key", "api_keys", "base_url", "base_urls")

Raw = dict[str, object]
"""A mapping of the document: values are whatever was written, or a `Secret` from the environment."""


def providers_from_environment(catalog: Mapping[str, CatalogRow], environ: Mapping[str, str]) -> Raw:
    """Provider entries for a gateway without a file: those whose key is in the environment, and what is built in.

    Not those whose address has a part that the environment does not tell, and of providers that share a key only the first.
    """
    entries: Raw = {}
    for name, row in catalog.items():
        key = environment_key(row, environ)
        if key is None and any(not url.startswith("demo:") for url in row.dialects.values()):
            continue
        if row.variant_of or set(row.needed(own_address=False)) - row.values_for(environment_values(row, environ)).keys():
            continue
        entry: Raw = {} if key is None else {"api_key": key}
        if row.base_url_env and (url := environ.get(row.base_url_env)):
            entry["base_url"] = url
        entries[name] = entry
    return entries


def environment_key(row: CatalogRow, environ: Mapping[str, str]) -> Secret | None:
    """The key that the environment holds for a provider, by the row's precedence."""
    return next((Secret(key) for name in row.env if (key := environ.get(name, "").strip())), None)


def environment_values(row: CatalogRow, environ: Mapping[str, str]) -> dict[str, str]:
    """What the environment says of the variable parts of a provider's addresses."""
    held = {name: next((v for e in part.env if (v := environ.get(e, "").strip())), "") for name, part in row.variables.items()}
    return {name: row.variables[name].read(value) for name, value in held.items() if value}


class Completion:
    """Fills in keys and parts of addresses from the environment and collects the problems that concern more than one section."""

    def __init__(self, document: Document, catalog: Mapping[str, CatalogRow], environ: Mapping[str, str]) -> None:
        self.problems: list[ConfigProblem] = []
        self._document = document
        self._catalog = catalog
        self._environ = environ

    def complete(self, raw: Raw) -> Raw:
        """The document with its providers' keys, regions and the like."""
        providers = _mapping(raw.get("providers"))
        completed = {**raw, "providers": {name: self._provider(name, entry) for name, entry in providers.items()}}
        self._check_own_address(raw, providers)
        for path, message, suggestion in route_problems(_mapping(raw.get("routes")), providers):
            self._refuse(path, message, suggestion)
        self._check_keys(raw.get("keys"))
        # A section that is no mapping is left to the schema to refuse.
        return completed if isinstance(raw.get("providers"), dict) else raw

    def _provider(self, name: str, entry: object) -> object:
        if not isinstance(entry, dict | None):
            return entry
        entry = entry or {}
        kind = entry.get("type") or name
        row = self._catalog.get(kind) if isinstance(kind, str) else None
        if row is None:
            self._refuse_type(name, entry, kind)
            return entry
        if "probe" in entry and not row.model_list:
            self._refuse(("providers", name, "probe"), "cannot be: this provider has no list of models to ask for", "leave it out")
        return self._with_key(name, self._with_variables(name, entry, row), row)

    def _with_key(self, name: str, entry: Raw, row: CatalogRow) -> Raw:
        # A misspelt field says as well that the entry is not silent; the schema tells of the spelling.
        if not row.env or any(_is_key_or_address(field) for field in entry):
            return entry
        key = environment_key(row, self._environ)
        if key is None:
            if row.identity is None:
                self._refuse(("providers", name), "has no key", f"set {row.env[0]}, or give it `api_keys`")
            return entry
        return {**entry, "api_key": key}

    def _with_variables(self, name: str, entry: Raw, row: CatalogRow) -> Raw:
        if not row.variables:
            return entry
        found = {name: value for name, value in environment_values(row, self._environ).items() if name not in entry}
        known = entry.keys() | row.values_for(found).keys()
        for variable in row.needed(own_address=bool(entry.keys() & {"base_url", "base_urls"})):
            if variable not in known:
                variables = row.variables[variable].env
                advice = f"give it `{variable}`" if not variables else f"set {variables[0]}, or give it `{variable}`"
                self._refuse(("providers", name), f"has no `{variable}`, which is part of its address", advice)
        return {**entry, **found}

    def _refuse_type(self, name: str, entry: Raw, kind: object) -> None:
        if not isinstance(kind, str):
            return
        families = "`type: openai`, `anthropic` or `gemini` with a `base_url` fits every server that speaks so"
        if "type" in entry:
            place: PathParts = ("providers", name, "type")
            self._refuse(place, "is not in the catalogue", did_you_mean(kind, self._catalog) or families)
        else:
            message = "is no name of the catalogue, so the entry needs a `type`"
            self._refuse(("providers", name), message, did_you_mean(kind, self._catalog) or families)

    def _check_own_address(self, raw: Raw, providers: Raw) -> None:
        listener = {name: field.default for name, field in Server.model_fields.items()} | _mapping(raw.get("server"))
        host, port = str(listener["host"]), str(listener["port"])
        if not (is_loopback(host) or host in _EVERY_ADDRESS):
            return
        for name, entry in providers.items():
            for url in self._addresses(name, _mapping(entry)):
                if _is_loopback_port(url, port):
                    self._refuse(("providers", name), "would call the gateway itself", self._advice_on_own_address(name))
                    break

    def _advice_on_own_address(self, name: str) -> str:
        row = self._catalog.get(name)
        if ("providers", name) not in self._document.lines and row is not None and row.base_url_env:
            # Exported for the applications, and now in the gateway's environment too.
            return f"unset {row.base_url_env} where the gateway is started"
        return "give the server's own address as `base_url`, or another `server.port`"

    def _addresses(self, name: str, entry: Raw) -> list[str]:
        written = [entry.get("base_url"), *_mapping(entry.get("base_urls")).values()]
        row = self._catalog.get(str(entry.get("type") or name))
        own = [] if entry.keys() & {"base_url", "base_urls"} or row is None else row.dialects.values()
        return [url for url in (*written, *own) if isinstance(url, str)]

    def _check_keys(self, keys: object) -> None:
        seen: set[tuple[str, str]] = set()
        for i, key in enumerate(keys if isinstance(keys, list) else ()):
            for field in ("name", "key", "key_sha256"):
                value = _mapping(key).get(field)
                if isinstance(value, str):
                    value = value.lower() if field == "key_sha256" else value
                    if (field, value) in seen:
                        self._refuse(("keys", i, field), "is that of another key too", None)
                    seen.add((field, value))

    def _refuse(self, path: PathParts, message: str, suggestion: str | None) -> None:
        self.problems.append(ConfigProblem(format_path(path), self._document.line_of(path), message, suggestion))


def _is_key_or_address(field: str) -> bool:
    if field in _KEY_OR_ADDRESS:
        return True
    return field not in Provider.model_fields and did_you_mean(field, _KEY_OR_ADDRESS) is not None


def _mapping(value: object) -> Raw:
    return value if isinstance(value, dict) else {}


def _is_loopback_port(url: str, port: str) -> bool:
    try:
        parts = urlsplit(url)
        return is_loopback(parts.hostname or "") and str(parts.port) == port
    except ValueError:
        return False
