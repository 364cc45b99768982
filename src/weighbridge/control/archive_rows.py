"""Requests as rows of the archive: what a page of one request shows, a column for each fact, and its attempts as rows within.

Names of columns are those of the log's rows where both have them. What is null was not kept or is not known; prompts and answers
are in no Record.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from weighbridge.core.clock import NS_PER_MS, utc_from_ns
from weighbridge.core.codec import encode_json
from weighbridge.core.terms import Attempt, Record
from weighbridge.storage.archive_store import ArchiveBatch, ArchivedRequest
from weighbridge.telemetry.parquet import Column, Kind, encode_parquet

ERASED: Final = "weighbridge.erased"
"""The fact of a file that says how many of its rows were taken out."""
_US_PER_MS: Final = 1_000
_TEXTS: Final = ("key", "team", "owner", "organisation", "end_user", "session")
_NAMES: Final = ("route", "requested_model", "provider", "model", "dialect", "operation")
_TOKENS: Final = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "reasoning",
    "input_audio",
    "input_image",
    "output_audio",
    "output_image",
    "tool_calls",
    "file_searches",
    "cached_audio",
    "cached_image",
    "audio_ms",
    "characters",
    "search_units",
)
"""As `core.terms.Usage` has them: disjoint but for `reasoning`, a part of `output`, and the two of the cache, parts of
`cache_read`."""
_PIECES: Final = frozenset(("tool_calls", "file_searches", "audio_ms", "characters", "search_units"))

_ATTEMPT: Final = (
    *(Column(name, Kind.TEXT) for name in ("provider", "model", "credential")),
    Column("status", Kind.WHOLE),
    Column("error", Kind.TEXT),
    *(Column(name if name in _PIECES else f"{name}_tokens", Kind.WHOLE) for name in _TOKENS),
    Column("usage_provenance", Kind.TEXT),
    Column("cost_nanousd", Kind.WHOLE),
    Column("price_state", Kind.TEXT),
    Column("reserved_nanousd", Kind.WHOLE),
    Column("cache_saved_nanousd", Kind.WHOLE),
    Column("tier", Kind.TEXT),
    Column("region", Kind.TEXT),
    Column("apart", Kind.TEXT),
    *(Column(f"{name}_ms", Kind.REAL) for name in ("sent", "first_byte", "end")),
)
COLUMNS: Final = (
    Column("number", Kind.WHOLE),
    Column("request_id", Kind.ID),
    Column("at", Kind.TIME),
    *(Column(name, Kind.TEXT) for name in ("key_id", "team", "user", "organisation", "end_user", "session")),
    Column("tags", Kind.TEXTS),
    *(Column(name, Kind.TEXT) for name in _NAMES),
    Column("status", Kind.WHOLE),
    Column("error", Kind.TEXT),
    Column("is_stream", Kind.FLAG),
    Column("finish_reason", Kind.TEXT),
    *(Column(f"{name}_tokens", Kind.WHOLE) for name in ("input", "cache_read", "cache_write", "output", "reasoning")),
    Column("usage_provenance", Kind.TEXT),
    Column("cost_nanousd", Kind.WHOLE),
    Column("charged_nanousd", Kind.WHOLE),
    Column("own_key_cost_nanousd", Kind.WHOLE),
    Column("cache_saved_nanousd", Kind.WHOLE),
    Column("price_state", Kind.TEXT),
    *(Column(f"{name}_ms", Kind.REAL) for name in ("duration", "first_byte", "overhead")),
    *(Column(name, Kind.TEXT) for name in ("method", "path", "detail")),
    Column("edits", Kind.TEXTS),
    *(Column(name, Kind.WHOLE) for name in ("request_bytes", "reply_bytes", "config_version")),
    Column("trace", Kind.ID),
    Column("attempts", Kind.ROWS, _ATTEMPT),
)


class DayFile(NamedTuple):
    """The requests of a batch that began on one day of UTC."""

    name: str
    content: bytes
    request_ids: frozenset[str]


def day_files(batch: ArchiveBatch, asked: Sequence[ArchivedRequest]) -> list[DayFile]:
    """Files by day. The same requests give the same files. Raises `GatewayError` where the extra is not installed."""
    days: dict[str, list[ArchivedRequest]] = {}
    for each in asked:
        days.setdefault(utc_from_ns(each.row.at_ns).strftime("%Y-%m-%d"), []).append(each)
    facts = {"weighbridge.first": str(batch.first), "weighbridge.last": str(batch.last), ERASED: "0"}
    return [
        DayFile(
            name_of(day, batch),
            encode_parquet(COLUMNS, [_row(each) for each in requests], facts),
            frozenset(each.row.request_id for each in requests),
        )
        for day, requests in sorted(days.items())
    ]


def name_of(day: str, batch: ArchiveBatch) -> str:
    """Of a file: the day as warehouses find partitions, and the numbers of its batch."""
    return f"dt={day}/{batch.first:012}-{batch.last:012}.parquet"


def _row(asked: ArchivedRequest) -> tuple[Any, ...]:
    row, record = asked
    texts = row.texts
    return (
        row.number,
        row.request_id,
        row.at_ns,
        *(texts[name] for name in _TEXTS),
        texts["tags"].split(",") if texts["tags"] else [],
        *(texts[name] for name in _NAMES),
        row.status,
        texts["error"] or None,
        row.is_stream,
        texts["finish_reason"] or None,
        row.input,
        row.cache_read,
        row.cache_write,
        row.output,
        row.reasoning,
        row.provenance.value,
        row.cost,
        row.charged,
        row.own_cost,
        row.cache_saved,
        row.price_state.value,
        row.duration_us / _US_PER_MS,
        None if row.first_byte_us is None else row.first_byte_us / _US_PER_MS,
        row.overhead_us / _US_PER_MS,
        *(_of_record(record) if record is not None else [None] * 9),
    )


def _of_record(record: Record) -> tuple[Any, ...]:
    return (
        record.method,
        record.path,
        record.detail,
        record.edits,
        record.request_bytes,
        record.reply_bytes,
        record.config_version,
        record.trace,
        [_attempt(each) for each in record.attempts],
    )


def _attempt(attempt: Attempt) -> tuple[Any, ...]:
    usage = attempt.usage
    return (
        attempt.provider,
        attempt.model,
        attempt.credential,
        attempt.status,
        attempt.error,
        *(getattr(usage, name) for name in _TOKENS),
        usage.provenance.value,
        attempt.cost_nanousd,
        attempt.price_state.value,
        attempt.reserved_nanousd,
        attempt.cache_saved_nanousd,
        attempt.tier,
        attempt.region,
        encode_json(attempt.apart).decode() if attempt.apart else "",
        *(ns / NS_PER_MS if ns >= 0 else None for ns in (attempt.sent_ns, attempt.first_byte_ns, attempt.end_ns)),
    )
