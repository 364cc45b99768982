"""Checked routes as the `core.routes` structs that workers choose by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from weighbridge.config import route_fields, schema
from weighbridge.config.section import Timeouts
from weighbridge.core.codec import encode_json
from weighbridge.core.routes import Hedging, Parameter, RetryPolicy, Route, RouteTarget, StickyBy, StrategyName
from weighbridge.core.terms import DataDemand, DataTerms, Deadlines, Deployment

_NS_PER_DAY: Final = 86_400_000_000_000
_HEADER: Final = "header:"


def compile_routes(config: schema.Config) -> tuple[Route, ...]:
    """All routes, in the order of the file."""
    general = retry_policy(config.retry)
    return tuple(_route(name, route, general, config.routes) for name, route in config.routes.items())


def retry_policy(section: route_fields.Retry, general: RetryPolicy = RetryPolicy()) -> RetryPolicy:  # noqa: B008 - frozen
    """The policy of a section; what it does not say is `general`'s."""
    given = {
        "max_attempts": section.attempts,
        "time_ns": section.time,
        "backoff_ns": section.backoff,
        "max_backoff_ns": section.max_backoff,
        "max_hint_ns": section.max_hint,
        "retries_ambiguous": section.ambiguous,
        "on_empty": section.on_empty,
        "on_context_length": section.on_context_length,
        "on_content_policy": section.on_content_policy,
        "first_event_ns": section.first_event,
    }
    return msgspec.structs.replace(general, **{name: value for name, value in given.items() if value is not None})


def data_terms(section: route_fields.DataTerms | route_fields.RouteTarget, *, region: str = "") -> DataTerms:
    """What is promised; `region` where the section names none."""
    return DataTerms(section.region or region, section.zdr, _days(section.retention), section.trains)


def data_demand(section: route_fields.DataDemand) -> DataDemand:
    """What is demanded."""
    return DataDemand(tuple(section.regions), section.zdr, _days(section.max_retention), section.no_training)


def deadlines_of(section: Timeouts) -> Deadlines:
    """Bounds on one attempt."""
    return Deadlines(
        connect_ns=section.connect,
        first_byte_ns=section.first_byte,
        between_bytes_ns=section.between_bytes,
        total_ns=section.total,
    )


def _route(name: str, route: route_fields.Route, general: RetryPolicy, routes: Mapping[str, route_fields.Route]) -> Route:
    sticky, header = _sticky(route.sticky)
    return Route(
        name,
        tuple(_target(target, routes) for target in route.targets),
        strict=route.strict,
        strategy=StrategyName(route.strategy),
        sticky=sticky,
        sticky_header=header,
        retry=retry_policy(route.retry, general),
        hedging=_hedging(route.hedge),
        continues_midstream=route.midstream,
        joins=route.join,
        demand=data_demand(route.demand),
    )


def _target(target: route_fields.RouteTarget, routes: Mapping[str, route_fields.Route]) -> RouteTarget:
    named = target.route or target.target or ""
    if target.route is not None or named in routes:
        return RouteTarget(route=named, weight=target.weight, when=target.when or "")
    provider, _, model = named.partition("/")
    declared = (target.region, target.zdr, target.retention, target.trains)
    return RouteTarget(
        Deployment(provider, model),
        weight=target.weight,
        credentials=tuple(_credential(provider, key) for key in target.keys),
        when=target.when or "",
        deadlines=None if target.timeouts is None else deadlines_of(target.timeouts),
        defaults=_parameters(target.defaults),
        overrides=_parameters(target.overrides),
        terms=None if all(value is None for value in declared) else data_terms(target),
        max_in_flight=target.max_in_flight or 0,
    )


def _credential(provider: str, key: str) -> str:
    return f"{provider}#{key}" if key.isdigit() else key


def _parameters(values: Mapping[str, Any]) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, encode_json(value)) for name, value in values.items())


def _sticky(text: str | None) -> tuple[StickyBy, str]:
    if text is None:
        return StickyBy.NOTHING, ""
    if text.startswith(_HEADER):
        return StickyBy.HEADER, text.removeprefix(_HEADER).lower()
    return StickyBy(text), ""


def _hedging(section: route_fields.Hedge | None) -> Hedging | None:
    return None if section is None else Hedging(section.percentile, section.min_delay, section.max_extra)


def _days(nanoseconds: int | None) -> int | None:
    return None if nanoseconds is None else -(-nanoseconds // _NS_PER_DAY)
