"""When something ends (a key, a credit), as operators write it: `30d`, `2027-01-01` or `2027-01-01T12:00:00Z`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from weighbridge.core.clock import NS_PER_S, NS_PER_US

_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"(\d{1,9})([smhdw])")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END_OF_TIME: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""Unix nanoseconds outgrow a signed 64-bit column in 2262."""
FORMS: Final = "a duration such as '12h' or '30d', a date such as '2027-01-01' (its start, UTC), or an RFC 3339 time"


def expiry_wall_ns(text: str, now_wall_ns: int) -> int:
    """Unix nanoseconds of the moment that `text` means. Raises `ValueError` with a sentence for the operator."""
    moment = _moment_wall_ns(text.strip(), now_wall_ns)
    if moment <= now_wall_ns:
        raise ValueError(f"{text!r} is in the past")
    if moment >= _unix_ns(_END_OF_TIME):
        raise ValueError(f"{text!r} is too far off: leave it out for what does not expire")
    return moment


def duration_ns(text: str) -> int:
    """`0s`, `30m`, `24h`, `7d` as nanoseconds. Raises `ValueError` with a sentence for the operator."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a duration: write 30m, 24h or 7d")
    return int(found[1]) * _SECONDS[found[2]] * NS_PER_S


def _moment_wall_ns(text: str, now_wall_ns: int) -> int:
    if duration := _DURATION.fullmatch(text):
        return now_wall_ns + int(duration[1]) * _SECONDS[duration[2]] * NS_PER_S
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a time: write {FORMS}") from None
    return _unix_ns(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _unix_ns(moment: datetime) -> int:
    # Integer division of timedeltas: a float of seconds would be off by some hundred nanoseconds.
    return (moment - _EPOCH) // timedelta(microseconds=1) * NS_PER_US
