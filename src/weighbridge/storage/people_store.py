"""Organisations, teams and users in the store. As in `store.py`, methods block on the database and raise `StorageError`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import ColumnElement, Connection, Row, Table, and_, delete, func, insert, or_, select, tuple_
from sqlalchemy.exc import IntegrityError

from weighbridge.auth.people import EVERYWHERE, Organisation, Place, Role, Team, User, check_email, check_handle
from weighbridge.core.allowances import Scope, ScopeKind
from weighbridge.core.clock import new_id
from weighbridge.storage.errors import InUseError, NameTakenError, NotFoundError
from weighbridge.storage.tables import organisations, provider_keys, teams, users, virtual_keys
from weighbridge.storage.transactions import Act, Change, Transactions, differences, replace_row

MAX_PAGE: Final = 200
MAX_NAME_CHARACTERS: Final = 100

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Things, newest first. `next_cursor` asks for the following page; None says that there is none."""

    items: tuple[T, ...]
    next_cursor: str | None


class NewUser(msgspec.Struct, frozen=True):
    """A user to make: a person with an e-mail address, or a service account without one, which is known by its name."""

    name: str
    role: Role
    email: str | None = None
    place: Place = EVERYWHERE
    password_hash: str | None = None


class UserChange(msgspec.Struct, frozen=True):
    """What is to be another about a user; what is left out stays."""

    name: str | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    place: Place | UnsetType = UNSET
    is_blocked: bool | UnsetType = UNSET
    password_hash: str | UnsetType = UNSET
    role_by_groups: bool | UnsetType = UNSET
    """Whether the role follows groups of the OpenID provider. Another role or place, given by hand, stays as given."""
    forgets_account: bool = False
    """Whether the next sign-in at the OpenID provider binds the user to another account there."""


