"""Settled exchanges as rows for warehouses and webhooks: flat JSON objects whose names stay.

Money is whole nano-dollars and, besides, an exact decimal text; what nobody knows is null and never 0. Prompts and answers are in
no Record, so they are in no row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from weighbridge.core.clock import NS_PER_MS, NS_PER_S, utc_from_ns
from weighbridge.core.codec import encode_json
from weighbridge.core.erasure import Erasure
from weighbridge.core.money import NANO
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Attempt, Record
from weighbridge.providers.cloud_accounts import Bucket


class LogRow(msgspec.Struct, frozen=True):
    """One request. Durations are milliseconds; `failed_attempts` are those that another one followed, `openai/gpt-5;timeout`."""

    request_id: str
    at: str
    key_id: str
    team: str
    user: str
    organisation: str
    end_user: str
    session: str
    tags: tuple[str, ...]
    route: str
    requested_model: str
    provider: str
    model: str
    dialect: str
    operation: str
    status: int
    error: str
    is_stream: bool
    finish_reason: str
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    usage_provenance: str
    cost_nanousd: int | None
    cost_usd: str | None
    price_state: str
    duration_ms: float
    first_byte_ms: float | None
    overhead_ms: float
    attempts: int
    failed_attempts: tuple[str, ...]
    edits: tuple[str, ...]
    config_version: int


PERSONAL: Final = frozenset(("end_user", "user", "session", "key_id", "team", "organisation", "tags"))
"""What may be left out of rows, or hashed."""


class Redaction(msgspec.Struct, frozen=True):
    """What of `PERSONAL` is left empty, and what is told as a hash by which it can be counted and not read. `salt` keeps others
    from guessing what was hashed."""

    omitted: frozenset[str] = frozenset()
    hashed: frozenset[str] = frozenset()
    salt: str = ""

    def applied(self, row: LogRow) -> LogRow:
        """The row as it may leave."""
        changes: dict[str, object] = {}
        for name in self.omitted:
            changes[name] = () if name == "tags" else ""
        for name in self.hashed - self.omitted:
            value = getattr(row, name)
            changes[name] = tuple(map(self._hash, value)) if name == "tags" else self._hash(value)
        return msgspec.structs.replace(row, **changes) if changes else row

    def _hash(self, text: str) -> str:
        return hashlib.blake2b(text.encode(), key=self.salt.encode()[:64], digest_size=12).hexdigest() if text else ""


class SinkTarget(NamedTuple):
    """Where rows go, which and how."""

    name: str
    url: Secret
    table: str = ""
    """Of ClickHouse; empty: a webhook."""
    secret: Secret | None = None
    """What a webhook's batches are signed with."""
    headers: tuple[tuple[str, Secret], ...] = ()
    redaction: Redaction = Redaction()
    only_errors: bool = False
    batch_lines: int = 500
    spool_bytes: int = 100_000_000
    bucket: Bucket | None = None
    """Of an S3-compatible storage, in place of a webhook or ClickHouse."""
    object_bytes: int = 16_000_000
    """Rows that wait for a bucket go when they are so many bytes (as JSON)"""
    every_ns: int = 0
    """or when they have waited so long."""


class _Named(msgspec.Struct):
    at: datetime
    end_user: str
    user: str


_named = msgspec.json.Decoder(_Named).decode


def is_of_erased(line: bytes, erasure: Erasure) -> bool:
    """Whether a row names somebody who has asked to be forgotten after its request. One whose names were hashed does not.

    What is no row of ours names nobody that could be known.
    """
    try:
        row = _named(line)
    except msgspec.DecodeError:
        return False
    return row.at.timestamp() * NS_PER_S < erasure.at_wall_ns and erasure.is_of(row.end_user, row.user)


def row_of(record: Record) -> LogRow:
    """What a Record tells."""
    usages = [attempt.usage for attempt in record.attempts] or [record.usage]
    cost = record.cost_nanousd
    return LogRow(
        request_id=record.request_id,
        at=utc_from_ns(record.start_wall_ns).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        key_id=record.key_id,
        team=record.team,
        user=record.user,
        organisation=record.organisation,
        end_user=record.end_user,
        session=record.session,
        tags=record.tags,
        route=record.route,
        requested_model=record.requested_model,
        provider=record.provider,
        model=record.model,
        dialect=record.dialect.value,
        operation=record.operation.value,
        status=record.status,
        error=record.error or "",
        is_stream=record.is_stream,
        finish_reason=record.finish_reason or "",
        input_tokens=sum(usage.total_input for usage in usages),
        cache_read_tokens=sum(usage.cache_read for usage in usages),
        cache_write_tokens=sum(usage.cache_write_5m + usage.cache_write_1h for usage in usages),
        output_tokens=sum(usage.total_output for usage in usages),
        reasoning_tokens=sum(usage.reasoning for usage in usages),
        usage_provenance=record.usage.provenance.value,
        cost_nanousd=cost,
        cost_usd=None if cost is None else f"{cost // NANO}.{cost % NANO:09}",
        price_state=record.price_state.value,
        duration_ms=record.duration_ns / NS_PER_MS,
        first_byte_ms=record.first_byte_ns / NS_PER_MS if record.first_byte_ns >= 0 else None,
        overhead_ms=record.overhead_ns / NS_PER_MS,
        attempts=len(record.attempts),
        failed_attempts=tuple(map(_failed, record.attempts[:-1])),
        edits=record.edits,
        config_version=record.config_version,
    )


def lines_of(records: Sequence[Record], redaction: Redaction) -> list[bytes]:
    """Each as a line of JSON, without its end."""
    return [encode_json(redaction.applied(row_of(record))) for record in records]


def _failed(attempt: Attempt) -> str:
    return f"{attempt.provider}/{attempt.model};{attempt.error or attempt.status}"
