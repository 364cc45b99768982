"""Where a provider is called, and what stands in the head of every request to it. Light: the control plane asks for it too."""

from __future__ import annotations

import re
from typing import Final

from weighbridge.core.terms import Dialect, Origin
from weighbridge.providers.base import AuthStyle, Credential, Provider

_AUTH_LINES: Final = {
    AuthStyle.BEARER: b"authorization: Bearer %b\r\n",
    AuthStyle.X_API_KEY: b"x-api-key: %b\r\n",
    AuthStyle.X_GOOG_API_KEY: b"x-goog-api-key: %b\r\n",
    AuthStyle.API_KEY: b"api-key: %b\r\n",
}


_VERSION_SEGMENTS: Final = {Dialect.ANTHROPIC: "/v1", Dialect.GEMINI: "/v1beta"}
"""Base URLs are written as the vendors' SDKs take them: OpenAI's with `/v1`, Anthropic's and Google's without a version."""

_VERSION: Final = re.compile(r"/v\d[a-z0-9]*$")


def has_version(path: str) -> bool:
    """Whether a base URL's path says which version of the API is meant."""
    return _VERSION.search(path) is not None


def with_version(path: str, dialect: Dialect) -> str:
    """The path under which the dialect's operations lie."""
    segment = _VERSION_SEGMENTS.get(dialect, "")
    return path if has_version(path) else path + segment


def without_version(path: str) -> str:
    """The path under which its versions lie."""
    return _VERSION.sub("", path)


def host_of(origin: Origin) -> bytes:
    """The value of the `host` line."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    default_port = {"http": 80, "https": 443}.get(origin.scheme)
    if origin.scheme in ("unix", "demo"):
        host = "localhost"
    elif origin.port != default_port:
        host = f"{host}:{origin.port}"
    return host.encode()


def heads_of(provider: Provider, origin: Origin) -> tuple[bytes, ...]:
    """One block of header lines for each credential: host, authentication, configured headers. One without, where there is none."""
    credentials: tuple[Credential | None, ...] = provider.credentials or (None,)
    return tuple(_static_lines(provider, origin, credential) for credential in credentials)


def _static_lines(provider: Provider, origin: Origin, credential: Credential | None) -> bytes:
    lines = [b"host: %b\r\n" % host_of(origin)]
    # An account of a cloud has no fixed line: each request is signed, see `attempt.py`.
    if credential is not None and provider.auth in _AUTH_LINES:
        lines.append(_AUTH_LINES[provider.auth] % credential.secret.reveal().encode())
    lines += [b"%b: %b\r\n" % (name.lower().encode(), value.reveal().encode()) for name, value in provider.headers]
    return b"".join(lines)
