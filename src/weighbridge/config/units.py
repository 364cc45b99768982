"""Durations (`250ms`, `5s`, `30m`, `2h`, `1d`) and sizes (`64kB`, `64MB`, `1GB`) as operators write them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from weighbridge.core.clock import NS_PER_MS, NS_PER_S

_DURATION: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
_NS_PER_UNIT: Final = {
    "ms": NS_PER_MS,
    "s": NS_PER_S,
    "m": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
    "d": 86_400 * NS_PER_S,
}
_SIZE: Final = re.compile(r"([0-9]{1,15})(B|kB|KB|MB|GB)?")
# Powers of 1024, as in nginx and Docker: limits are compared with buffers, not with the labels of disks.
_BYTES_PER_UNIT: Final = {"B": 1, "kB": 1024, "KB": 1024, "MB": 1024**2, "GB": 1024**3}

MAX_DURATION_NS: Final = 30 * _NS_PER_UNIT["d"]
"""Nothing of ours waits for more than a month; asyncio's timers refuse far longer ones."""
MAX_SIZE_BYTES: Final = 1024**4
"""One terabyte: more is a typing error."""


def parse_duration(text: str) -> int:
    """Nanoseconds. Raises `ValueError` with a sentence for the operator."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("must be a duration with a unit, such as `250ms`, `5s`, `30m`, `2h` or `1d`")
    nanoseconds = int(Decimal(match[1]) * _NS_PER_UNIT[match[2]])
    if nanoseconds > MAX_DURATION_NS:
        raise ValueError("must be at most `30d`")
    return nanoseconds


def parse_size(value: str | int) -> int:
    """Bytes, from text or a plain number. Raises `ValueError` with a sentence for the operator."""
    match = _SIZE.fullmatch(str(value))
    if match is None:
        raise ValueError("must be a size, such as `64kB`, `64MB` or `1GB`, or a number of bytes")
    n_bytes = int(match[1]) * _BYTES_PER_UNIT[match[2] or "B"]
    if not 0 < n_bytes <= MAX_SIZE_BYTES:
        raise ValueError("must be between `1B` and `1024GB`")
    return n_bytes
