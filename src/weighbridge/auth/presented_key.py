"""Where clients put their key: wherever their vendor's SDK, or the gateway that they used before, has taught them to.

Sources: OpenAI, Anthropic and google-genai Python SDKs (`Authorization`, `x-api-key`, `x-goog-api-key` or `?key=`), Azure's
`api-key`, and the headers of LiteLLM, Portkey, Helicone, Cloudflare, Bifrost and Otari. A gateway's own header wins over a
vendor's, since the vendor's may then hold something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final
from urllib.parse import unquote_to_bytes

_GATEWAY_HEADERS: Final = (
    b"x-weighbridge-key",
    b"x-litellm-api-key",
    b"x-portkey-api-key",
    b"helicone-auth",
    b"cf-aig-authorization",
    b"x-bf-vk",
    b"otari-key",
)
_VENDOR_HEADERS: Final = (b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key")
KEY_HEADERS: Final = frozenset(_GATEWAY_HEADERS + _VENDOR_HEADERS)
"""Every header that may hold a key. None of them is ever forwarded."""

_SET_OF_GATEWAY_HEADERS: Final = frozenset(_GATEWAY_HEADERS)
_WEBSOCKET_PROTOCOL_KEY: Final = b"openai-insecure-api-key."
"""Browsers can't set headers on a WebSocket; OpenAI's realtime clients put the key among the subprotocols."""


def presented_key(fields: Mapping[bytes, bytes], query: bytes) -> bytes | None:
    """The key of a request, or None. `fields` maps lower-case header names to values; `query` is the raw query string."""
    if not _SET_OF_GATEWAY_HEADERS.isdisjoint(fields):
        return _without_scheme(next(fields[name] for name in _GATEWAY_HEADERS if name in fields))
    for name in _VENDOR_HEADERS:
        if (value := fields.get(name)) is not None:
            return _without_scheme(value)
    if query and (key := query_value(query, b"key")) is not None:
        return key
    if (protocols := fields.get(b"sec-websocket-protocol")) is not None:
        return websocket_key(protocols)
    return None


def _without_scheme(value: bytes) -> bytes:
    if value[:7].lower() == b"bearer ":
        return value[7:].strip()
    return value.strip()


def query_value(query: bytes, name: bytes) -> bytes | None:
    """A query parameter, percent-decoded; the first where there are several."""
    for pair in query.split(b"&"):
        key, _, value = pair.partition(b"=")
        if key == name:
            return unquote_to_bytes(value)
    return None


def without_query(query: bytes, name: bytes) -> bytes:
    """The query without a parameter; every other byte stays."""
    if name not in query:
        return query
    return b"&".join(pair for pair in query.split(b"&") if pair.partition(b"=")[0] != name)


def websocket_key(protocols: bytes) -> bytes | None:
    """The key among a WebSocket's subprotocols."""
    for protocol in protocols.split(b","):
        stripped = protocol.strip()
        if stripped.startswith(_WEBSOCKET_PROTOCOL_KEY):
            return stripped[len(_WEBSOCKET_PROTOCOL_KEY) :]
    return None


def without_websocket_key(protocols: bytes) -> bytes:
    """The subprotocols without the one that holds a key."""
    kept = [p.strip() for p in protocols.split(b",") if not p.strip().startswith(_WEBSOCKET_PROTOCOL_KEY)]
    return b", ".join(kept)


def may_use(allowed: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a key that may use `allowed` (names or globs; empty: all) may use a model known by any of `names`."""
    return not allowed or any(fnmatchcase(name, pattern) for pattern in allowed for name in names)
