"""What a gateway must never pass on to a provider: other people's credentials, hop-by-hop headers, its own marks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from weighbridge.testing.journal import ReceivedRequest, Violation

_CREDENTIAL_HEADERS: Final = frozenset(
    {
        "authorization",
        "x-api-key",
        "x-goog-api-key",
        "api-key",
        "x-litellm-api-key",
        "x-portkey-api-key",
        "helicone-auth",
        "cf-aig-authorization",
        "x-bf-vk",
        "otari-key",
    }
)
# RFC 9110, 7.6.1 and RFC 2616, 13.5.1. `connection` and `transfer-encoding` are judged by value below.
_HOP_BY_HOP: Final = frozenset({"keep-alive", "proxy-authorization", "proxy-connection", "proxy-authenticate", "te", "trailer"})
_SINGLE: Final = frozenset({"host", "content-length", "content-type", "authorization", "x-api-key", "x-goog-api-key"})
_GATEWAY_KEY: Final = re.compile(rb"(?<![A-Za-z0-9])wb-[A-Za-z0-9_-]{8,}")
_QUERY_CREDENTIALS: Final = frozenset({"key", "api_key", "access_token"})


def find_violations(request: ReceivedRequest, *, credential_headers: frozenset[str], port: int) -> Iterator[Violation]:
    """Every rule that a request breaks at a provider whose key belongs in one of `credential_headers`, on `port`."""
    names = [name.decode("latin-1").lower() for name, _ in request.headers]
    for name, (_, value) in zip(names, request.headers, strict=True):
        for rule in _header_rules(name, value.decode("latin-1").lower(), credential_headers, request):
            yield Violation(request.number, rule, name)
        if _GATEWAY_KEY.search(value):
            yield Violation(request.number, "gateway key", name)
    if len(credential_headers & set(names)) > 1:
        yield Violation(request.number, "two credentials", ", ".join(sorted(credential_headers & set(names))))
    for name in sorted(_SINGLE):
        if names.count(name) > 1:
            yield Violation(request.number, "duplicate header", name)
    yield from (Violation(request.number, "credential in URL", name) for name, _ in request.query if name in _QUERY_CREDENTIALS)
    if _GATEWAY_KEY.search(request.target):
        yield Violation(request.number, "gateway key", "target")
    if (host := request.header("host")) is not None and host.rpartition(":")[2] != str(port):
        yield Violation(request.number, "foreign host", "host")


def _header_rules(name: str, value: str, credential_headers: frozenset[str], request: ReceivedRequest) -> Iterator[str]:
    if name in _CREDENTIAL_HEADERS and name not in credential_headers:
        yield "foreign credential"
    if name in {"cookie", "cookie2"}:
        yield "cookie"
    if name.startswith("x-weighbridge-"):
        yield "gateway header"
    is_websocket = (request.header("upgrade") or "").lower() == "websocket"
    if name in _HOP_BY_HOP or (name == "upgrade" and not is_websocket):
        yield "hop-by-hop header"
    if name == "connection" and value not in {"keep-alive", "close"} and not is_websocket:
        yield "hop-by-hop header"
    if name == "transfer-encoding" and value != "chunked":
        yield "hop-by-hop header"
