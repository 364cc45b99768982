"""The store: virtual keys in SQLite or PostgreSQL, and everything else that is kept in the same database.

Its methods block on the database. The control plane calls them through `asyncio.to_thread`; the data plane never does.
An object may be used by several threads and a database by several processes: the CLI writes while the gateway runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Self

import msgspec
from msgspec import UNSET
from sqlalchemy import Connection, Engine, Select, delete, exists, insert, or_, select
from sqlalchemy.exc import IntegrityError

from weighbridge.auth.people import EVERYWHERE, Place
from weighbridge.auth.virtual_keys import MintedKey
from weighbridge.core.own_keys import Owner, OwnerKind
from weighbridge.core.ports import Clock
from weighbridge.core.terms import VirtualKey
from weighbridge.storage.alert_store import AlertStore
from weighbridge.storage.allowance_store import AllowanceStore
from weighbridge.storage.archive_store import ArchiveStore
from weighbridge.storage.audit_store import AuditStore
from weighbridge.storage.correction_store import CorrectionStore
from weighbridge.storage.credit_store import CreditStore
from weighbridge.storage.engine import open_engine
from weighbridge.storage.erasure_store import ErasureStore
from weighbridge.storage.errors import KeyNameTakenError, KeyNotFoundError
from weighbridge.storage.feedback_store import FeedbackStore
from weighbridge.storage.identity_store import IdentityStore
from weighbridge.storage.lease_store import LeaseStore
from weighbridge.storage.ledger_store import LedgerStore
from weighbridge.storage.migrate import upgrade
from weighbridge.storage.payload_store import PayloadStore
from weighbridge.storage.people_store import PeopleStore, after_cursor, place_condition, resolved_place
from weighbridge.storage.provider_key_store import ProviderKeyStore, delete_owned
from weighbridge.storage.response_store import ResponseStore
from weighbridge.storage.stored_keys import (
    KeyChange,
    KeyPage,
    NewKey,
    StoredKey,
    changed,
    from_row,
    newly_stored,
    row_of,
    terms_of,
    told_of,
)
from weighbridge.storage.tables import organisations, retiring_secrets, revision, teams, users, virtual_keys
from weighbridge.storage.transactions import BY_GATEWAY, Act, Change, Transactions, differences, replace_row

MAX_PAGE: Final = 200
"""Keys in one page: some 50 kB of JSON."""


class Store:
    """Virtual keys and the revision counter. Every method raises `StorageError` if the database cannot be used."""

    __slots__ = (
        "_clock",
        "_engine",
        "alerts",
        "allowances",
        "archives",
        "audit",
        "corrections",
        "credits",
        "erasures",
        "feedback",
        "identities",
        "identities",
        "leases",
        "ledger",
        "payloads",
        "people",
        "provider_keys",
        "responses",
        "transactions",
    )

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self.transactions = Transactions(engine, clock)
        self.people = PeopleStore(self.transactions)
        """Organisations, teams and users."""
        self.identities = IdentityStore(self.transactions)
        """Users who come from an OpenID provider."""
        self.allowances = AllowanceStore(self.transactions)
        """Budgets and limits that are made while the gateway runs."""
        self.credits = CreditStore(self.transactions)
        """What customers have paid in advance."""
        self.corrections = CorrectionStore(self.transactions)
        """Prices that turned out to be others."""
        self.feedback = FeedbackStore(self.transactions)
        """What people think of answers."""
        self.erasures = ErasureStore(self.transactions)
        """Who has asked to be forgotten."""
        self.provider_keys = ProviderKeyStore(self.transactions)
        """Keys at providers that customers have brought."""
        self.payloads = PayloadStore(self.transactions)
        """What was asked and answered, where it is kept."""
        self.audit = AuditStore(self.transactions)
        """Who did what."""
        self.alerts = AlertStore(self.transactions)
        """What operators were told of and is not over."""
        self.leases = LeaseStore(self.transactions)
        """What each host may use of hard budgets, where several share the database."""
        self.responses = ResponseStore(engine, clock)
        """Responses that are kept for providers without a store."""
        self.ledger = LedgerStore(engine, clock)
        """What everything has cost."""
        self.archives = ArchiveStore(self.transactions)
        """Which requests have been archived."""

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
        self._engine.dispose()

    def revision(self) -> int:
        """A number that is another one after every write of any process. Cheap enough to ask four times a second."""
        with self._read() as connection:
            return int(connection.execute(select(revision.c.value)).scalar_one())

    # --- making and finding keys --------------------------------------------------------------------------------

    def create_key(self, new: NewKey, act: Act = BY_GATEWAY, sealed: bytes | None = None) -> StoredKey:
        """Store a key. `sealed` is what a repeated create gives back of its secret (see `idempotent_creates`).

        Raises `KeyNameTakenError`, what `begin_create` raises, and `ValueError` for what no key may have, and for a team or a
        user that is not there.
        """
        return self._create([new], act, sealed)[0]

    def create_keys(self, new: Sequence[NewKey]) -> list[StoredKey]:
        """Store all of them or, on any error of :meth:`create_key`, none."""
        return self._create(new, BY_GATEWAY, None)

    def _create(self, new: Sequence[NewKey], act: Act, sealed: bytes | None) -> list[StoredKey]:
        now = self._clock.wall_ns()
        stored = [newly_stored(key, now) for key in new]
        with self._write() as connection:
            self.transactions.begin_create(connection, act)
            stored = [_with_owners(connection, each) for each in stored]
            for each in stored:
                _insert_key(connection, each)
                self.transactions.remember_create(connection, act, each.key.id, sealed)
                told = {**told_of(each), "is_admin": each.key.is_admin}
                self.transactions.done(connection, act, Change("create", "key", each.key.id, each.key.name, after=told))
        return stored

    def key(self, key_id: str) -> StoredKey:
        """The key of this id, revoked or not. Raises `KeyNotFoundError`."""
        with self._read() as connection:
            return _key(connection, key_id)

    def list_keys(
        self, *, limit: int = MAX_PAGE, cursor: str | None = None, place: Place = EVERYWHERE, user: str | None = None
    ) -> KeyPage:
        """A page of at most `limit` (1 to `MAX_PAGE`) keys of a place (and a user), revoked ones included, after the key whose id
        is `cursor`."""
        limit = max(1, min(limit, MAX_PAGE))
        query = _ALL_KEYS.order_by(virtual_keys.c.created_at.desc(), virtual_keys.c.id.desc()).limit(limit + 1)
        within = place_condition(place, virtual_keys.c.organisation, virtual_keys.c.team)
        if within is not None:
            query = query.where(within)
        if user is not None:
            query = query.where(virtual_keys.c.owner == user)
        with self._read() as connection:
            if cursor is not None:
                query = query.where(after_cursor(virtual_keys, _row(connection, cursor)))
            keys = [from_row(row) for row in connection.execute(query)]
        more = len(keys) > limit
        return KeyPage(tuple(keys[:limit]), keys[limit - 1].key.id if more else None)

    def find_key(self, digest: bytes) -> VirtualKey | None:
        """The key with this SHA-256 unless it is revoked; an expired one is found, so that its holder can be told so."""
        with self._read() as connection:
            row = connection.execute(_LIVE_KEYS.where(virtual_keys.c.digest == digest)).one_or_none()
            if row is not None:
                return from_row(row).key
            return next(iter(_retiring(connection, digest)), None)

    def live_keys(self) -> list[VirtualKey]:
        """Every key that is not revoked, expired and blocked ones included (see :meth:`find_key`); one that is being rotated
        comes once for each of its secrets."""
        with self._read() as connection:
            return [*(from_row(row).key for row in connection.execute(_LIVE_KEYS)), *_retiring(connection)]

    def live_key_named(self, id_or_name: str) -> StoredKey:
        """The key of this id, or the live key of this name. Raises `KeyNotFoundError`."""
        with self._read() as connection:
            return _named(connection, id_or_name)

    # --- changing keys ------------------------------------------------------------------------------------------

    def revoke_key(self, id_or_name: str, act: Act = BY_GATEWAY, version: int | None = None) -> StoredKey:
        """End a key for good. An id that is revoked already stays as it is; a name means the live key of that name.

        Raises `KeyNotFoundError` and `ChangedMeanwhileError`.
        """
        with self._write() as connection:
            found = _named(connection, id_or_name)
            if found.revoked_wall_ns is not None:
                return found
            now = self._clock.wall_ns()
            replace_row(connection, virtual_keys, found.key.id, version, {"revoked_at": now})
            connection.execute(delete(retiring_secrets).where(retiring_secrets.c.key_id == found.key.id))
            delete_owned(connection, self.transactions, Owner(OwnerKind.KEY, found.key.id), act)
            self.transactions.done(connection, act, Change("revoke", "key", found.key.id, found.key.name))
            return _key(connection, found.key.id)

    def change_key(self, key_id: str, change: KeyChange, act: Act, version: int | None = None) -> StoredKey:
        """Make a key another one. What it has spent stays with it.

        Raises `KeyNotFoundError`, `KeyNameTakenError`, `ChangedMeanwhileError`, and `ValueError` as :meth:`create_key` and for a
        key that is revoked.
        """
        with self._write() as connection:
            before = _unrevoked(connection, key_id)
            after = _moved(connection, before, changed(before, change), change)
            try:
                replace_row(connection, virtual_keys, key_id, version, terms_of(after))
            except IntegrityError:
                raise _name_taken(after.key.name) from None
            old, new = differences(told_of(before), told_of(after))
            self.transactions.done(connection, act, Change("change", "key", key_id, after.key.name, old, new))
            return _key(connection, key_id)

    def rotate_key(self, key_id: str, minted: MintedKey, overlap_ns: int, act: Act, sealed: bytes | None = None) -> StoredKey:
        """Give a key another secret. The one before goes on working for `overlap_ns`; id, name and what was spent stay.

        Raises `KeyNotFoundError`, `ValueError` for a key that is revoked, and what `begin_create` raises.
        """
        now = self._clock.wall_ns()
        with self._write() as connection:
            self.transactions.begin_create(connection, act)
            old = _unrevoked(connection, key_id).key
            over = (retiring_secrets.c.key_id == key_id) & (retiring_secrets.c.expires_at <= now)
            connection.execute(delete(retiring_secrets).where(over))
            if overlap_ns > 0:
                retiring = {"digest": old.digest, "key_id": key_id, "hint": old.hint, "expires_at": now + overlap_ns}
                connection.execute(insert(retiring_secrets).values(retiring))
            replace_row(connection, virtual_keys, key_id, None, {"digest": minted.digest, "hint": minted.hint})
            self.transactions.remember_create(connection, act, key_id, sealed)
            change = Change("rotate", "key", key_id, old.name, {"hint": old.hint}, {"hint": minted.hint})
            self.transactions.done(connection, act, change)
            return _key(connection, key_id)

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with self.transactions.reading() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with self.transactions.writing() as connection:
            yield connection


_IS_OWNER_BLOCKED: Final = or_(
    exists().where(teams.c.name == virtual_keys.c.team, teams.c.is_blocked),
    exists().where(organisations.c.name == virtual_keys.c.organisation, organisations.c.is_blocked),
    exists().where(users.c.login == virtual_keys.c.owner, users.c.is_blocked),
)
_ALL_KEYS: Final[Select[Any]] = select(virtual_keys, _IS_OWNER_BLOCKED.label("is_owner_blocked"))
_LIVE_KEYS: Final[Select[Any]] = _ALL_KEYS.where(virtual_keys.c.revoked_at.is_(None))


def _row(connection: Connection, key_id: str) -> Any:
    row = connection.execute(_ALL_KEYS.where(virtual_keys.c.id == key_id)).one_or_none()
    if row is None:
        raise KeyNotFoundError(f"no key has the id {key_id!r}: `weighbridge keys list` shows them")
    return row


def _key(connection: Connection, key_id: str) -> StoredKey:
    return from_row(_row(connection, key_id))


def _named(connection: Connection, id_or_name: str) -> StoredKey:
    row = connection.execute(_ALL_KEYS.where(virtual_keys.c.id == id_or_name)).one_or_none()
    if row is None:
        row = connection.execute(_LIVE_KEYS.where(virtual_keys.c.name == id_or_name)).one_or_none()
    if row is None:
        raise KeyNotFoundError(f"no live key is called {id_or_name!r}: `weighbridge keys list` shows them")
    return from_row(row)


def _unrevoked(connection: Connection, key_id: str) -> StoredKey:
    found = _key(connection, key_id)
    if found.revoked_wall_ns is not None:
        raise ValueError("this key is revoked, which is for good: make another one")
    return found


def _retiring(connection: Connection, digest: bytes | None = None) -> Iterator[VirtualKey]:
    """Keys under secrets that a rotation has replaced."""
    columns = (retiring_secrets.c.digest.label("old_digest"), retiring_secrets.c.hint.label("old_hint"))
    query = _LIVE_KEYS.add_columns(*columns, retiring_secrets.c.expires_at.label("until"))
    query = query.join_from(virtual_keys, retiring_secrets, retiring_secrets.c.key_id == virtual_keys.c.id)
    if digest is not None:
        query = query.where(retiring_secrets.c.digest == digest)
    for row in connection.execute(query):
        key = from_row(row).key
        until = min(row.until, key.expires_wall_ns) if key.expires_wall_ns is not None else row.until
        yield msgspec.structs.replace(key, digest=bytes(row.old_digest), hint=row.old_hint, expires_wall_ns=until)


def _with_owners(connection: Connection, stored: StoredKey) -> StoredKey:
    """The key with its user's login as it is written, and the place: the user's where none is told, and the team's organisation."""
    key = stored.key
    place, login = resolved_place(connection, Place(key.organisation, key.team), key.user)
    key = msgspec.structs.replace(key, organisation=place.organisation, team=place.team, user=login)
    return msgspec.structs.replace(stored, key=key)


def _moved(connection: Connection, before: StoredKey, after: StoredKey, change: KeyChange) -> StoredKey:
    """After a change: the owners anew where they are others. A team that was left takes its organisation along."""
    old, new = before.key, after.key
    if (old.team, old.user, old.organisation) == (new.team, new.user, new.organisation):
        return after
    if old.team != new.team and change.organisation is UNSET:
        new = msgspec.structs.replace(new, organisation="")
    return _with_owners(connection, msgspec.structs.replace(after, key=new))


def _insert_key(connection: Connection, stored: StoredKey) -> None:
    try:
        connection.execute(insert(virtual_keys).values(row_of(stored)))
    except IntegrityError:
        # 256 random bits do not meet twice, so it is the name.
        raise _name_taken(stored.key.name) from None


def _name_taken(name: str) -> KeyNameTakenError:
    return KeyNameTakenError(f"a key is called {name!r} already: revoke it first, or choose another name")
