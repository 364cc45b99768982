"""`/admin/v1/usage`: what was used and spent in a time, by at most two dimensions; as JSON, CSV or Parquet."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from weighbridge.auth.permissions import Actor, Permission
from weighbridge.control.acting import Acting
from weighbridge.control.admin_services import AdminServices
from weighbridge.control.instants import InstantText, instant_s, rfc3339
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.storage.ledger_sums import DURATION, FIRST_BYTE, OVERHEAD, SUM_COLUMNS
from weighbridge.storage.usage_queries import UsageAnswer, usage
from weighbridge.storage.usage_rows import MAX_TOP, Quantiles, UsageRow
from weighbridge.storage.usage_terms import DIMENSIONS, UsageQuery
from weighbridge.telemetry.parquet import MEDIA_TYPE, Column, Kind, encode_parquet, require_parquet

_MAX_GROUPS: Final = 2
_MAX_VALUES: Final = 200
_SUM_NAMES: Final = {
    "requests": "requests",
    "errors": "errors",
    "input": "input_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "output": "output_tokens",
    "reasoning": "reasoning_tokens",
    "cost": "cost_nanousd",
    "estimated": "estimated_nanousd",
    "unknown_costs": "unknown_costs",
    "fallbacks": "fallbacks",
    "charged": "charged_nanousd",
    "cache_saved": "cache_saved_nanousd",
    "own_cost": "own_key_cost_nanousd",
}
_SUMS_BY_NAME: Final = {told: name for name, told in _SUM_NAMES.items()}
_MEASURES: Final = {"duration_ms": DURATION, "first_byte_ms": FIRST_BYTE, "overhead_ms": OVERHEAD}

Dimension = Literal[
    "key",
    "team",
    "user",
    "organisation",
    "route",
    "provider",
    "model",
    "end_user",
    "tag",
    "session",
    "error",
    "dialect",
    "rating",
    "label",
]
Sum = Literal[
    "requests",
    "errors",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nanousd",
    "estimated_nanousd",
    "unknown_costs",
    "fallbacks",
    "charged_nanousd",
    "cache_saved_nanousd",
    "own_key_cost_nanousd",
]
Property = Annotated[str, Field(pattern=r"^property\.[a-z0-9_.-]{1,40}$")]
Values = Annotated[list[Annotated[str, Field(max_length=300)]], Field(max_length=_MAX_VALUES)]


class Filters(BaseModel):
    """Which requests count: those that have any of the given values, for each dimension that is given."""

    model_config = ConfigDict(extra="forbid")

    start: InstantText = Field("-24h", alias="from", description="RFC 3339, `now`, or relative: `-24h`, `-7d`.")
    to: InstantText = Field("now", description="The end, which is outside.")
    key: Values = Field([], description="Ids of virtual keys.")
    team: Values = []
    user: Values = []
    organisation: Values = []
    route: Values = []
    provider: Values = []
    model: Values = Field([], description="`provider/model`.")
    end_user: Values = []
    tag: Values = []
    session: Values = []
    error: Values = Field([], description="Kinds of errors; empty text for none.")
    dialect: Values = []
    rating: Values = Field([], description="What people thought of the answer: `good` or `bad`; empty text for nothing.")
    label: Values = Field([], description="Labels of feedback; empty text for none.")

    def values_for(self, actor: Actor) -> dict[str, tuple[str, ...]]:
        """By dimension, of those that are given; and whatever is asked, only of the actor's place.

        Raises `GatewayError` PERMISSION_DENIED where another place is asked for.
        """
        told = {name: tuple(getattr(self, name)) for name in DIMENSIONS if getattr(self, name)}
        for name, own in (("team", actor.place.team), ("organisation", actor.place.organisation)):
            if own and set(told.get(name, (own,))) != {own}:
                message = f"You see the {name} '{own}' only."
                raise GatewayError(ErrorKind.PERMISSION_DENIED, message, param=name, code="outside_your_place")
            if own:
                told[name] = (own,)
        return told

    def span(self, now_wall_ns: int) -> tuple[int, int]:
        """From and to as Unix seconds. Raises `GatewayError` INVALID_REQUEST where the end is before the beginning."""
        begin, end = instant_s(self.start, now_wall_ns), instant_s(self.to, now_wall_ns)
        if end < begin:
            raise GatewayError(ErrorKind.INVALID_REQUEST, "`to` is before `from`.", param="to", code="invalid_field")
        return begin, end


class UsageParameters(Filters):
    """What is asked."""

    interval: Literal["none", "minute", "hour", "day", "month"] = Field("none", description="One row for each, in UTC.")
    group_by: Annotated[list[Dimension | Property], Field(max_length=_MAX_GROUPS)] = Field(
        [], description="At most two; `property.<name>` is what requests have said of themselves under this name."
    )
    top: int | None = Field(
        None,
        ge=1,
        le=MAX_TOP,
        description="Only so many groups, those that come first, and all others as one, whose names are null.",
    )
    order_by: Sum = Field("cost_nanousd", description="What groups have most of that come first.")
    percentiles: bool | None = Field(
        None, description="Whether rows tell latencies; else those do that are not grouped, or by one dimension for the whole time."
    )
    format: Literal["json", "csv", "parquet"] = Field("json", description="`parquet` needs the extra `parquet`.")


def usage_router(services: AdminServices) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(tags=["usage"])

    @router.get("/usage", summary="Requests, tokens, cost and latency, by any dimension and time", response_class=Response)
    async def get(asked: Annotated[UsageParameters, Query()], actor: Acting) -> Response:
        actor.require(Permission.READ_SPEND)
        begin, end = asked.span(services.clock.wall_ns())
        groups = tuple(dict.fromkeys(asked.group_by))
        percentiles = asked.percentiles if asked.format == "json" else False  # no table has them
        first = _SUMS_BY_NAME[asked.order_by]
        query = UsageQuery(begin, end, asked.interval, groups, asked.values_for(actor), percentiles, asked.top, first)
        if asked.format == "parquet":
            require_parquet()
        answer = await asyncio.to_thread(usage, services.store.ledger, query)
        if asked.format == "csv":
            return Response(as_csv(query, answer), media_type="text/csv; charset=utf-8")
        if asked.format == "parquet":
            return Response(await asyncio.to_thread(as_parquet, query, answer), media_type=MEDIA_TYPE)
        return Response(encode_json(as_json(query, answer)), media_type="application/json")

    return router


def as_json(query: UsageQuery, answer: UsageAnswer) -> dict[str, object]:
    """The answer as the API gives it."""
    return {
        "from": rfc3339(query.from_s),
        "to": rfc3339(query.to_s),
        "interval": query.interval,
        "group_by": list(query.group_by),
        "data": [_row(query, row) for row in answer.rows],
        "is_complete": answer.is_complete,
        "n_groups": answer.n_groups,
    }


def _row(query: UsageQuery, row: UsageRow) -> dict[str, object]:
    sums = {_SUM_NAMES[name]: value for name, value in zip(SUM_COLUMNS, row.sums, strict=True)}
    return {
        "start": None if row.start_s is None else rfc3339(row.start_s),
        "group": dict.fromkeys(query.group_by) if row.is_rest else dict(zip(query.group_by, row.group, strict=True)),
        **sums,
        **{name: _told(row.quantiles.get(measure)) for name, measure in _MEASURES.items()},
    }


def _told(quantiles: Quantiles | None) -> Mapping[str, float] | None:
    return None if quantiles is None else {name: round(value, 3) for name, value in quantiles._asdict().items()}


def as_csv(query: UsageQuery, answer: UsageAnswer) -> str:
    """The same as a table, a line each; amounts in nano-dollars."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["start", *query.group_by, *(_SUM_NAMES[name] for name in SUM_COLUMNS)])
    for row in answer.rows:
        start = "" if row.start_s is None else rfc3339(row.start_s)
        writer.writerow([start, *map(spreadsheet_text, row.shown_group), *row.sums])
    return text.getvalue()


def as_parquet(query: UsageQuery, answer: UsageAnswer) -> bytes:
    """The same table, its names as they are. Raises `GatewayError` NOT_IMPLEMENTED where the extra is not installed."""
    columns = [
        Column("start", Kind.TIME),
        *(Column(name, Kind.TEXT) for name in query.group_by),
        *(Column(_SUM_NAMES[name], Kind.WHOLE) for name in SUM_COLUMNS),
    ]
    rows = [
        (
            None if row.start_s is None else row.start_s * NS_PER_S,
            *([None] * len(row.group) if row.is_rest else row.group),
            *row.sums,
        )
        for row in answer.rows
    ]
    facts = {
        "weighbridge.from": rfc3339(query.from_s),
        "weighbridge.to": rfc3339(query.to_s),
        "weighbridge.interval": query.interval,
        "weighbridge.is_complete": str(answer.is_complete).lower(),
    }
    return encode_parquet(columns, rows, facts)


def spreadsheet_text(name: str) -> str:
    """A cell that a spreadsheet would take for a formula is made a text (OWASP, CSV injection)."""
    return "'" + name if name[:1] in ("=", "+", "-", "@", "\t", "\r") else name
