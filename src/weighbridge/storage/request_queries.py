"""Single requests: a page of them by any filter, and one with all that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, or_, select

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.rates import PriceState
from weighbridge.core.terms import Provenance, Record
from weighbridge.ledger.terms import EntryKind
from weighbridge.storage.ledger_labels import texts_of
from weighbridge.storage.ledger_store import LedgerStore
from weighbridge.storage.ledger_sums import PRICE_STATES, PROVENANCES, SERIES_COLUMNS, storable
from weighbridge.storage.ledger_tables import entries, records, requests, series
from weighbridge.storage.usage_terms import conditions_of

_decode: Final = msgspec.msgpack.Decoder(Record).decode
_LABELLED: Final = (
    *SERIES_COLUMNS,
    "end_user",
    "session",
    "tags",
    "requested_model",
    "dialect",
    "operation",
    "error",
    "finish_reason",
)


class RequestsQuery(NamedTuple):
    """Which requests. Times are Unix seconds; `filters` as in `usage_queries`; `before` is the number of the last one seen."""

    from_s: int
    to_s: int
    filters: Mapping[str, tuple[str, ...]] = {}
    limit: int = 50
    before: int | None = None
    status: int | None = None
    min_cost: int | None = None
    is_stream: bool | None = None
    request_id: str | None = None


class RequestRow(NamedTuple):
    """One request as lists show it. Durations are microseconds, costs nano-dollars (None: unknown)."""

    number: int
    request_id: str
    at_ns: int
    texts: Mapping[str, str]
    """Its names, by the columns of `requests` and `series`."""
    status: int
    is_stream: bool
    provenance: Provenance
    price_state: PriceState
    input: int
    cache_read: int
    cache_write: int
    output: int
    reasoning: int
    cost: int | None
    own_cost: int
    """What of it providers bill to the customer."""
    duration_us: int
    first_byte_us: int | None
    overhead_us: int
    attempts: int
    charged: int
    cache_saved: int


class EntryRow(NamedTuple):
    """One entry of the ledger."""

    seq: int
    debit: str
    credit: str
    amount: int
    kind: EntryKind
    at_ns: int


class RequestDetail(NamedTuple):
    """Everything of one request; without its Record when that was kept for a shorter time than its row."""

    row: RequestRow
    record: Record | None
    entries: list[EntryRow]


def requests_page(store: LedgerStore, query: RequestsQuery) -> list[RequestRow]:
    """At most `limit` requests, newest first. Raises `StorageError`."""
    with store.reading() as connection:
        conditions = conditions_of(connection, query.filters)
        if conditions is None:
            return []
        conditions += _own_conditions(query)
        if query.before is not None:
            conditions.append(_after(connection, query.before))
        # By time first: its index has the page's rows together, where one by number would have to look through all that are newer
        # (11.7 s for the first page of ten million rows).
        statement = _ROWS.where(*conditions).order_by(requests.c.at.desc(), requests.c.id.desc()).limit(query.limit)
        return _rows(connection, statement)


def request_detail(store: LedgerStore, request_id: str) -> RequestDetail | None:
    """One request, or None. Raises `StorageError`."""
    with store.reading() as connection:
        rows = _rows(connection, _ROWS.where(requests.c.request_id == storable(request_id)).limit(1))
        if not rows:
            return None
        row = rows[0]
        body = connection.execute(select(records.c.body).where(records.c.id == row.number)).scalar_one_or_none()
        place = connection.execute(select(requests.c.first_entry, requests.c.entries).where(requests.c.id == row.number)).one()
        return RequestDetail(row, None if body is None else _decode(body), _entries(connection, *place))


def rows_between(connection: Connection, first: int, last: int) -> list[RequestRow]:
    """The requests of these numbers, both inclusive, in their order."""
    return _rows(connection, _ROWS.where(requests.c.id >= first, requests.c.id <= last).order_by(requests.c.id))


def _own_conditions(query: RequestsQuery) -> list[ColumnElement[bool]]:
    conditions = [requests.c.at >= query.from_s * NS_PER_S, requests.c.at < query.to_s * NS_PER_S]
    if query.status is not None:
        conditions.append(requests.c.status == query.status)
    if query.min_cost is not None:
        conditions.append(requests.c.cost >= query.min_cost)
    if query.is_stream is not None:
        conditions.append(requests.c.is_stream == query.is_stream)
    if query.request_id is not None:
        conditions.append(requests.c.request_id == storable(query.request_id))
    return conditions


def _after(connection: Connection, number: int) -> ColumnElement[bool]:
    """What comes after a row in a list, newest first; the row itself may be deleted by now."""
    at = connection.execute(select(requests.c.at).where(requests.c.id == number)).scalar_one_or_none()
    if at is None:
        return requests.c.id < number
    return and_(requests.c.at <= at, or_(requests.c.at < at, requests.c.id < number))


_ROWS: Final = select(requests, *(series.c[name] for name in SERIES_COLUMNS)).join(series, series.c.id == requests.c.series)


def _rows(connection: Connection, statement: Any) -> list[RequestRow]:
    found = connection.execute(statement).mappings().all()
    texts = texts_of(connection, {row[name] for row in found for name in _LABELLED})
    return [_row(row, {name: texts.get(row[name], "") for name in _LABELLED}) for row in found]


def _row(row: Any, texts: Mapping[str, str]) -> RequestRow:
    return RequestRow(
        row["id"],
        row["request_id"],
        row["at"],
        texts,
        row["status"],
        bool(row["is_stream"]),
        PROVENANCES[row["provenance"]],
        PRICE_STATES[row["price_state"]],
        row["input"],
        row["cache_read"],
        row["cache_write"],
        row["output"],
        row["reasoning"],
        row["cost"],
        row["own_cost"],
        row["duration_us"],
        row["first_byte_us"],
        row["overhead_us"],
        row["attempts"],
        row["charged"],
        row["cache_saved"],
    )


def _entries(connection: Connection, first: int, number: int) -> list[EntryRow]:
    statement = select(entries).where(entries.c.seq >= first, entries.c.seq < first + number).order_by(entries.c.seq)
    found = connection.execute(statement).all()
    texts = texts_of(connection, {side for row in found for side in (row.debit, row.credit)})
    return [EntryRow(row.seq, texts[row.debit], texts[row.credit], row.amount, EntryKind(row.kind), row.at) for row in found]
