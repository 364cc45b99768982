"""Limits that several gateways share, as operators write it: where they are kept, and what holds while nobody can be asked."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import Field, field_validator

from weighbridge.config.fields import Count, Duration, SecretText
from weighbridge.config.section import Section, written
from weighbridge.config.tls_fields import ProviderTls
from weighbridge.config.units import parse_duration
from weighbridge.core.secret import Secret

_DEFAULT_PORT: Final = 6379
_SCHEMES: Final = {"valkey": False, "valkeys": True, "redis": False, "rediss": True}
"""Whether TLS is spoken."""
_UNIX: Final = "unix"
_DATABASE: Final = re.compile(r"/?([0-9]{0,4})")
_FORM: Final = "must be a URL such as `valkey://user:password@host:6379/0`, `valkeys://…` with TLS, or `unix:///path`"
_LONGEST_WAIT: Final = "5s"


class ServerAddress(NamedTuple):
    """A URL, taken apart."""

    host: str
    port: int
    path: str
    """Of a Unix socket."""
    user: str
    password: Secret | None
    database: int
    has_tls: bool


def parse_address(url: str) -> ServerAddress:
    """Where a Valkey is. Raises `ValueError` without quoting the URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _DEFAULT_PORT
    except ValueError:
        raise ValueError(_FORM) from None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    secret = Secret(password) if password else None
    if parts.scheme == _UNIX and parts.path and not host:
        return ServerAddress("", 0, unquote(parts.path), user, secret, 0, has_tls=False)
    database = _DATABASE.fullmatch(parts.path)
    if parts.scheme not in _SCHEMES or not host or database is None or parts.query or parts.fragment or (user and secret is None):
        raise ValueError(_FORM)
    return ServerAddress(host, port, "", user, secret, int(database[1] or 0), has_tls=_SCHEMES[parts.scheme])


class SharedLimits(Section):
    """Several gateways have `limits` together, in a Valkey (or Redis) that all of them reach."""

    url: SecretText
    """`valkey://user:password@host:6379/0`; `valkeys://` with TLS; `unix:///path`. `redis://` and `rediss://` are the same."""
    tls: ProviderTls = Field(default_factory=lambda: ProviderTls.model_validate({}))
    """Certificates, for `valkeys://`."""
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = "weighbridge"
    """How its keys begin: gateways with the same prefix share their limits."""
    on_outage: Literal["local", "refuse"] = "local"
    """While it cannot be asked: each gateway goes by its part of each limit (`local`), or what a limit counts is refused with 503
    (`refuse`)."""
    wait: Duration = written("50ms")
    """How long a request waits for its answer, at most `5s`."""
    gateways: Count = Field(1)
    """How many share them at least; a gateway's part while Valkey is away is that of as many, or of more if it has seen more."""

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: Secret) -> Secret:
        parse_address(url.reveal())
        return url

    @field_validator("wait")
    @classmethod
    def _is_short(cls, wait: int) -> int:
        if wait > parse_duration(_LONGEST_WAIT):
            raise ValueError(f"must be at most `{_LONGEST_WAIT}`")
        return wait
