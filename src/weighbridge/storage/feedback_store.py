"""What people think of answers: a score, a label, a comment on a request, by whoever says so. Methods block on the database.

Each rater has one opinion of a request: a later one takes the place of the one before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Row, Select, case, delete, func, insert, select, tuple_

from weighbridge.core.clock import NS_PER_S, new_id
from weighbridge.storage.errors import NotFoundError
from weighbridge.storage.ledger_labels import texts_of
from weighbridge.storage.ledger_sums import SERIES_COLUMNS, storable
from weighbridge.storage.ledger_tables import requests, series
from weighbridge.storage.tables import feedback
from weighbridge.storage.transactions import Transactions
from weighbridge.storage.usage_feedback import GOOD_FROM
from weighbridge.storage.usage_terms import conditions_of

MAX_PAGE: Final = 200
MAX_GROUPS: Final = 1_000
GROUPS: Final = ("model", "route", "team", "user", "key", "organisation", "provider", "label")
"""By what feedback is summed up."""
_COLUMNS: Final = {"user": "owner"}
Filters = Mapping[str, tuple[str, ...]]


class Opinion(msgspec.Struct, frozen=True):
    """What somebody says: at least one of the three. `score` is between 0 (bad) and 1 (good)."""

    rater: str
    score: float | None = None
    label: str = ""
    comment: str = ""


class Feedback(NamedTuple):
    """An opinion of a request, and who asked and answered (by the columns of `series`)."""

    id: str
    created_wall_ns: int
    request_id: str
    opinion: Opinion
    texts: Mapping[str, str]


class Summary(NamedTuple):
    """What people think of a group: how many opinions, how many of them with a score, and its mean (None: none has one)."""

    group: str
    n: int
    n_scored: int
    mean_score: float | None
    n_good: int
    """Scores of a half and more."""


class Asked(NamedTuple):
    """A request that may be spoken of: its number of series, and who sent it."""

    series: int
    key_id: str
    team: str
    organisation: str


class FeedbackStore:
    """Raises `StorageError` if the database cannot be used."""

    __slots__ = ("_transactions",)

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def asked(self, request_id: str) -> Asked | None:
        """Who sent a request; None while the ledger has not heard of it."""
        columns = (requests.c.series, series.c.key, series.c.team, series.c.organisation)
        query = select(*columns).join(series, series.c.id == requests.c.series)
        with self._transactions.reading() as connection:
            row = connection.execute(query.where(requests.c.request_id == storable(request_id)).limit(1)).one_or_none()
            if row is None:
                return None
            texts = texts_of(connection, row[1:])
        return Asked(int(row[0]), *(texts[number] for number in row[1:]))

    def give(self, request_id: str, of_series: int, opinion: Opinion) -> str:
        """Keep an opinion, in place of the rater's earlier one. Its id."""
        made = new_id("fbk")
        mine = (feedback.c.request_id == request_id) & (feedback.c.rater == opinion.rater)
        row = {
            "id": made,
            "created_at": self._transactions.clock.wall_ns(),
            "request_id": request_id,
            "series": of_series,
            **msgspec.structs.asdict(opinion),
        }
        with self._transactions.writing() as connection:
            connection.execute(delete(feedback).where(mine))
            connection.execute(insert(feedback).values(row))
        return made

    def of_request(self, request_id: str) -> list[Feedback]:
        """Every opinion of a request, newest first."""
        return self._read(_ROWS.where(feedback.c.request_id == request_id).order_by(*_NEWEST))

    def page(self, from_s: int, to_s: int, filters: Filters, *, limit: int, cursor: str | None = None) -> list[Feedback]:
        """At most `limit` opinions that were given in a time, newest first, after the one whose id is `cursor`."""
        with self._transactions.reading() as connection:
            query = _within(_ROWS, from_s, to_s)
            if cursor is not None:
                last = connection.execute(select(feedback.c.created_at).where(feedback.c.id == cursor)).scalar_one_or_none()
                if last is None:
                    raise NotFoundError("feedback", cursor)
                query = query.where(tuple_(feedback.c.created_at, feedback.c.id) < (last, cursor))
            labels = filters.get("label")
            conditions = conditions_of(connection, {name: values for name, values in filters.items() if name != "label"})
        if conditions is None:  # a name that was never seen
            return []
        if labels:
            query = query.where(feedback.c.label.in_(labels))
        return self._read(query.where(*conditions).order_by(*_NEWEST).limit(max(1, min(limit, MAX_PAGE))))

    def summary(self, from_s: int, to_s: int, filters: Filters, group: str) -> list[Summary]:
        """What people think in a time, by one of `GROUPS`: most opinions first."""
        columns = [series.c.provider, series.c.model] if group == "model" else [_column(group)]
        good = case((feedback.c.score >= GOOD_FROM, 1), else_=0)
        sums = (func.count(), func.count(feedback.c.score), func.avg(feedback.c.score), func.sum(good))
        with self._transactions.reading() as connection:
            labels = filters.get("label")
            conditions = conditions_of(connection, {name: values for name, values in filters.items() if name != "label"})
            if conditions is None:
                return []
            if labels:
                conditions.append(feedback.c.label.in_(labels))
            query = _within(select(*columns, *sums).join(series, series.c.id == feedback.c.series), from_s, to_s).where(*conditions)
            rows = connection.execute(query.group_by(*columns).order_by(func.count().desc()).limit(MAX_GROUPS)).all()
            n = len(columns)
            texts = {} if group == "label" else texts_of(connection, {number for row in rows for number in row[:n]})
        return [
            Summary(
                row[0] if group == "label" else "/".join(texts[number] for number in row[:n]),
                int(row[n]),
                int(row[n + 1]),
                None if row[n + 2] is None else float(row[n + 2]),
                int(row[n + 3] or 0),
            )
            for row in rows
        ]

    def _read(self, query: Select[Any]) -> list[Feedback]:
        with self._transactions.reading() as connection:
            rows = connection.execute(query).all()
            texts = texts_of(connection, {getattr(row, name) for row in rows for name in SERIES_COLUMNS})
        return [_told(row, texts) for row in rows]


_ROWS: Final = select(feedback, *(series.c[name] for name in SERIES_COLUMNS)).join(series, series.c.id == feedback.c.series)
_NEWEST: Final = (feedback.c.created_at.desc(), feedback.c.id.desc())


def _column(group: str) -> Any:
    return feedback.c.label if group == "label" else series.c[_COLUMNS.get(group, group)]


def _within(query: Select[Any], from_s: int, to_s: int) -> Select[Any]:
    return query.where(feedback.c.created_at >= from_s * NS_PER_S, feedback.c.created_at < to_s * NS_PER_S)


def _told(row: Row[Any], texts: Mapping[int, str]) -> Feedback:
    opinion = Opinion(row.rater, None if row.score is None else float(row.score), row.label, row.comment)
    return Feedback(
        row.id, int(row.created_at), row.request_id, opinion, {name: texts[getattr(row, name)] for name in SERIES_COLUMNS}
    )
