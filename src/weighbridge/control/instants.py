"""Points in time as the admin API takes and gives them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import Field

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.errors import ErrorKind, GatewayError

_RELATIVE: Final = re.compile(r"-([0-9]{1,6})([mhdw])")
_SECONDS: Final = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_MAX_S: Final = 253_402_300_799
"""The year 9999."""

InstantText = Annotated[str, Field(max_length=64)]


def instant_s(text: str, now_wall_ns: int) -> int:
    """Unix seconds of `2026-11-25T10:00:00Z`, `2026-11-25` (UTC), `now` or `-7d`. Raises `GatewayError` INVALID_REQUEST."""
    now_s = now_wall_ns // NS_PER_S
    if text == "now":
        return now_s + 1  # the second that is running counts
    if (found := _RELATIVE.fullmatch(text)) is not None:
        return max(0, now_s - int(found[1]) * _SECONDS[found[2]])
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        seconds = int(moment.timestamp())
    except (ValueError, OverflowError):
        seconds = -1
    if not 0 <= seconds <= _MAX_S:
        message = f"'{text[:40]}' is no time: write 2026-11-25T10:00:00Z, 2026-11-25, `now`, or `-24h`."
        raise GatewayError(ErrorKind.INVALID_REQUEST, message, code="invalid_field")
    return seconds


def rfc3339(seconds: int) -> str:
    """`2026-11-25T10:00:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def rfc3339_ns(wall_ns: int) -> str:
    """The same with microseconds."""
    moment = datetime.fromtimestamp(wall_ns // NS_PER_S, UTC).replace(microsecond=wall_ns % NS_PER_S // 1_000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
