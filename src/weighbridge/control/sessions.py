"""Signed-in browsers: who they are, for how long, and what keeps others from guessing or forging it.

Sessions live in the memory of the control plane: after a restart everybody signs in again. A cookie holds 256 random bits, of which
only the hash is kept. Each session is bound to the admin key, the password or the account that opened it, and ends with it.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from typing import Final

from weighbridge.auth.people import User
from weighbridge.auth.virtual_keys import digest_of
from weighbridge.core.clock import NS_PER_S, new_token
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Clock
from weighbridge.core.secret import Secret
from weighbridge.core.terms import VirtualKey

COOKIE: Final = "weighbridge_session"
CSRF_HEADER: Final = "x-csrf-token"
IDLE_NS: Final = 12 * 3_600 * NS_PER_S
LIFETIME_NS: Final = 7 * 86_400 * NS_PER_S
"""A session ends after a week however busy it is."""
_MAX_SESSIONS: Final = 1_000
"""Then the one that was idle longest ends."""
_FREE_FAILURES: Final = 5
"""So many wrong keys or passwords may follow each other at once; each further one doubles the wait."""
_MAX_WAIT_NS: Final = 900 * NS_PER_S
_MAX_GUESSERS: Final = 10_000


class Session:
    """One signed-in browser: of an admin key (`key_digest`), or of a user (`login`) who came with a password (`password_hash`) or
    from an OpenID provider (`arrived`)."""

    __slots__ = ("arrived", "csrf_token", "id_token", "key_digest", "login", "name", "password_hash", "seen_ns", "started_ns")

    def __init__(
        self,
        name: str,
        now_ns: int,
        *,
        key_digest: bytes = b"",
        login: str = "",
        password_hash: str = "",
        arrived: User | None = None,
        id_token: Secret | None = None,
    ) -> None:
        self.name = name
        self.key_digest = key_digest
        self.login = login
        self.password_hash = password_hash
        """As it was at signing in: a session ends when the password is changed."""
        self.arrived = arrived
        """The user as he or she was at signing in: a session ends when account, role or place are others."""
        self.id_token = id_token
        """What the provider wants to see when the session ends there too."""
        self.csrf_token = new_token()
        self.started_ns = self.seen_ns = now_ns

    def is_over(self, now_ns: int) -> bool:
        """Whether it has been idle, or there, for too long."""
        return now_ns - self.seen_ns > IDLE_NS or now_ns - self.started_ns > LIFETIME_NS

    def allows(self, csrf_token: str) -> bool:
        """Whether a request that changes something comes from a page of ours: another site can send the cookie, not the token."""
        return hmac.compare_digest(csrf_token.encode(), self.csrf_token.encode())


class Sessions:
    """All of them; belongs to the control plane's event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()
        """By the hash of the cookie, those that were idle longest first."""
        self._failures: OrderedDict[str, tuple[int, int]] = OrderedDict()
        """By address or account: failures in a row, and when the last one came."""

    def open(self, key: VirtualKey) -> tuple[str, Session]:
        """A new session for whoever showed this key, and the cookie's value. Always a new one: a cookie that somebody else has
        planted is never taken over."""
        return self._opened(Session(key.name, self._clock.now_ns(), key_digest=key.digest))

    def open_for(self, name: str, login: str, password_hash: str) -> tuple[str, Session]:
        """The same for whoever knew a user's password."""
        return self._opened(Session(name, self._clock.now_ns(), login=login, password_hash=password_hash))

    def open_at_provider(self, user: User, id_token: Secret | None) -> tuple[str, Session]:
        """The same for a user whom an OpenID provider has named."""
        session = Session(user.name, self._clock.now_ns(), login=user.login, arrived=user, id_token=id_token)
        return self._opened(session)

    def _opened(self, session: Session) -> tuple[str, Session]:
        token = new_token()
        self._sessions[digest_of(token.encode())] = session
        while len(self._sessions) > _MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return token, session

    def find(self, token: str) -> Session | None:
        """The session of a cookie, unless it is over."""
        name = digest_of(token.encode())
        session = self._sessions.get(name)
        if session is None:
            return None
        now_ns = self._clock.now_ns()
        if session.is_over(now_ns):
            del self._sessions[name]
            return None
        session.seen_ns = now_ns
        self._sessions.move_to_end(name)
        return session

    def close(self, token: str) -> None:
        """End it, if it is there."""
        self._sessions.pop(digest_of(token.encode()), None)

    # --- guessing -----------------------------------------------------------------------------------------------

    def check(self, guesser: str) -> None:
        """Raises `GatewayError` LIMIT_EXCEEDED where an address, or whoever tries at an account, has to wait after failures."""
        count, last_ns = self._failures.get(guesser, (0, 0))
        if count < _FREE_FAILURES:
            return
        wait_ns = min(NS_PER_S << (count - _FREE_FAILURES), _MAX_WAIT_NS) - (self._clock.now_ns() - last_ns)
        if wait_ns > 0:
            raise GatewayError(
                ErrorKind.LIMIT_EXCEEDED,
                "signing in has failed too often from your address, or for this account: wait a little",
                code="locked_out",
                retry_after_ns=wait_ns,
            )

    def failed(self, guesser: str) -> None:
        """A wrong key or password came."""
        count = min(self._failures.pop(guesser, (0, 0))[0] + 1, 64)
        self._failures[guesser] = (count, self._clock.now_ns())
        while len(self._failures) > _MAX_GUESSERS:
            self._failures.popitem(last=False)

    def succeeded(self, guesser: str) -> None:
        """A right one came."""
        self._failures.pop(guesser, None)
