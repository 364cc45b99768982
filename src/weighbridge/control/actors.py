"""From a key or a session to the actor: what its holder may do, as of this moment."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from typing import Final

from weighbridge.auth.people import User
from weighbridge.auth.permissions import Actor
from weighbridge.auth.sign_in_rules import SignInRules
from weighbridge.auth.virtual_keys import digest_of
from weighbridge.control.sessions import Session
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Clock, KeySource
from weighbridge.core.terms import VirtualKey
from weighbridge.storage.people_store import PeopleStore

FILE_KEY_PREFIX: Final = "file:"
"""How ids of keys of the configuration begin."""


class Actors:
    """Finds them. Asked at each request, so that a role that was taken away is gone with the next. `rules` are as of now."""

    def __init__(self, keys: KeySource, people: PeopleStore, clock: Clock, rules: Callable[[], SignInRules]) -> None:
        self._keys = keys
        self._people = people
        self._clock = clock
        self._rules = rules

    async def of_token(self, token: str) -> Actor:
        """The actor behind an admin key. Raises `GatewayError` AUTHENTICATION or PERMISSION_DENIED, and `StorageError`."""
        return await self.of_key(await self.key_of(token))

    async def key_of(self, token: str) -> VirtualKey:
        """The admin key that a token is. Raises as :meth:`of_token`."""
        digest = digest_of(token.encode())
        key = await self._keys.find(digest)
        # The dictionary compared digests, of which a timing tells nothing about the key; this makes it plain.
        if key is None or not hmac.compare_digest(key.digest, digest):
            raise GatewayError(ErrorKind.AUTHENTICATION, "this key is unknown or revoked", code="invalid_api_key")
        if key.expires_wall_ns is not None and key.expires_wall_ns <= self._clock.wall_ns():
            raise GatewayError(ErrorKind.AUTHENTICATION, "this key has expired", code="expired_api_key")
        if key.is_blocked:
            raise GatewayError(
                ErrorKind.PERMISSION_DENIED, "this key, or whoever it belongs to, is blocked", code="blocked_api_key"
            )
        if not key.is_admin:
            message = "this key is not an admin key: `weighbridge keys create --admin` makes one"
            raise GatewayError(ErrorKind.PERMISSION_DENIED, message, code="not_admin")
        return key

    async def of_key(self, key: VirtualKey) -> Actor:
        """An admin key of nobody, and one of the configuration, may everything; another what its user may."""
        name = f"key:{key.name}"
        if not key.user or key.id.startswith(FILE_KEY_PREFIX):
            return Actor(name)
        user = await asyncio.to_thread(self._people.user_of, key.user)
        if user is None or user.is_blocked:
            raise GatewayError(ErrorKind.PERMISSION_DENIED, "this key's user is gone or blocked", code="blocked_user")
        return Actor(name, user.role, user.place, user.login)

    async def of_session(self, session: Session | None) -> Actor:
        """The actor of a signed-in browser. Raises `GatewayError` AUTHENTICATION where the session, its key or its user is over."""
        over = GatewayError(ErrorKind.AUTHENTICATION, "the session is over: sign in again", code="missing_session")
        if session is None:
            raise over
        if session.login:
            found = await asyncio.to_thread(self._people.credentials_of, session.login)
            if found is None or found[0].is_blocked or not self._holds(session, found[0], found[1]):
                raise over
            return actor_of_user(found[0])
        key = await self._keys.find(session.key_digest)
        if key is None or not key.is_admin or key.is_blocked:
            raise over
        if key.expires_wall_ns is not None and key.expires_wall_ns <= self._clock.wall_ns():
            raise over
        return await self.of_key(key)

    def _holds(self, session: Session, user: User, password_hash: str | None) -> bool:
        """Whether what opened a user's session still would."""
        rules, then = self._rules(), session.arrived
        if then is None:
            return rules.takes_passwords and password_hash == session.password_hash
        is_same = (then.issuer, then.subject, then.role, then.place) == (user.issuer, user.subject, user.role, user.place)
        return is_same and rules.oidc is not None and rules.oidc.issuer == then.issuer


def actor_of_user(user: User) -> Actor:
    """Somebody who has signed in."""
    return Actor(f"user:{user.login}", user.role, user.place, user.login)