class PeopleStore:
    """Who there is. Names of organisations, of teams and the logins of users are each unique and never change."""

    __slots__ = ("_transactions",)

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    # --- organisations ------------------------------------------------------------------------------------------

    def create_organisation(self, name: str, act: Act) -> Organisation:
        """Raises `ValueError` for a name that none can have, `NameTakenError`, and what `begin_create` raises."""
        check_handle(name, "an organisation")
        made = Organisation(new_id("org"), name, created_wall_ns=self._transactions.clock.wall_ns())
        with self._transactions.writing() as connection:
            self._transactions.begin_create(connection, act)
            row = {"id": made.id, "created_at": made.created_wall_ns, "version": 1, "name": name, "is_blocked": False}
            insert_row(connection, organisations, row, f"there is an organisation '{name}' already")
            self._made(connection, act, "organisation", made.id, name, {"name": name})
        return made

    def organisation(self, organisation_id: str) -> Organisation:
        """Raises `NotFoundError`."""
        with self._transactions.reading() as connection:
            return _organisation(_row(connection, organisations, organisation_id, "organisation"))

    def organisations(self, place: Place = EVERYWHERE, *, limit: int = MAX_PAGE, cursor: str | None = None) -> Page[Organisation]:
        """A page of those in a place (of a team: its own)."""
        within = organisations.c.name == place.organisation if not place.is_everywhere else None
        with self._transactions.reading() as connection:
            rows = _page(connection, organisations, within, limit, cursor, "organisation")
        return _paged([_organisation(row) for row in rows], limit, [row.id for row in rows])

    def block_organisation(self, organisation_id: str, act: Act, version: int | None, *, is_blocked: bool) -> Organisation:
        """Block it with all its keys, or let it be used again. Raises `NotFoundError` and `ChangedMeanwhileError`."""
        with self._transactions.writing() as connection:
            row = self._block(connection, organisations, organisation_id, "organisation", act, version, is_blocked=is_blocked)
            return _organisation(row)

    def delete_organisation(self, organisation_id: str, act: Act, version: int | None) -> None:
        """Raises `NotFoundError`, `ChangedMeanwhileError`, and `InUseError` while it has teams, users, live keys or provider
        keys."""
        with self._transactions.writing() as connection:
            found = _organisation(_row(connection, organisations, organisation_id, "organisation"))
            n_teams = _count(connection, teams, teams.c.organisation == found.name)
            n_users = _count(connection, users, users.c.organisation == found.name)
            n_keys = _count(connection, virtual_keys, _live(virtual_keys.c.organisation == found.name))
            n_own = _n_provider_keys(connection, "organisation", found.name)
            _refuse_in_use(f"organisation '{found.name}'", teams=n_teams, users=n_users, keys=n_keys, provider_keys=n_own)
            self._delete(connection, organisations, found.id, version, act, "organisation", found.name)

    def organisation_named(self, name: str) -> Organisation | None:
        """The organisation of this name."""
        with self._transactions.reading() as connection:
            row = connection.execute(select(organisations).where(organisations.c.name == name)).one_or_none()
        return None if row is None else _organisation(row)

    # --- teams --------------------------------------------------------------------------------------------------

    def create_team(self, name: str, organisation: str, act: Act) -> Team:
        """Raises as :meth:`create_organisation`, and `ValueError` for an organisation that is not there."""
        check_handle(name, "a team")
        made = Team(new_id("team"), name, organisation, created_wall_ns=self._transactions.clock.wall_ns())
        with self._transactions.writing() as connection:
            self._transactions.begin_create(connection, act)
            if organisation:
                known_organisation(connection, organisation)
            row = {"id": made.id, "created_at": made.created_wall_ns, "version": 1, "name": name, "is_blocked": False}
            row["organisation"] = organisation
            insert_row(connection, teams, row, f"there is a team '{name}' already")
            self._made(connection, act, "team", made.id, name, {"name": name, "organisation": organisation})
        return made

    def team(self, team_id: str) -> Team:
        """Raises `NotFoundError`."""
        with self._transactions.reading() as connection:
            return _team(_row(connection, teams, team_id, "team"))

    def teams(self, place: Place = EVERYWHERE, *, limit: int = MAX_PAGE, cursor: str | None = None) -> Page[Team]:
        """A page of those in a place."""
        within = place_condition(place, teams.c.organisation, teams.c.name)
        with self._transactions.reading() as connection:
            rows = _page(connection, teams, within, limit, cursor, "team")
        return _paged([_team(row) for row in rows], limit, [row.id for row in rows])

    def block_team(self, team_id: str, act: Act, version: int | None, *, is_blocked: bool) -> Team:
        """Block it with all its keys, or let it be used again. Raises `NotFoundError` and `ChangedMeanwhileError`."""
        with self._transactions.writing() as connection:
            return _team(self._block(connection, teams, team_id, "team", act, version, is_blocked=is_blocked))

    def delete_team(self, team_id: str, act: Act, version: int | None) -> None:
        """Raises `NotFoundError`, `ChangedMeanwhileError`, and `InUseError` while it has users, provider keys, or keys that are not
        revoked."""
        with self._transactions.writing() as connection:
            found = _team(_row(connection, teams, team_id, "team"))
            n_users = _count(connection, users, users.c.team == found.name)
            n_keys = _count(connection, virtual_keys, _live(virtual_keys.c.team == found.name))
            n_own = _n_provider_keys(connection, "team", found.name)
            _refuse_in_use(f"team '{found.name}'", users=n_users, keys=n_keys, provider_keys=n_own)
            self._delete(connection, teams, found.id, version, act, "team", found.name)

    def team_named(self, name: str) -> Team | None:
        """The team of this name."""
        with self._transactions.reading() as connection:
            row = connection.execute(select(teams).where(teams.c.name == name)).one_or_none()
        return None if row is None else _team(row)

    # --- users --------------------------------------------------------------------------------------------------

    def create_user(self, new: NewUser, act: Act) -> User:
        """Raises as :meth:`create_team`."""
        email = check_email(new.email) if new.email is not None else None
        login = email or check_handle(new.name, "a service account")
        _check_name(new.name)
        if email is None and new.password_hash is not None:
            raise ValueError("a service account has no password: it uses keys; people sign in with their e-mail address")
        with self._transactions.writing() as connection:
            self._transactions.begin_create(connection, act)
            place = known_place(connection, new.place)
            made = User(
                new_id("user"),
                login,
                new.name,
                new.role,
                email,
                place,
                has_password=new.password_hash is not None,
                created_wall_ns=self._transactions.clock.wall_ns(),
            )
            row = {"id": made.id, "created_at": made.created_wall_ns, "version": 1, "login": login, "email": email}
            row |= {**user_columns(made), "password_hash": new.password_hash}
            insert_row(connection, users, row, f"there is a user '{login}' already")
            self._made(connection, act, "user", made.id, login, told_of_user(made))
        return made

    def user(self, user_id: str) -> User:
        """Raises `NotFoundError`."""
        with self._transactions.reading() as connection:
            return user_of_row(_row(connection, users, user_id, "user"))

    def user_of(self, login: str) -> User | None:
        """The user with this e-mail address, or the service account of this name."""
        found = self.credentials_of(login)
        return None if found is None else found[0]

    def credentials_of(self, login: str) -> tuple[User, str | None] | None:
        """A user and the hash of his or her password."""
        with self._transactions.reading() as connection:
            row = connection.execute(select(users).where(users.c.login == _as_login(login))).one_or_none()
        return None if row is None else (user_of_row(row), row.password_hash)

    def users(self, place: Place = EVERYWHERE, *, limit: int = MAX_PAGE, cursor: str | None = None) -> Page[User]:
        """A page of those in a place."""
        within = place_condition(place, users.c.organisation, users.c.team)
        with self._transactions.reading() as connection:
            rows = _page(connection, users, within, limit, cursor, "user")
        return _paged([user_of_row(row) for row in rows], limit, [row.id for row in rows])

    def change_user(self, user_id: str, change: UserChange, act: Act, version: int | None) -> User:
        """Raises `NotFoundError`, `ChangedMeanwhileError`, and `ValueError` for what no user can be."""
        told = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not UNSET}
        password_hash = told.pop("password_hash", None)
        if told.pop("forgets_account"):
            told |= {"issuer": None, "subject": None}
        with self._transactions.writing() as connection:
            before = user_of_row(_row(connection, users, user_id, "user"))
            if isinstance(change.place, Place):
                told["place"] = known_place(connection, change.place)
            after = msgspec.structs.replace(before, **told, version=before.version + 1)
            if change.role_by_groups is UNSET and (after.role, after.place) != (before.role, before.place):
                after = msgspec.structs.replace(after, role_by_groups=False)
            _check_user(before, after, has_new_password=password_hash is not None)
            columns = user_columns(after)
            if password_hash is not None:
                columns["password_hash"] = password_hash
                after = msgspec.structs.replace(after, has_password=True)
            replace_row(connection, users, user_id, version, columns)
            old, new = differences(told_of_user(before), told_of_user(after))
            if password_hash is not None:
                old, new = {**old, "password": "old"}, {**new, "password": "new"}
            self._transactions.done(connection, act, Change("change", "user", user_id, after.login, old, new))
        return after

    def delete_user(self, user_id: str, act: Act, version: int | None) -> None:
        """Raises `NotFoundError`, `ChangedMeanwhileError`, and `InUseError` while he or she holds keys that are not revoked."""
        with self._transactions.writing() as connection:
            found = user_of_row(_row(connection, users, user_id, "user"))
            n_keys = _count(connection, virtual_keys, _live(virtual_keys.c.owner == found.login))
            _refuse_in_use(f"user '{found.login}'", keys=n_keys)
            self._delete(connection, users, found.id, version, act, "user", found.login)

    def resolved(self, place: Place, login: str = "") -> Place:
        """Where something is that is told to be in a place, or (where none is told) belongs to a user. Raises `ValueError` for what
        is not there."""
        with self._transactions.reading() as connection:
            return resolved_place(connection, place, login)[0]

    def place_of(self, scope: Scope) -> Place | None:
        """Where the subject of a budget or a limit is: a team, a user, a key. None for what is in no place, or is not there."""
        with self._transactions.reading() as connection:
            if scope.kind is ScopeKind.ORGANISATION:
                return Place(scope.name)
            if scope.kind is ScopeKind.TEAM:
                query = select(teams.c.organisation, teams.c.name).where(teams.c.name == scope.name)
            elif scope.kind is ScopeKind.USER:
                query = select(users.c.organisation, users.c.team).where(users.c.login == _as_login(scope.name))
            elif scope.kind is ScopeKind.KEY:
                is_it = or_(virtual_keys.c.id == scope.name, _live(virtual_keys.c.name == scope.name))
                query = select(virtual_keys.c.organisation, virtual_keys.c.team).where(is_it)
            else:
                return None
            row = connection.execute(query).first()
        return None if row is None else Place(*row)

    # --- what all of them share ---------------------------------------------------------------------------------

    def _made(self, connection: Connection, act: Act, kind: str, subject_id: str, name: str, told: Mapping[str, object]) -> None:
        self._transactions.remember_create(connection, act, subject_id)
        self._transactions.done(connection, act, Change("create", kind, subject_id, name, after=told))

    def _block(
        self, connection: Connection, table: Table, subject_id: str, kind: str, act: Act, version: int | None, *, is_blocked: bool
    ) -> Row[Any]:
        name = _row(connection, table, subject_id, kind).name
        replace_row(connection, table, subject_id, version, {"is_blocked": is_blocked})
        action = "block" if is_blocked else "unblock"
        self._transactions.done(connection, act, Change(action, kind, subject_id, name))
        return _row(connection, table, subject_id, kind)

    def _delete(
        self, connection: Connection, table: Table, subject_id: str, version: int | None, act: Act, kind: str, name: str
    ) -> None:
        replace_row(connection, table, subject_id, version, {})  # which checks the version
        connection.execute(delete(table).where(table.c.id == subject_id))
        self._transactions.done(connection, act, Change("delete", kind, subject_id, name))


