"""Customers' own keys at providers, sealed under a master key that the database does not have. Methods block on the database.

What is sealed is bound to its row: id, owner and provider are told again to open it. Nothing here ever reads a secret but `reseal`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, or_, select, update

from weighbridge.auth.master_keys import MasterKeys, Sealed
from weighbridge.auth.people import EVERYWHERE, Place
from weighbridge.auth.provider_secrets import check_label, check_provider_secret, hint_of
from weighbridge.auth.sealing import SealBrokenError
from weighbridge.core.clock import new_id
from weighbridge.core.own_keys import Owner, OwnerKind
from weighbridge.core.secret import Secret
from weighbridge.storage.errors import InUseError, NotFoundError
from weighbridge.storage.people_store import MAX_PAGE, Page, after_cursor, known_place
from weighbridge.storage.tables import provider_keys, teams, virtual_keys
from weighbridge.storage.transactions import Act, Change, Transactions, differences, replace_row

MAX_PROVIDER_KEYS: Final = 20_000
"""All of them are told to each worker when one has changed: some 5 MB."""
_BATCH: Final = 200
"""Sealed anew in one transaction: some 10 ms of SQLite's write lock."""
_KIND: Final = "provider key"

KeyState = Literal["active", "disabled", "unreadable"]
"""`unreadable`: no configured master key opens it."""


class ProviderKey(msgspec.Struct, frozen=True):
    """A key at a provider as it is stored: everything but the secret, which is sealed."""

    id: str
    owner: Owner
    provider: str
    sealed: Sealed
    label: str = ""
    hint: str = ""
    falls_back: bool = False
    is_disabled: bool = False
    created_wall_ns: int = 0
    last_used_wall_ns: int | None = None
    """Within some seconds; None: never, or not since that was noted."""
    version: int = 1

    def open(self, keys: MasterKeys) -> Secret:
        """Raises `SealBrokenError`."""
        return keys.open(self.sealed, *identity_of(self.id, self.owner, self.provider))


class NewProviderKey(msgspec.Struct, frozen=True):
    """One to store."""

    owner: Owner
    provider: str
    secret: Secret
    label: str = ""
    falls_back: bool = False


class ProviderKeyChange(msgspec.Struct, frozen=True):
    """What is to be another about one; what is left out stays."""

    label: str | UnsetType = UNSET
    falls_back: bool | UnsetType = UNSET
    is_disabled: bool | UnsetType = UNSET


class Resealed(msgspec.Struct, frozen=True):
    """What came of sealing everything anew: under the first key now, and left as they are since no key opens them."""

    n_done: int
    broken: tuple[str, ...]


