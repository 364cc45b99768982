"""What is checked of a request's head beyond llhttp's own strictness, and the refusals that follow from it.

llhttp lets pass, and this refuses: a missing or second `Host`, chunked HTTP/1.0, HTTP/0.9 and 2.0 preambles, CONNECT
(RFC 9112 §3, §6).
"""

from __future__ import annotations

from typing import Final

import httptools

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.http.server_exchange import ServerExchange

_RARE: Final = frozenset((b"transfer-encoding", b"expect"))


def take_headers(exchange: ServerExchange, headers: list[tuple[bytes, bytes]]) -> None:
    """Give an exchange its header lines, less those that frame the message, which are understood here.

    Raises `GatewayError`: NOT_IMPLEMENTED for a coding other than chunked, EXPECTATION_FAILED. llhttp has refused repeated
    lengths and codings, and a length beside a coding.
    """
    fields = dict(headers)
    n_fields = len(fields)
    length = fields.get(b"content-length")
    if b"host" in fields:
        exchange.n_hosts = 1 if n_fields == len(headers) else sum(1 for name, _ in headers if name == b"host")
    if length is not None:
        exchange.content_length = int(length)
        headers.remove((b"content-length", length))
    if not _RARE.isdisjoint(fields):
        headers = _take_rare(exchange, headers)
    exchange.headers = headers


def _take_rare(exchange: ServerExchange, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    for name, value in headers:
        if name == b"transfer-encoding":
            if value.strip(b" \t").lower() != b"chunked":
                raise GatewayError(ErrorKind.NOT_IMPLEMENTED, "The only transfer coding understood is chunked.")
            exchange.is_chunked = True
        elif name == b"expect":
            if value.lower() != b"100-continue":
                raise GatewayError(ErrorKind.EXPECTATION_FAILED, "The only expectation understood is 100-continue.")
            exchange.expects_continue = True
    return [line for line in headers if line[0] not in _RARE]


def check_head(exchange: ServerExchange, version: str) -> None:
    """Check a head that is complete. Raises `GatewayError`: INVALID_REQUEST, METHOD_NOT_ALLOWED, UNSUPPORTED_HTTP_VERSION."""
    if version not in ("1.1", "1.0"):
        raise GatewayError(ErrorKind.UNSUPPORTED_HTTP_VERSION, "The gateway speaks HTTP/1.1 and HTTP/1.0.")
    if exchange.method == b"CONNECT":
        raise GatewayError(ErrorKind.METHOD_NOT_ALLOWED, "The gateway is no forward proxy: CONNECT is not served.")
    if exchange.n_hosts > 1 or (exchange.n_hosts == 0 and exchange.http_minor):
        raise GatewayError(ErrorKind.INVALID_REQUEST, "A request carries exactly one Host header.")
    if not exchange.http_minor:
        # RFC 9110 §10.1.1: an expectation of HTTP/1.0 is ignored; such a client does not know 100.
        exchange.expects_continue = False
        if exchange.is_chunked:
            raise GatewayError(ErrorKind.INVALID_REQUEST, "HTTP/1.0 has no chunked transfer coding.")


def is_websocket_offer(exchange: ServerExchange) -> bool:
    """Whether a request with `Upgrade` asks for a WebSocket (RFC 6455 §4.1: a GET of HTTP/1.1 without a body)."""
    has_body = exchange.is_chunked or bool(exchange.content_length)
    offered = next((value for name, value in exchange.headers if name == b"upgrade"), b"")
    return exchange.method == b"GET" and exchange.http_minor == 1 and not has_body and offered.lower() == b"websocket"


def head_size(target: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    """Bytes of the target and the header lines that have come whole."""
    return len(target) + sum(len(name) + len(value) + 4 for name, value in headers)


def head_too_large(limit: int) -> GatewayError:
    """The refusal of a head (or of trailers) over `limit` bytes."""
    return GatewayError(ErrorKind.HEADERS_TOO_LARGE, f"The request's headers are larger than the limit of {limit:,} bytes.")


def parse_failure(error: httptools.HttpParserError) -> GatewayError:
    """What a parser's error means. httptools wraps what one of our callbacks raised."""
    cause = error.__context__
    if isinstance(cause, GatewayError):
        return cause
    return GatewayError(ErrorKind.INVALID_REQUEST, "The request is not valid HTTP/1.1.", detail=str(error))
