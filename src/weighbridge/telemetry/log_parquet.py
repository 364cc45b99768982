"""Rows of the log as Parquet: a file for each hour in which requests of a batch began.

The rows are those that every sink gets (`log_rows.py`), redacted before they came here; a column for each of their fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from weighbridge.core.clock import NS_PER_US
from weighbridge.core.codec import JsonError, decode_json
from weighbridge.core.money import from_usd
from weighbridge.telemetry.log_rows import LogRow
from weighbridge.telemetry.parquet import Column, Kind, encode_parquet

_KINDS: Final[Mapping[str, Kind]] = {
    "request_id": Kind.ID,
    "at": Kind.TIME,
    "tags": Kind.TEXTS,
    "failed_attempts": Kind.TEXTS,
    "edits": Kind.TEXTS,
    "is_stream": Kind.FLAG,
    "cost_usd": Kind.DOLLARS,
    "duration_ms": Kind.REAL,
    "first_byte_ms": Kind.REAL,
    "overhead_ms": Kind.REAL,
    **dict.fromkeys(
        (
            "status",
            "input_tokens",
            "cache_read_tokens",
            "cache_write_tokens",
            "output_tokens",
            "reasoning_tokens",
            "cost_nanousd",
            "attempts",
            "config_version",
        ),
        Kind.WHOLE,
    ),
}
COLUMNS: Final = tuple(Column(name, _KINDS.get(name, Kind.TEXT)) for name in LogRow.__struct_fields__)
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00Z")
_HOUR: Final = len("2026-11-25T13")


class HourFile(NamedTuple):
    """Rows of one hour of UTC, `2026-11-25T13`."""

    hour: str
    content: bytes

    @property
    def folder(self) -> str:
        """As warehouses find partitions: `dt=2026-11-25/hour=13`."""
        return f"dt={self.hour[:10]}/hour={self.hour[11:]}"


def hour_files(lines: bytes) -> tuple[list[HourFile], int]:
    """Lines of JSON as files, and how many lines are no rows (a power cut may have cut one). The same lines give the same files.

    Raises `GatewayError` NOT_IMPLEMENTED where the extra is not installed.
    """
    hours: dict[str, list[tuple[Any, ...]]] = {}
    n_unreadable = 0
    for line in lines.splitlines():
        row = _row(line)
        if row is None:
            n_unreadable += 1
        else:
            # A row that waited while the gateway was upgraded may lack a column.
            hours.setdefault(row["at"][:_HOUR], []).append(tuple(_value(column, row.get(column.name)) for column in COLUMNS))
    return [HourFile(hour, encode_parquet(COLUMNS, rows)) for hour, rows in sorted(hours.items())], n_unreadable


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = decode_json(line)
    except JsonError:
        return None
    return row if isinstance(row, dict) and "at" in row else None


def _value(column: Column, value: Any) -> Any:
    if value is None:
        return None
    if column.kind is Kind.TIME:
        return (datetime.fromisoformat(value) - _EPOCH) // datetime.resolution * NS_PER_US
    return from_usd(value) if column.kind is Kind.DOLLARS else value
