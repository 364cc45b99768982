"""A checked configuration as the `Plan` that workers serve by: names resolved, URLs taken apart, keys as digests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Final
from urllib.parse import urlsplit

import msgspec

from weighbridge.config import schema
from weighbridge.config.accounts import account_of
from weighbridge.config.allowances import compile_allowances
from weighbridge.config.load import LoadedConfig
from weighbridge.config.model_sizes import compile_sizes
from weighbridge.config.prices import compile_prices
from weighbridge.config.proxies import ProxyRules
from weighbridge.config.routes import compile_routes, data_demand, data_terms, deadlines_of, retry_policy
from weighbridge.config.tariffs import compile_tariffs
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.routes import HealthRules
from weighbridge.core.terms import Dialect, Origin, Proxy, Tls, VirtualKey, WireFormat
from weighbridge.pipeline.plan import Limits, Plan
from weighbridge.providers.base import AuthStyle, Base, Credential, Provider
from weighbridge.providers.catalog import DIALECT_OF, FORMATS_OF, CatalogRow, Elsewhere, formats_of, load_catalog, natively_spoken

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_TOKENIZER: Final = "bpe_openai"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FILE_KEY_ID: Final = "file:"
"""Keys of the file are known by their name: it is the same after each load."""


def compile_plan(loaded: LoadedConfig, *, version: int, stored_keys: Sequence[VirtualKey]) -> Plan:
    """The plan of one version. A key that is both in the file and in the store is the file's."""
    config = loaded.config
    catalog = load_catalog()
    keys = {key.digest: key for key in (*stored_keys, *map(_key, config.keys))}
    return Plan(
        version=version,
        providers=tuple(_provider(name, entry, catalog, loaded.proxies) for name, entry in config.providers.items()),
        routes=compile_routes(config),
        keys=tuple(keys.values()),
        limits=_limits(config.server.limits),
        auth_required=config.server.auth == "required",
        retry=retry_policy(config.retry),
        prices=compile_prices(config),
        sizes=compile_sizes(config),
        allowances=compile_allowances(config),
        tariffs=compile_tariffs(config),
        properties=tuple(config.properties),
        payloads=config.payloads.rules() if config.payloads is not None else None,
        has_leases=config.database is not None,
        counts_tokens=config.ledger.count_tokens and find_spec(_TOKENIZER) is not None,
        health=HealthRules(config.health.breakers, config.health.keys),
    )


