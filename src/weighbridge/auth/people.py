"""Organisations, their teams, and the users who hold keys and sign in.

The ledger books under names: a team's, an organisation's, and a user's *login* (the e-mail address, or a service account's name).
So these never change; whoever leaves is blocked or deleted, and what was booked stays.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

import msgspec

MAX_HANDLE_CHARACTERS: Final = 64
MAX_EMAIL_CHARACTERS: Final = 100
"""As long as a key's `user` in the configuration may be."""
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)*")
"""As much as can be told without sending a message."""
MIN_PASSWORD_CHARACTERS: Final = 12
MAX_PASSWORD_CHARACTERS: Final = 256
"""Argon2 takes any length; this bounds what a stranger may have us hash. (NIST SP 800-63B-4 asks for at least 64.)"""
_MASKS: Final = frozenset("*•…xX")


class Role(StrEnum):
    """What a user may do in his or her place; `permissions.py` has the table."""

    __hash__ = str.__hash__

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"
    BILLING = "billing"
    NONE = "none"
    """Holds keys, sees and changes nothing: who is in no group any more that gives a role."""


class Place(msgspec.Struct, frozen=True):
    """Where a role counts: a team, an organisation with all its teams, or (both empty) the whole gateway."""

    organisation: str = ""
    team: str = ""

    @property
    def is_everywhere(self) -> bool:
        """The whole gateway."""
        return not self.organisation and not self.team

    def has(self, other: Place) -> bool:
        """Whether the other place is this one, or in it."""
        if self.team:
            return other.team == self.team
        return not self.organisation or other.organisation == self.organisation


EVERYWHERE: Final = Place()


class Organisation(msgspec.Struct, frozen=True):
    """A customer or a company's part. Blocked: none of its keys works. Times are Unix nanoseconds."""

    id: str
    name: str
    is_blocked: bool = False
    created_wall_ns: int = 0
    version: int = 1
    """Counts its changes."""


class Team(msgspec.Struct, frozen=True):
    """A team of an organisation, or of none."""

    id: str
    name: str
    organisation: str = ""
    is_blocked: bool = False
    created_wall_ns: int = 0
    version: int = 1

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(self.organisation, self.name)


class User(msgspec.Struct, frozen=True):
    """A person or, without an e-mail address, a service account."""

    id: str
    login: str
    """The e-mail address in lower case, or a service account's name: what the ledger books under."""
    name: str
    role: Role
    email: str | None = None
    place: Place = EVERYWHERE
    is_blocked: bool = False
    has_password: bool = False
    created_wall_ns: int = 0
    version: int = 1
    issuer: str | None = None
    """The OpenID provider at which he or she has signed in, and `subject` which account there it is."""
    subject: str | None = None
    role_by_groups: bool = False
    """Whether role and place follow from groups at the provider."""


def check_handle(name: str, what: str) -> str:
    """The name of an organisation, a team or a service account, if it can be one. Raises `ValueError` with a sentence."""
    if not 1 <= len(name) <= MAX_HANDLE_CHARACTERS:
        raise ValueError(f"{what}'s name has 1 to {MAX_HANDLE_CHARACTERS} characters")
    if not name.isprintable() or name != name.strip():
        raise ValueError(f"{what}'s name has only printable characters, and no blank at either end")
    if name == "*" or "@" in name:
        # `team:*` is each team; an `@` is for people, so that a service account is never taken for one.
        raise ValueError(f"{what}'s name is not `*` and has no `@`")
    return name


def check_email(email: str) -> str:
    """An e-mail address in lower case. Raises `ValueError` with a sentence."""
    if len(email) > MAX_EMAIL_CHARACTERS or not email.isprintable() or not _EMAIL.fullmatch(email):
        raise ValueError(f"an e-mail address looks like name@example.org and has at most {MAX_EMAIL_CHARACTERS} characters")
    return email.lower()


def check_password(password: str) -> str:
    """A password that may be set. Raises `ValueError` with a sentence that does not repeat it."""
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        raise ValueError(f"a password has {MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters")
    if _MASKS.issuperset(password):
        raise ValueError("that is a mask, not a password: leave it out to keep the old one")
    return password
