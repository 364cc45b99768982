"""When a budget's period began and when it ends, in its operator's time zone."""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime, timedelta
from functools import cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from weighbridge.core.allowances import Period
from weighbridge.core.clock import NS_PER_S

_NEVER_NS: Final = 2**63 - 1
_HOUR_S: Final = 3_600


class Span(NamedTuple):
    """From `start_ns` up to, and without, `end_ns`: Unix nanoseconds."""

    start_ns: int
    end_ns: int


ALWAYS: Final = Span(0, _NEVER_NS)
"""The only span of a budget without a period."""


@cache
def zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises `zoneinfo.ZoneInfoNotFoundError` or `ValueError`."""
    return ZoneInfo(name)


def span_of(period: Period, timezone: str, wall_ns: int) -> Span:
    """The span of this period that holds a moment. A day has 23 or 25 hours where clocks change in it."""
    if period is Period.TOTAL:
        return ALWAYS
    here = zone(timezone)
    now_s = wall_ns // NS_PER_S
    if period is Period.HOUR:
        return _hour(here, now_s)
    now = datetime.fromtimestamp(now_s, here)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if period is Period.DAY:
        first, last = midnight, midnight + timedelta(days=1)
    elif period is Period.WEEK:
        first = midnight - timedelta(days=midnight.weekday())
        last = first + timedelta(days=7)
    else:
        first = midnight.replace(day=1)
        last = (first + timedelta(days=32)).replace(day=1)
    return Span(_wall_ns(first), _wall_ns(last))


def _hour(here: ZoneInfo, now_s: int) -> Span:
    """On the absolute clock: the hour that comes twice in autumn is two hours.

    Where clocks change by a part of an hour (Lord Howe Island's do by half of one), it ends or begins at the change.
    """
    past_s = (now_s + _offset_s(here, now_s)) % _HOUR_S
    first, last = now_s - past_s, now_s - past_s + _HOUR_S

    def is_shifted(at_s: int) -> bool:
        return (at_s + _offset_s(here, at_s)) % _HOUR_S != (at_s - first) % _HOUR_S

    if is_shifted(first):
        first += bisect_left(range(first, now_s), 1, key=lambda at_s: not is_shifted(at_s))
    elif is_shifted(last - 1):
        last = now_s + bisect_left(range(now_s, last), 1, key=is_shifted)
    return Span(first * NS_PER_S, last * NS_PER_S)


def _offset_s(here: ZoneInfo, at_s: int) -> int:
    offset = datetime.fromtimestamp(at_s, here).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def _wall_ns(moment: datetime) -> int:
    return int(moment.timestamp()) * NS_PER_S