def parse_base(url: str, *, tls: Tls, proxy: Proxy | None, rules: ProxyRules) -> Base:
    """A checked base URL as origin and path. An IPv6 host loses its brackets; `proxy` goes before the environment's."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    way = proxy or rules.proxy_for(parts.scheme, host, port)
    # Equal origins share a pool, so what plain HTTP has no use for does not tell them apart.
    return Base(Origin(parts.scheme, host, port, tls if parts.scheme == "https" else Tls(), way), parts.path.rstrip("/"))


def _provider(name: str, entry: schema.Provider, catalog: Mapping[str, CatalogRow], rules: ProxyRules) -> Provider:
    row = catalog[entry.type or name]
    tls = entry.tls.compiled()
    credentials = tuple(Credential(f"{name}#{i}", secret) for i, secret in enumerate(entry.secrets, 1))
    # At another address the row's names may mean other models, unless the entry says by its name that it is the row.
    is_the_row = name == row.name or not (entry.base_url or entry.base_urls)
    elsewhere = None if is_the_row else row.elsewhere
    given: dict[str, str] = {variable: value for variable in row.variables if (value := getattr(entry, variable)) is not None}
    values = row.values_for(given)
    addresses = {dialect: row.fill(url, values) for dialect, url in _addresses(entry, row).items()}
    spoken = [f for f in _spoken(entry, row, elsewhere) if DIALECT_OF[f] in addresses]
    formats = {f: row.fill_path(row.call_path(f), values) for f in spoken}
    paths = {} if elsewhere else row.operation_paths
    return Provider(
        name=name,
        bases={d: parse_base(url, tls=tls, proxy=entry.proxy, rules=rules) for d, url in addresses.items()},
        auth=row.auth if credentials else row.identity or AuthStyle.NONE,
        credentials=credentials,
        headers=tuple(entry.headers.items()),
        models=tuple(entry.models) if entry.models is not None else row.models if is_the_row else (),
        patterns=row.patterns if is_the_row else (),
        deadlines=deadlines_of(entry.timeouts),
        formats=formats,
        native_formats=natively_spoken(formats) if elsewhere is None or entry.formats else formats_of(addresses),
        quirks=msgspec.structs.replace(elsewhere.quirks if elsewhere else row.quirks, **entry.quirks),
        operations={} if elsewhere else {str(name): style for name, style in row.operations.items()},
        variables=values,
        lists_models=row.model_list,
        shows_live=entry.models is None if entry.live_models is None else entry.live_models,
        account=None if credentials else account_of(entry, row, values),
        terms=data_terms(entry.data, region=values.get("region") or values.get("location") or ""),
        probe_ns=entry.probe or 0,
        max_in_flight=entry.max_in_flight or 0,
        max_in_flight_per_key=entry.max_in_flight_per_key or 0,
        operation_paths={str(name): row.fill_path(path, values) for name, path in paths.items()},
        key_auth=row.auth,
    )


def _addresses(entry: schema.Provider, row: CatalogRow) -> Mapping[Dialect, str]:
    if entry.base_url is None and not entry.base_urls:
        return row.dialects
    named = {Dialect(dialect): url for dialect, url in entry.base_urls.items()}
    return named if entry.base_url is None else {row.main_dialect: entry.base_url, **named}


def _spoken(entry: schema.Provider, row: CatalogRow, elsewhere: Elsewhere | None) -> Sequence[WireFormat]:
    if entry.formats is not None:
        return entry.formats
    known = elsewhere.formats if elsewhere else row.spoken
    # An address for a dialect that the row does not have: the format that everybody has who speaks it.
    added = [FORMATS_OF[Dialect(dialect)][0] for dialect in entry.base_urls if Dialect(dialect) not in row.dialects]
    return [*known, *added]


def _key(key: schema.Key) -> VirtualKey:
    hashed = key.key or key.key_sha256
    if hashed is None:
        raise AssertionError("the schema lets no key without a digest through")
    expires_wall_ns = None if key.expires is None else int((key.expires - _EPOCH).total_seconds()) * NS_PER_S
    return VirtualKey(
        id=_FILE_KEY_ID + key.name,
        name=key.name,
        digest=hashed.digest,
        hint=hashed.hint,
        models=tuple(key.models),
        expires_wall_ns=expires_wall_ns,
        demand=data_demand(key.demand),
        priority=key.priority,
        team=key.team,
        user=key.user,
        organisation=key.organisation,
        addresses=tuple(key.addresses),
        max_output_tokens=key.max_output_tokens,
        tags=tuple(key.tags),
    )


def _limits(section: schema.ServerLimits) -> Limits:
    return Limits(
        max_header_bytes=section.max_header,
        max_url_bytes=section.max_url,
        max_body_bytes=section.max_body,
        max_upload_bytes=section.max_upload,
        header_timeout_ns=section.header_timeout,
        body_idle_timeout_ns=section.body_idle_timeout,
        keepalive_timeout_ns=section.keepalive_timeout,
        write_stall_timeout_ns=section.write_stall_timeout,
        max_connections=section.max_connections,
        max_in_flight=section.max_in_flight,
        max_queue=section.max_queue,
        queue_timeout_ns=section.queue_timeout,
        max_upstream_connections=section.max_upstream_connections,
        upstream_idle_timeout_ns=section.upstream_idle_timeout,
    )
