"""Users who come from an OpenID provider: found or made, bound to their accounts there, with roles that follow their groups.

A role that was given by hand stays, whatever the groups are. One that follows groups is looked up at each sign-in, and is `none`
once no group gives any.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from weighbridge.auth.identities import Identity, NotAdmittedError, Refusal
from weighbridge.auth.people import EVERYWHERE, Role, User
from weighbridge.auth.sign_in_rules import RoleRule
from weighbridge.core.clock import new_id
from weighbridge.storage.people_store import insert_row, known_place, told_of_user, user_columns, user_of_row
from weighbridge.storage.tables import users
from weighbridge.storage.transactions import Act, Change, Transactions, differences, replace_row


class IdentityStore:
    """Methods block on the database and raise `StorageError`."""

    __slots__ = ("_transactions",)

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def admit(self, person: Identity, rule: RoleRule | None, act: Act, *, creates: bool) -> User:
        """The user who a person is, with the role that `rule` gives. `creates`: somebody unknown becomes a user if there is a rule.

        Raises `NotAdmittedError`; a role that no group gives any more is gone by then. `ValueError`: the rule's place is not there.
        """
        with self._transactions.writing() as connection:
            row = _row_of(connection, person)
            user = self._make(connection, person, rule, act, creates=creates) if row is None else user_of_row(row)
            if row is not None and not user.is_blocked:
                user = self._brought_up_to_date(connection, user, person, rule, act)
        if user.is_blocked:
            raise NotAdmittedError(Refusal.BLOCKED, f"the user {user.login} is blocked")
        if user.role is Role.NONE:
            raise NotAdmittedError(Refusal.NO_ROLE, f"no group of {user.login} gives a role")
        return user

    def _make(self, connection: Connection, person: Identity, rule: RoleRule | None, act: Act, *, creates: bool) -> User:
        if not creates:
            raise NotAdmittedError(Refusal.UNKNOWN_USER, f"there is no user {person.email}")
        if rule is None:
            raise NotAdmittedError(Refusal.NO_ROLE, f"no group of {person.email} gives a role")
        made = User(
            new_id("user"),
            person.email,
            person.name,
            rule.role,
            person.email,
            known_place(connection, rule.place),
            created_wall_ns=self._transactions.clock.wall_ns(),
            issuer=person.issuer,
            subject=person.subject,
            role_by_groups=True,
        )
        row = {"id": made.id, "created_at": made.created_wall_ns, "version": 1, "login": made.login, "email": made.email}
        insert_row(connection, users, {**row, **user_columns(made)}, f"there is a user '{made.login}' already")
        self._transactions.done(connection, act, Change("create", "user", made.id, made.login, after=told_of_user(made)))
        return made

    def _brought_up_to_date(self, connection: Connection, user: User, person: Identity, rule: RoleRule | None, act: Act) -> User:
        # Another issuer is another configuration: everybody is bound anew. Another subject of the same is another person, who
        # has been given somebody's address.
        if user.issuer == person.issuer and user.subject != person.subject:
            detail = f"the user {user.login} is bound to another account than the one that came"
            raise NotAdmittedError(Refusal.OTHER_ACCOUNT, detail)
        after = msgspec.structs.replace(user, issuer=person.issuer, subject=person.subject)
        if user.role_by_groups:
            role, place = (Role.NONE, EVERYWHERE) if rule is None else (rule.role, known_place(connection, rule.place))
            after = msgspec.structs.replace(after, role=role, place=place)
        if after == user:
            return user
        replace_row(connection, users, user.id, None, user_columns(after))
        old, new = differences(told_of_user(user), told_of_user(after))
        self._transactions.done(connection, act, Change("change", "user", user.id, user.login, old, new))
        return msgspec.structs.replace(after, version=user.version + 1)


def _row_of(connection: Connection, person: Identity) -> Row[Any] | None:
    """By the account first: whoever gets another e-mail address stays the user that he or she was."""
    is_bound = (users.c.issuer == person.issuer) & (users.c.subject == person.subject)
    found = connection.execute(select(users).where(is_bound)).one_or_none()
    if found is not None:
        return found
    return connection.execute(select(users).where(users.c.email == person.email)).one_or_none()
