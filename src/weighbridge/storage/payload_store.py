"""What was asked and answered, where it is kept: apart from the facts of requests, compressed, and for a time of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import zstandard
from sqlalchemy import delete, insert, select

from weighbridge.core.erasure import Erasure
from weighbridge.storage.erasure_store import KNOWN_FOR_NS, erasures_since
from weighbridge.storage.tables import payloads
from weighbridge.storage.transactions import Transactions

SWEPT: Final = 500
"""Expired rows deleted in one transaction."""
_MAX_TEXT: Final = 64 * 1024 * 1024


class PayloadText(NamedTuple):
    """What is kept of an exchange. `*_bytes` is how long it was; where it is not whole, more than there is."""

    request: str
    request_bytes: int
    request_is_whole: bool
    reply: str
    reply_bytes: int
    reply_is_whole: bool
    reply_type: str


class NewPayload(NamedTuple):
    """One to be kept, with whose it is."""

    request_id: str
    start_wall_ns: int
    end_user: str
    user: str
    text: PayloadText


class StoredPayload(NamedTuple):
    """One that is kept, and until when."""

    text: PayloadText
    expires_wall_ns: int


class PayloadStore:
    """Raises `StorageError` if the database cannot be used."""

    __slots__ = ("_transactions",)

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def keep(self, found: Sequence[NewPayload], keep_ns: int) -> int:
        """Keep these for so long; those of people who were erased since are not. How many were kept."""
        now = self._transactions.clock.wall_ns()
        compressor = zstandard.ZstdCompressor()
        rows = [
            {
                **each.text._asdict(),
                "request_id": each.request_id,
                "expires_at": each.start_wall_ns + keep_ns,
                "request": compressor.compress(each.text.request.encode()),
                "reply": compressor.compress(each.text.reply.encode()),
            }
            for each in found
        ]
        with self._transactions.writing() as connection:
            erased = erasures_since(connection, now - KNOWN_FOR_NS)
            rows = [row for row, each in zip(rows, found, strict=True) if not _is_erased(each, erased)]
            there = select(payloads.c.request_id).where(payloads.c.request_id.in_([row["request_id"] for row in rows]))
            known = set(connection.execute(there).scalars())
            rows = [row for row in rows if row["request_id"] not in known]
            if rows:
                connection.execute(insert(payloads), rows)
        return len(rows)

    def find(self, request_id: str) -> StoredPayload | None:
        """What is kept of a request; None: nothing, or no more."""
        now = self._transactions.clock.wall_ns()
        query = select(payloads).where(payloads.c.request_id == request_id, payloads.c.expires_at > now)
        with self._transactions.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        text = PayloadText(
            _text(row.request),
            int(row.request_bytes),
            bool(row.request_is_whole),
            _text(row.reply),
            int(row.reply_bytes),
            bool(row.reply_is_whole),
            row.reply_type,
        )
        return StoredPayload(text, int(row.expires_at))

    def has(self, request_id: str) -> bool:
        """Whether anything is kept of a request."""
        now = self._transactions.clock.wall_ns()
        query = select(payloads.c.request_id).where(payloads.c.request_id == request_id, payloads.c.expires_at > now)
        with self._transactions.reading() as connection:
            return connection.execute(query).one_or_none() is not None

    def sweep(self) -> int:
        """Delete a batch of what has been kept long enough. How many; less than `SWEPT`: that was all."""
        now = self._transactions.clock.wall_ns()
        expired = select(payloads.c.request_id).where(payloads.c.expires_at <= now).limit(SWEPT)
        with self._transactions.writing() as connection:
            return int(connection.execute(delete(payloads).where(payloads.c.request_id.in_(expired))).rowcount)


def _is_erased(found: NewPayload, erased: Sequence[Erasure]) -> bool:
    return any(found.start_wall_ns < each.at_wall_ns and each.is_of(found.end_user, found.user) for each in erased)


def _text(content: bytes) -> str:
    return zstandard.ZstdDecompressor().decompress(content, max_output_size=_MAX_TEXT).decode()