def known_organisation(connection: Connection, name: str) -> None:
    """Raises `ValueError` where there is no organisation of this name."""
    if connection.execute(select(organisations.c.id).where(organisations.c.name == name)).one_or_none() is None:
        raise ValueError(f"there is no organisation '{name}': make it first")


def known_place(connection: Connection, place: Place) -> Place:
    """A place with its team's organisation. Raises `ValueError` where there is no such place."""
    if not place.team:
        if place.organisation:
            known_organisation(connection, place.organisation)
        return place
    row = connection.execute(select(teams.c.organisation).where(teams.c.name == place.team)).one_or_none()
    if row is None:
        raise ValueError(f"there is no team '{place.team}': make it first")
    if place.organisation and place.organisation != row.organisation:
        raise ValueError(f"the team '{place.team}' is not of the organisation '{place.organisation}'")
    return Place(row.organisation, place.team)


def known_user(connection: Connection, login: str) -> User:
    """The user of a login. Raises `ValueError` where there is none."""
    row = connection.execute(select(users).where(users.c.login == _as_login(login))).one_or_none()
    if row is None:
        raise ValueError(f"there is no user '{login}': make it first")
    return user_of_row(row)


def resolved_place(connection: Connection, place: Place, login: str) -> tuple[Place, str]:
    """The place with its team's organisation, the user's where none is told; and the user's login as it is written."""
    if login:
        owner = known_user(connection, login)
        login = owner.login
        place = owner.place if place.is_everywhere else place
    return known_place(connection, place), login


