"""What people thought of answers, as something that requests are known by: usage is grouped and filtered by it.

A request has every rating and every label that somebody gave it, each once however many gave it. Who only comments says neither.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import ColumnElement, Subquery, case, or_, select

from weighbridge.storage.ledger_tables import requests
from weighbridge.storage.tables import feedback

IN_FEEDBACK: Final = ("rating", "label")
GOOD: Final = "good"
BAD: Final = "bad"
GOOD_FROM: Final = 0.5
"""The least score that is a good one."""


def opinions(name: str, values: Collection[str] = ()) -> Subquery:
    """Requests (`request_id`) with their ratings or labels (`value`); if there are `values`, with these alone."""
    if name == "rating":
        value: ColumnElement[str] = case((feedback.c.score >= GOOD_FROM, GOOD), else_=BAD)
        is_told: ColumnElement[bool] = feedback.c.score.is_not(None)
    else:
        value, is_told = feedback.c.label, feedback.c.label != ""
    query = select(feedback.c.request_id, value.label("value")).where(is_told).distinct()
    if values:
        query = query.where(value.in_(values))
    return query.subquery(f"by_{name}")


def has_opinion(name: str, values: Collection[str]) -> ColumnElement[bool]:
    """Whether a request has one of these ratings or labels; the empty text stands for none."""
    given = [value for value in values if value]
    is_one_of = requests.c.request_id.in_(select(opinions(name, given).c.request_id)) if given else None
    if len(given) == len(values) and is_one_of is not None:
        return is_one_of
    has_none = requests.c.request_id.not_in(select(opinions(name).c.request_id))
    return has_none if is_one_of is None else or_(is_one_of, has_none)