class ProviderKeyStore:
    """Raises `StorageError` if the database cannot be used."""

    __slots__ = ("_transactions",)

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    # --- making and finding them --------------------------------------------------------------------------------

    def create(self, new: NewProviderKey, keys: MasterKeys, act: Act, *, of_store: bool = True) -> ProviderKey:
        """Seal and store one under an id of its own. `of_store`: its owner is one that the store knows, and not one that only the
        configuration names.

        Raises `NoMasterKeyError`, `ValueError` for what none can be and for an owner that is not there, `InUseError` where there
        are too many, and what `begin_create` raises.
        """
        check_label(new.label)
        check_provider_secret(new.secret)
        made_id = new_id("pkey")
        made = ProviderKey(
            made_id,
            new.owner,
            new.provider,
            keys.seal(new.secret, *identity_of(made_id, new.owner, new.provider)),
            new.label,
            hint_of(new.secret),
            new.falls_back,
            created_wall_ns=self._transactions.clock.wall_ns(),
        )
        with self._transactions.writing() as connection:
            self._transactions.begin_create(connection, act)
            if of_store:
                _check_owner(connection, new.owner)
            if connection.execute(select(func.count()).select_from(provider_keys)).scalar_one() >= MAX_PROVIDER_KEYS:
                raise InUseError(f"there are {MAX_PROVIDER_KEYS} provider keys: delete those that nobody uses")
            connection.execute(insert(provider_keys).values(_row_of(made)))
            self._transactions.remember_create(connection, act, made.id)
            self._transactions.done(connection, act, Change("create", _KIND, made.id, _called(made), after=_told(made)))
        return made

    def get(self, key_id: str) -> ProviderKey:
        """Raises `NotFoundError`."""
        with self._transactions.reading() as connection:
            return _from_row(_row(connection, key_id))

    def page(self, place: Place = EVERYWHERE, *, limit: int = MAX_PAGE, cursor: str | None = None) -> Page[ProviderKey]:
        """A page of those of a place and what is in it, newest first."""
        limit = max(1, min(limit, MAX_PAGE))
        query = select(provider_keys).order_by(provider_keys.c.created_at.desc(), provider_keys.c.id.desc()).limit(limit + 1)
        within = _within(place)
        if within is not None:
            query = query.where(within)
        with self._transactions.reading() as connection:
            if cursor is not None:
                query = query.where(after_cursor(provider_keys, _row(connection, cursor)))
            found = [_from_row(row) for row in connection.execute(query)]
        return Page(tuple(found[:limit]), found[limit - 1].id if len(found) > limit else None)

    def enabled(self) -> list[ProviderKey]:
        """Every one that may be used, oldest first."""
        query = select(provider_keys).where(provider_keys.c.is_disabled.is_(False))
        with self._transactions.reading() as connection:
            return [_from_row(row) for row in connection.execute(query.order_by(provider_keys.c.created_at, provider_keys.c.id))]

    # --- changing them ------------------------------------------------------------------------------------------

    def change(self, key_id: str, change: ProviderKeyChange, act: Act, version: int | None) -> ProviderKey:
        """Raises `NotFoundError`, `ChangedMeanwhileError`, and `ValueError` for a label that none can have."""
        told = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not UNSET}
        if isinstance(change.label, str):
            check_label(change.label)
        with self._transactions.writing() as connection:
            before = _from_row(_row(connection, key_id))
            after = msgspec.structs.replace(before, **told, version=before.version + 1)
            replace_row(connection, provider_keys, key_id, version, told)
            old, new = differences(_told(before), _told(after))
            self._transactions.done(connection, act, Change("change", _KIND, key_id, _called(after), old, new))
        return after

    def delete(self, key_id: str, act: Act, version: int | None) -> None:
        """For good, with what was sealed. Raises `NotFoundError` and `ChangedMeanwhileError`."""
        with self._transactions.writing() as connection:
            found = _from_row(_row(connection, key_id))
            replace_row(connection, provider_keys, key_id, version, {})  # which checks the version
            connection.execute(delete(provider_keys).where(provider_keys.c.id == key_id))
            self._transactions.done(connection, act, Change("delete", _KIND, key_id, _called(found), before=_told(found)))

    def note_used(self, last_used: Mapping[str, int]) -> None:
        """When some of them were last used. Nobody has to look again for that."""
        with self._transactions.writing() as connection:
            for key_id, wall_ns in last_used.items():
                mine = provider_keys.c.id == key_id
                connection.execute(update(provider_keys).where(mine).values(last_used_at=wall_ns))

    def reseal(self, keys: MasterKeys, act: Act, on_progress: Callable[[int], None] = lambda _n: None) -> Resealed:
        """Seal everything anew under the first key, in batches: safe while gateways serve, and while keys are made and deleted.

        Raises `NoMasterKeyError`. Afterwards no row needs another key, but for those that none opens.
        """
        done, after = 0, ""
        broken: list[str] = []
        while True:
            with self._transactions.writing() as connection:
                query = select(provider_keys).where(provider_keys.c.id > after, provider_keys.c.master_key != keys.first)
                rows = [_from_row(row) for row in connection.execute(query.order_by(provider_keys.c.id).limit(_BATCH))]
                for each in rows:
                    if self._is_resealed(connection, each, keys):
                        done += 1
                    else:
                        broken.append(each.id)
                if len(rows) < _BATCH:
                    after_all = {"under": keys.first, "keys": done, "left": len(broken)}
                    self._transactions.done(connection, act, Change("reseal", _KIND, "", "all", after=after_all))
            on_progress(done)
            if len(rows) < _BATCH:
                return Resealed(done, tuple(broken))
            after = rows[-1].id

    @staticmethod
    def _is_resealed(connection: Connection, found: ProviderKey, keys: MasterKeys) -> bool:
        try:
            secret = found.open(keys)
        except SealBrokenError:
            return False
        sealed = keys.seal(secret, *identity_of(found.id, found.owner, found.provider))
        values = {"master_key": sealed.master_key, "sealed": sealed.content}
        connection.execute(update(provider_keys).where(provider_keys.c.id == found.id).values(values))
        return True