def place_condition(place: Place, organisation: ColumnElement[str], team: ColumnElement[str]) -> ColumnElement[bool] | None:
    """Rows of a place; None for all."""
    if place.team:
        return team == place.team
    return organisation == place.organisation if place.organisation else None


def after_cursor(table: Table, place: Row[Any]) -> ColumnElement[bool]:
    """Rows that come after this one in a list, newest first."""
    return tuple_(table.c.created_at, table.c.id) < (place.created_at, place.id)


def _as_login(text: str) -> str:
    return text.lower() if "@" in text else text


def _page(
    connection: Connection, table: Table, within: ColumnElement[bool] | None, limit: int, cursor: str | None, kind: str
) -> list[Row[Any]]:
    query = select(table).order_by(table.c.created_at.desc(), table.c.id.desc()).limit(max(1, min(limit, MAX_PAGE)) + 1)
    if within is not None:
        query = query.where(within)
    if cursor is not None:
        query = query.where(after_cursor(table, _row(connection, table, cursor, kind)))
    return list(connection.execute(query))


def _paged(items: list[T], limit: int, ids: list[str]) -> Page[T]:
    limit = max(1, min(limit, MAX_PAGE))
    return Page(tuple(items[:limit]), ids[limit - 1] if len(items) > limit else None)


