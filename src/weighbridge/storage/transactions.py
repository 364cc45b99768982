"""Transactions of the administrative stores: reading, and writing what a person has done, with its trace in the audit log.

A change, its audit entry, the memory of an `Idempotency-Key` and the counted revision are one transaction: all of it happened, or
none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Engine, Table, delete, insert, select, update

from weighbridge.auth.virtual_keys import digest_of
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.ports import Clock
from weighbridge.storage.engine import writing
from weighbridge.storage.errors import ChangedMeanwhileError, CreatedBeforeError, OtherCreateError, plain_errors
from weighbridge.storage.tables import audit_log, idempotent_creates, revision

REMEMBERED_NS: Final = 24 * 3600 * NS_PER_S
"""How long an `Idempotency-Key` is remembered: a day, as Stripe does (docs.stripe.com/api/idempotent_requests)."""
_MAX_SWEPT: Final = 100


class Once(msgspec.Struct, frozen=True):
    """A create that may come twice and is to happen once."""

    digest: bytes
    """SHA-256 of who asks and the `Idempotency-Key`."""
    request: bytes
    """SHA-256 of what is asked, with the key: another request under the same key is a mistake. The key, which is not kept, hides
    names that would be guessed from the digest."""


class Act(msgspec.Struct, frozen=True):
    """On whose account a change is made. `actor` is `key:root`, `user:ann@example.org`, `cli:root`, `sign-in` or `gateway`."""

    actor: str
    address: str = ""
    """Where the actor came from, or empty."""
    once: Once | None = None


SIGN_IN: Final = "sign-in"
"""The actor where the OpenID provider's word makes or changes a user."""
BY_GATEWAY: Final = Act("gateway")
"""What nobody asked for: the keys of a first start."""


class Change(msgspec.Struct, frozen=True):
    """What was done to what, for the audit log. `before` and `after` hold what has changed, and never a secret."""

    action: str
    kind: str
    subject_id: str
    subject: str
    before: Mapping[str, object] = {}
    after: Mapping[str, object] = {}


class Transactions:
    """Begins them on one database."""

    __slots__ = ("_reader", "_writer", "clock")

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reader = engine
        self._writer = writing(engine)
        self.clock = clock

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Raises `StorageError` for whatever the driver raises."""
        with plain_errors(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The same with the database's write lock, so that what is read in it still holds when it is written."""
        with plain_errors(), self._writer.begin() as connection:
            yield connection

    def note(self, act: Act, change: Change) -> None:
        """Write down an act that changes nothing in the store: a reload, a sign-in."""
        with self.writing() as connection:
            self.audit(connection, act, change)

    def done(self, connection: Connection, act: Act, change: Change) -> None:
        """In the transaction of a change: write it down, and have everybody look again."""
        self.audit(connection, act, change)
        connection.execute(update(revision).values(value=revision.c.value + 1))

    def audit(self, connection: Connection, act: Act, change: Change) -> None:
        """Append to the audit log."""
        row = msgspec.structs.asdict(change)
        row |= {"before": dict(change.before), "after": dict(change.after)}
        connection.execute(insert(audit_log).values(at=self.clock.wall_ns(), actor=act.actor, address=act.address, **row))

    # --- creates that happen once -------------------------------------------------------------------------------

    def begin_create(self, connection: Connection, act: Act) -> None:
        """Raises `CreatedBeforeError` where this create has happened, `OtherCreateError` where its key was another's."""
        if act.once is None:
            return
        now = self.clock.wall_ns()
        query = select(idempotent_creates).where(
            idempotent_creates.c.digest == act.once.digest, idempotent_creates.c.expires_at > now
        )
        row = connection.execute(query).one_or_none()
        if row is None:
            return
        if bytes(row.request) != act.once.request:
            raise OtherCreateError("this Idempotency-Key has come with another request before: take a new one")
        raise CreatedBeforeError(row.subject_id, None if row.sealed is None else bytes(row.sealed))

    def remember_create(self, connection: Connection, act: Act, subject_id: str, sealed: bytes | None = None) -> None:
        """After a create: what it has made."""
        if act.once is None:
            return
        now = self.clock.wall_ns()
        expired = select(idempotent_creates.c.digest).where(idempotent_creates.c.expires_at <= now).limit(_MAX_SWEPT)
        mine = idempotent_creates.c.digest == act.once.digest
        connection.execute(delete(idempotent_creates).where(idempotent_creates.c.digest.in_(expired) | mine))
        values = {
            "digest": act.once.digest,
            "request": act.once.request,
            "subject_id": subject_id,
            "sealed": sealed,
            "expires_at": now + REMEMBERED_NS,
        }
        connection.execute(insert(idempotent_creates).values(values))


def once_of(actor: str, idempotency_key: str, request: bytes) -> Once:
    """The memory of a header's value, for one actor."""
    asked_with = f"{actor}\n{idempotency_key}".encode()
    return Once(digest_of(asked_with), digest_of(asked_with + b"\n" + request))


def replace_row(connection: Connection, table: Table, subject_id: str, version: int | None, values: Mapping[str, Any]) -> None:
    """Change the row of this id if it is still of this version (None: whatever it is). Raises `ChangedMeanwhileError`."""
    mine = table.c.id == subject_id
    if version is not None:
        mine &= table.c.version == version
    changed = connection.execute(update(table).where(mine).values({**values, "version": table.c.version + 1}))
    if changed.rowcount != 1:
        raise ChangedMeanwhileError("it was changed meanwhile: look at it again, then change what is there")


def differences(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """Of two descriptions of a thing, what is not the same in both."""
    names = [name for name in after if before.get(name) != after[name]]
    return {name: before.get(name) for name in names}, {name: after[name] for name in names}
