"""What a provider is: addresses by dialect, a way to authenticate, keys, and the models it is known for."""

from __future__ import annotations

from enum import Enum

import msgspec

from weighbridge.core.secret import Secret
from weighbridge.core.terms import Deadlines, Dialect, Origin


class AuthStyle(Enum):
    """Where a provider wants its key."""

    BEARER = "bearer"
    """`Authorization: Bearer K` (OpenAI and everybody who speaks its dialect)."""
    X_API_KEY = "x-api-key"
    """`x-api-key: K` (Anthropic)."""
    X_GOOG_API_KEY = "x-goog-api-key"
    """`x-goog-api-key: K` (Gemini); in a header and never in the query, since URLs end in logs."""
    API_KEY = "api-key"
    """`api-key: K` (Azure)."""
    NONE = "none"
    """No key (a server of one's own)."""


class Credential(msgspec.Struct, frozen=True):
    """One provider key. `name` is what Records show instead of it (`openai#1`)."""

    name: str
    secret: Secret


class Base(msgspec.Struct, frozen=True):
    """Where a provider speaks a dialect: `https://api.openai.com/v1` is the origin and `path` `/v1` (no trailing slash)."""

    origin: Origin
    path: str


class Provider(msgspec.Struct, frozen=True):
    """A configured provider.

    `bases` has an entry for each dialect that it speaks. `models` are the names that it is known to serve, listed by
    `/v1/models`; `patterns` are globs (`gpt-*`) for a bare model name that no provider lists. `headers` are added to every
    request. `credentials` take turns.
    """

    name: str
    bases: dict[Dialect, Base]
    auth: AuthStyle = AuthStyle.BEARER
    credentials: tuple[Credential, ...] = ()
    headers: tuple[tuple[str, Secret], ...] = ()
    models: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    deadlines: Deadlines = Deadlines()
