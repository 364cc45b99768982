"""Responses of the Responses API that the gateway keeps itself, for providers that have no store (`store`, `previous_response_id`).

As in `store.py`, methods block on the database; the control plane calls them through `asyncio.to_thread`. A response is found
only with the key that made it. What has expired is deleted when something is kept, a bounded number at a time.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import zstandard
from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.ports import Clock
from weighbridge.storage.engine import writing
from weighbridge.storage.errors import plain_errors
from weighbridge.storage.tables import stored_responses

KEPT_NS: Final = 30 * 24 * 3600 * NS_PER_S
"""Thirty days, as OpenAI keeps its own (https://platform.openai.com/docs/guides/your-data)."""

MAX_CONTENT_BYTES: Final = 64 * 1024 * 1024
"""As large as a request may be by default: a conversation that grew beyond could not be sent anyway."""

_MAX_SWEPT: Final = 100
"""Expired rows that are deleted with each new one: more than come in, so that the table shrinks to what is alive."""


class ResponseStore:
    """Kept responses by their id. Every method raises `StorageError` if the database cannot be used."""

    __slots__ = ("_clock", "_reader", "_writer")

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reader = engine
        self._writer = writing(engine)
        self._clock = clock

    def keep(self, key_id: str, response_id: str, content: bytes) -> None:
        """Keep a response for thirty days. A second one of the same id, or one that is too large, is not kept."""
        if len(content) > MAX_CONTENT_BYTES:
            return
        now = self._clock.wall_ns()
        row = {
            "id": response_id,
            "key_id": key_id,
            "content": zstandard.ZstdCompressor().compress(content),
            "expires_at": now + KEPT_NS,
        }
        expired = select(stored_responses.c.id).where(stored_responses.c.expires_at <= now).limit(_MAX_SWEPT)
        with plain_errors(), suppress(IntegrityError), self._writer.begin() as connection:
            connection.execute(delete(stored_responses).where(stored_responses.c.id.in_(expired)))
            connection.execute(insert(stored_responses).values(row))

    def find(self, key_id: str, response_id: str) -> bytes | None:
        """The content of a response that this key made and that has not expired."""
        query = select(stored_responses.c.content).where(
            stored_responses.c.id == response_id,
            stored_responses.c.key_id == key_id,
            stored_responses.c.expires_at > self._clock.wall_ns(),
        )
        with plain_errors(), self._reader.begin() as connection:
            content = connection.execute(query).scalar_one_or_none()
        if content is None:
            return None
        return zstandard.ZstdDecompressor().decompress(content, max_output_size=MAX_CONTENT_BYTES)

    def claim(self, response_id: str) -> bytes | None:
        """The content of a response, which is deleted: of several who ask for it one gets it."""
        query = select(stored_responses.c.content).where(stored_responses.c.id == response_id)
        with plain_errors(), self._writer.begin() as connection:
            content = connection.execute(query).scalar_one_or_none()
            found = connection.execute(delete(stored_responses).where(stored_responses.c.id == response_id)).rowcount
        if content is None or not found:
            return None
        return zstandard.ZstdDecompressor().decompress(content, max_output_size=MAX_CONTENT_BYTES)

    def forget(self, key_id: str, response_id: str) -> None:
        """Delete a response of this key, if there is one."""
        mine = (stored_responses.c.id == response_id) & (stored_responses.c.key_id == key_id)
        with plain_errors(), self._writer.begin() as connection:
            connection.execute(delete(stored_responses).where(mine))