def state_of(found: ProviderKey, keys: MasterKeys) -> KeyState:
    """Whether it is used."""
    if found.is_disabled:
        return "disabled"
    try:
        found.open(keys)
    except SealBrokenError:
        return "unreadable"
    return "active"


def identity_of(key_id: str, owner: Owner, provider: str) -> tuple[str, ...]:
    """What a sealed secret is bound to."""
    return key_id, owner.kind.value, owner.name, provider


def owned_keys(connection: Connection, owner: Owner) -> list[ProviderKey]:
    """Those of one owner, in the transaction in which it is to go."""
    mine = and_(provider_keys.c.owner_kind == owner.kind.value, provider_keys.c.owner == owner.name)
    return [_from_row(row) for row in connection.execute(select(provider_keys).where(mine))]


def delete_owned(connection: Connection, transactions: Transactions, owner: Owner, act: Act) -> None:
    """Those of a virtual key that is gone for good: nobody could use them."""
    for each in owned_keys(connection, owner):
        connection.execute(delete(provider_keys).where(provider_keys.c.id == each.id))
        transactions.audit(connection, act, Change("delete", _KIND, each.id, _called(each), before=_told(each)))


def _check_owner(connection: Connection, owner: Owner) -> None:
    """In the transaction in which a key is stored: whoever is called so later must not find it."""
    if owner.kind is OwnerKind.KEY:
        mine = (virtual_keys.c.id == owner.name) & virtual_keys.c.revoked_at.is_(None)
        if connection.execute(select(virtual_keys.c.id).where(mine)).one_or_none() is None:
            raise ValueError("there is no virtual key of this id, or it is revoked")
    else:
        known_place(connection, Place(team=owner.name) if owner.kind is OwnerKind.TEAM else Place(owner.name))


def _within(place: Place) -> ColumnElement[bool] | None:
    """Of a team: its own and those of its keys. Of an organisation: its own, those of its teams, and those of its keys."""
    if place.is_everywhere:
        return None
    if place.team:
        own = _is_of(OwnerKind.TEAM, provider_keys.c.owner == place.team)
        of_place: Sequence[ColumnElement[bool]] = (own,)
        mine = virtual_keys.c.team == place.team
    else:
        own = _is_of(OwnerKind.ORGANISATION, provider_keys.c.owner == place.organisation)
        named = select(teams.c.name).where(teams.c.organisation == place.organisation)
        of_place = (own, _is_of(OwnerKind.TEAM, provider_keys.c.owner.in_(named)))
        mine = virtual_keys.c.organisation == place.organisation
    keys = select(virtual_keys.c.id).where(mine)
    return or_(*of_place, _is_of(OwnerKind.KEY, provider_keys.c.owner.in_(keys)))


def _is_of(kind: OwnerKind, owner: ColumnElement[bool]) -> ColumnElement[bool]:
    return and_(provider_keys.c.owner_kind == kind.value, owner)


def _row(connection: Connection, key_id: str) -> Row[Any]:
    row = connection.execute(select(provider_keys).where(provider_keys.c.id == key_id)).one_or_none()
    if row is None:
        raise NotFoundError("provider_key", key_id)
    return row


def _from_row(row: Row[Any]) -> ProviderKey:
    return ProviderKey(
        row.id,
        Owner(OwnerKind(row.owner_kind), row.owner),
        row.provider,
        Sealed(row.master_key, bytes(row.sealed)),
        row.label,
        row.hint,
        bool(row.falls_back),
        bool(row.is_disabled),
        row.created_at,
        row.last_used_at,
        row.version,
    )


def _row_of(key: ProviderKey) -> dict[str, object]:
    return {
        "id": key.id,
        "created_at": key.created_wall_ns,
        "version": key.version,
        "owner_kind": key.owner.kind.value,
        "owner": key.owner.name,
        "provider": key.provider,
        "label": key.label,
        "hint": key.hint,
        "master_key": key.sealed.master_key,
        "sealed": key.sealed.content,
        "falls_back": key.falls_back,
        "is_disabled": key.is_disabled,
    }


def _called(key: ProviderKey) -> str:
    """What the audit log calls it: `organisation:acme at openai`."""
    return f"{key.owner} at {key.provider}"


def _told(key: ProviderKey) -> dict[str, object]:
    """For the audit log: never what is sealed."""
    return {
        "owner": str(key.owner),
        "provider": key.provider,
        "label": key.label,
        "hint": key.hint,
        "falls_back": key.falls_back,
        "is_disabled": key.is_disabled,
    }
