"""Who may do what: one table of roles, and the actor to whom it is applied.

A role counts in its holder's place. What concerns the whole gateway (its configuration, its ledger, the audit log) needs a role
that is held everywhere. An admin key without a user is an owner everywhere; one with a user may do what that user may.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

import msgspec

from weighbridge.auth.people import EVERYWHERE, Place, Role
from weighbridge.core.errors import ErrorKind, GatewayError


class Permission(Enum):
    """An act, or a look."""

    READ_SPEND = auto()
    """Usage, budgets and limits."""
    READ_REQUESTS = auto()
    """Single requests, without what was asked and answered."""
    READ_PAYLOADS = auto()
    """What was asked and answered, where it is kept."""
    READ_PEOPLE = auto()
    """Organisations, teams, users and keys."""
    READ_LEDGER = auto()
    READ_GATEWAY = auto()
    """Status, configuration, targets, the last Records."""
    READ_AUDIT = auto()
    MANAGE_OWN_KEYS = auto()
    MANAGE_KEYS = auto()
    MANAGE_PEOPLE = auto()
    MANAGE_ALLOWANCES = auto()
    """Budgets and limits."""
    MANAGE_GATEWAY = auto()


_OF_THE_WHOLE: Final = frozenset(
    (Permission.READ_LEDGER, Permission.READ_GATEWAY, Permission.READ_AUDIT, Permission.MANAGE_GATEWAY)
)
_VIEWER: Final = frozenset(
    (Permission.READ_SPEND, Permission.READ_REQUESTS, Permission.READ_PEOPLE, Permission.READ_LEDGER, Permission.READ_GATEWAY)
)
_BILLING: Final = frozenset((Permission.READ_SPEND, Permission.READ_PEOPLE, Permission.READ_LEDGER, Permission.MANAGE_ALLOWANCES))
ALLOWED: Final[dict[Role, frozenset[Permission]]] = {
    Role.OWNER: frozenset(Permission),
    Role.ADMIN: frozenset(Permission),
    Role.MEMBER: _VIEWER | {Permission.MANAGE_OWN_KEYS},
    Role.VIEWER: _VIEWER,
    Role.BILLING: _BILLING,
    Role.NONE: frozenset(),
}
"""An admin differs from an owner in that he or she makes no owners, and changes none."""

_RANKS: Final = {Role.OWNER: 3, Role.ADMIN: 2, Role.MEMBER: 1, Role.BILLING: 1, Role.VIEWER: 0, Role.NONE: -1}


class Actor(msgspec.Struct, frozen=True):
    """Who acts by way of the admin API. `name` is how the audit log calls it: `key:root`, `user:ann@example.org`."""

    name: str
    role: Role = Role.OWNER
    place: Place = EVERYWHERE
    login: str = ""
    """The user's; empty for an admin key of nobody."""

    def may(self, permission: Permission) -> bool:
        """Whether the role allows it, and is held far enough."""
        return permission in ALLOWED[self.role] and (permission not in _OF_THE_WHOLE or self.place.is_everywhere)

    def require(self, permission: Permission) -> None:
        """Raises `GatewayError` PERMISSION_DENIED where the role does not allow it."""
        if not self.may(permission):
            where = "" if self.place.is_everywhere else f" of {self.place.team or self.place.organisation}"
            raise GatewayError(
                ErrorKind.PERMISSION_DENIED, f"A {self.role.value}{where} may not do this.", code="insufficient_role"
            )

    def require_in(self, permission: Permission, place: Place) -> None:
        """The same, for something of a place: also where the place is not the actor's."""
        self.require(permission)
        if not self.place.has(place):
            raise GatewayError(ErrorKind.PERMISSION_DENIED, "This is outside of what you look after.", code="outside_your_place")

    def require_grant(self, role: Role) -> None:
        """Raises `GatewayError` PERMISSION_DENIED for a role above the actor's own: nobody makes anybody mightier than himself."""
        if _RANKS[role] > _RANKS[self.role]:
            raise GatewayError(
                ErrorKind.PERMISSION_DENIED, f"A {self.role.value} may not make or change a {role.value}.", code="insufficient_role"
            )
