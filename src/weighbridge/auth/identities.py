"""Whom an OpenID provider says somebody is, and why somebody of whom it says so still does not come in."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Identity(msgspec.Struct, frozen=True):
    """A person, as a checked ID token tells. `subject` is the account's name at `issuer`. It never becomes another's, as an e-mail
    address may."""

    issuer: str
    subject: str
    email: str
    """In lower case."""
    name: str
    groups: frozenset[str] = frozenset()


class Refusal(StrEnum):
    """Why a sign-in came to nothing. The sign-in page has a sentence for each, and learns no more than that."""

    OFF = "off"
    """No provider is configured."""
    STALE = "stale"
    """Begun in another browser, too long ago, or ended before."""
    CANCELLED = "cancelled"
    """The person would not, or the provider says that he or she may not."""
    REJECTED = "rejected"
    """The provider has turned the question down: mostly a client that is not set up there as it is here."""
    UNAVAILABLE = "unavailable"
    """The provider, or the gateway's store, does not answer."""
    NOT_TRUSTED = "not_trusted"
    """What the provider answered does not hold."""
    LOCKED_OUT = "locked_out"
    NO_EMAIL = "no_email"
    UNVERIFIED_EMAIL = "unverified_email"
    OTHER_DOMAIN = "other_domain"
    GROUPS_LEFT_OUT = "groups_left_out"
    """The person is in more groups than the provider tells of."""
    UNKNOWN_USER = "unknown_user"
    NO_ROLE = "no_role"
    BLOCKED = "blocked"
    OTHER_ACCOUNT = "other_account"
    """The user of this e-mail address has signed in with another account of the provider."""


class NotAdmittedError(Exception):
    """Somebody does not come in. `detail` is for the operator's eyes, and holds no token; empty: it was told before."""

    def __init__(self, refusal: Refusal, detail: str) -> None:
        super().__init__(f"{refusal}: {detail}")
        self.refusal = refusal
        self.detail = detail
