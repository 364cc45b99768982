"""The tables as they are now. `migrations/versions/` holds the way to here; a test keeps the two equal.

Times are Unix nanoseconds. Text that is compared byte for byte (ids, names) has no collation of its own.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text

metadata: Final = MetaData()

virtual_keys: Final = Table(
    "virtual_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("hint", Text, nullable=False),
    Column("models", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("is_admin", Boolean, nullable=False),
)
Index("virtual_keys_digest", virtual_keys.c.digest, unique=True)
Index("virtual_keys_newest", virtual_keys.c.created_at, virtual_keys.c.id)
# Only among keys that are not revoked: so `keys revoke NAME` is unambiguous, and a rotated key keeps its name.
Index(
    "virtual_keys_live_name",
    virtual_keys.c.name,
    unique=True,
    sqlite_where=virtual_keys.c.revoked_at.is_(None),
    postgresql_where=virtual_keys.c.revoked_at.is_(None),
)

stored_responses: Final = Table(
    "stored_responses",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)
"""Responses of the Responses API that the gateway keeps for providers without a store of their own. `content` is compressed."""
Index("stored_responses_expiry", stored_responses.c.expires_at)

revision: Final = Table(
    "revision",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("value", BigInteger, nullable=False),
)
"""One row, id 1. Every write adds one to it in its own transaction, so that a reader sees by one number whether to read on."""