def _row(connection: Connection, table: Table, subject_id: str, kind: str) -> Row[Any]:
    row = connection.execute(select(table).where(table.c.id == subject_id)).one_or_none()
    if row is None:
        raise NotFoundError(kind, subject_id)
    return row


def insert_row(connection: Connection, table: Table, values: Mapping[str, object], taken: str) -> None:
    """Raises `NameTakenError` with the sentence `taken` where there is one of this name."""
    try:
        connection.execute(insert(table).values(dict(values)))
    except IntegrityError:
        raise NameTakenError(taken) from None


def _live(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return and_(condition, virtual_keys.c.revoked_at.is_(None))


def _count(connection: Connection, table: Table, condition: ColumnElement[bool]) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(condition)).scalar_one())


def _n_provider_keys(connection: Connection, kind: str, name: str) -> int:
    """What would be used for whoever is called so later."""
    mine = and_(provider_keys.c.owner_kind == kind, provider_keys.c.owner == name)
    return _count(connection, provider_keys, mine)


def _refuse_in_use(what: str, **counts: int) -> None:
    having = [f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count]
    if having:
        raise InUseError(f"the {what} still has {' and '.join(having)}: move, delete or revoke them first, or block it instead")


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS or not name.isprintable() or name != name.strip():
        raise ValueError(f"a user's name has 1 to {MAX_NAME_CHARACTERS} printable characters, and no blank at either end")


def _check_user(before: User, after: User, *, has_new_password: bool) -> None:
    _check_name(after.name)
    if before.email is None and after.name != before.name:
        raise ValueError("a service account keeps its name: the ledger has booked under it")
    if before.email is None and has_new_password:
        raise ValueError("a service account has no password: it uses keys")


def _organisation(row: Row[Any]) -> Organisation:
    return Organisation(row.id, row.name, bool(row.is_blocked), row.created_at, row.version)


def _team(row: Row[Any]) -> Team:
    return Team(row.id, row.name, row.organisation, bool(row.is_blocked), row.created_at, row.version)


def user_of_row(row: Row[Any]) -> User:
    """A row of `users`."""
    return User(
        id=row.id,
        login=row.login,
        name=row.name,
        role=Role(row.role),
        email=row.email,
        place=Place(row.organisation, row.team),
        is_blocked=bool(row.is_blocked),
        has_password=row.password_hash is not None,
        created_wall_ns=row.created_at,
        version=row.version,
        issuer=row.issuer,
        subject=row.subject,
        role_by_groups=bool(row.role_by_groups),
    )


def user_columns(user: User) -> dict[str, object]:
    """What may change about a user, without the password."""
    return {
        "name": user.name,
        "role": user.role.value,
        "organisation": user.place.organisation,
        "team": user.place.team,
        "is_blocked": user.is_blocked,
        "issuer": user.issuer,
        "subject": user.subject,
        "role_by_groups": user.role_by_groups,
    }


def told_of_user(user: User) -> Mapping[str, object]:
    """What the audit log has of a user."""
    return {**user_columns(user), "email": user.email}
