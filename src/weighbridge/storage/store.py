"""The store: virtual keys in SQLite or PostgreSQL.

Its methods block on the database. The control plane calls them through `asyncio.to_thread`; the data plane never does.
An object may be used by several threads and a database by several processes: the CLI writes while the gateway runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Self

import msgspec
from sqlalchemy import Connection, Engine, Select, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from weighbridge.auth.virtual_keys import check_models, check_name
from weighbridge.core.ports import Clock
from weighbridge.core.terms import VirtualKey
from weighbridge.storage.engine import open_engine, writing
from weighbridge.storage.errors import KeyNameTakenError, KeyNotFoundError, plain_errors
from weighbridge.storage.ledger_store import LedgerStore
from weighbridge.storage.migrate import upgrade
from weighbridge.storage.response_store import ResponseStore
from weighbridge.storage.stored_keys import KeyPage, NewKey, StoredKey, from_row, newly_stored, row_of
from weighbridge.storage.tables import revision, virtual_keys

MAX_PAGE: Final = 200
"""Keys in one page: some 50 kB of JSON."""


class Store:
    """Virtual keys and the revision counter. Every method raises `StorageError` if the database cannot be used."""

    __slots__ = ("_clock", "_reader", "_writer", "ledger", "responses")

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reader = engine
        self._writer = writing(engine)
        self._clock = clock
        self.responses = ResponseStore(engine, clock)
        """Responses that are kept for providers without a store, in the same database."""
        self.ledger = LedgerStore(engine, clock)
        """What everything has cost, in the same database."""

    @classmethod
    def open(cls, url: str, clock: Clock) -> Self:
        """Open `sqlite:///file` or `postgresql://…`. Call :meth:`migrate` before anything else."""
        return cls(open_engine(url), clock)

    def migrate(self) -> None:
        """Bring the schema to this version; nothing to do takes some milliseconds. Safe in several processes at once."""
        with self._write() as connection:
            upgrade(connection)

    def close(self) -> None:
        """Close every connection."""
        self._reader.dispose()

    def revision(self) -> int:
        """A number that is another one after every write of any process. Cheap enough to ask four times a second."""
        with self._read() as connection:
            return int(connection.execute(select(revision.c.value)).scalar_one())

    def create_key(self, new: NewKey) -> StoredKey:
        """Store a key. Raises `KeyNameTakenError`, and `ValueError` for a name or models that no key may have."""
        return self.create_keys([new])[0]

    def create_keys(self, new: Sequence[NewKey]) -> list[StoredKey]:
        """Store all of them or, on any error of :meth:`create_key`, none."""
        for key in new:
            check_name(key.name)
            check_models(key.models)
        now = self._clock.wall_ns()
        stored = [newly_stored(key, now) for key in new]
        with self._write() as connection:
            for each in stored:
                _insert_key(connection, each)
            _count_write(connection)
        return stored

    def key(self, key_id: str) -> StoredKey:
        """The key of this id, revoked or not. Raises `KeyNotFoundError`."""
        with self._read() as connection:
            row = connection.execute(_ALL_KEYS.where(virtual_keys.c.id == key_id)).one_or_none()
        if row is None:
            raise KeyNotFoundError(f"no key has the id {key_id!r}: `weighbridge keys list` shows them")
        return from_row(row)

    def list_keys(self, *, limit: int = MAX_PAGE, cursor: str | None = None) -> KeyPage:
        """A page of at most `limit` (1 to `MAX_PAGE`) keys, revoked ones included, after the key whose id is `cursor`."""
        limit = max(1, min(limit, MAX_PAGE))
        query = _ALL_KEYS.order_by(virtual_keys.c.created_at.desc(), virtual_keys.c.id.desc()).limit(limit + 1)
        if cursor is not None:
            place = self.key(cursor)  # rows are never deleted, so the id of the last row read is a lasting cursor
            query = query.where(
                tuple_(virtual_keys.c.created_at, virtual_keys.c.id) < (place.created_wall_ns, place.key.id),
            )
        with self._read() as connection:
            keys = [from_row(row) for row in connection.execute(query)]
        more = len(keys) > limit
        return KeyPage(tuple(keys[:limit]), keys[limit - 1].key.id if more else None)

    def find_key(self, digest: bytes) -> VirtualKey | None:
        """The key with this SHA-256 unless it is revoked; an expired one is found, so that its holder can be told so."""
        with self._read() as connection:
            row = connection.execute(_LIVE_KEYS.where(virtual_keys.c.digest == digest)).one_or_none()
        return None if row is None else from_row(row).key

    def live_keys(self) -> list[VirtualKey]:
        """Every key that is not revoked, expired ones included (see :meth:`find_key`)."""
        with self._read() as connection:
            return [from_row(row).key for row in connection.execute(_LIVE_KEYS)]

    def revoke_key(self, id_or_name: str) -> StoredKey:
        """End a key for good. An id that is revoked already stays as it is; a name means the live key of that name.

        Raises `KeyNotFoundError`.
        """
        with self._write() as connection:
            row = connection.execute(_ALL_KEYS.where(virtual_keys.c.id == id_or_name)).one_or_none()
            if row is None:
                row = connection.execute(_LIVE_KEYS.where(virtual_keys.c.name == id_or_name)).one_or_none()
            if row is None:
                raise KeyNotFoundError(f"no live key is called {id_or_name!r}: `weighbridge keys list` shows them")
            found = from_row(row)
            return found if found.revoked_wall_ns is not None else self._revoke(connection, found)

    def _revoke(self, connection: Connection, found: StoredKey) -> StoredKey:
        now = self._clock.wall_ns()
        connection.execute(update(virtual_keys).where(virtual_keys.c.id == found.key.id).values(revoked_at=now))
        _count_write(connection)
        return msgspec.structs.replace(found, revoked_wall_ns=now)

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with plain_errors(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with plain_errors(), self._writer.begin() as connection:
            yield connection


_ALL_KEYS: Final[Select[Any]] = select(virtual_keys)
_LIVE_KEYS: Final[Select[Any]] = _ALL_KEYS.where(virtual_keys.c.revoked_at.is_(None))


def _insert_key(connection: Connection, stored: StoredKey) -> None:
    try:
        connection.execute(insert(virtual_keys).values(row_of(stored)))
    except IntegrityError:
        # 256 random bits do not meet twice, so it is the name.
        raise KeyNameTakenError(f"a key is called {stored.key.name!r} already: revoke it first, or choose another name") from None


def _count_write(connection: Connection) -> None:
    connection.execute(update(revision).values(value=revision.c.value + 1))
