"""CONNECT through an HTTP proxy (RFC 9110 §9.3.6): an https origin behind it gets its TLS end to end."""

from __future__ import annotations

import asyncio
from typing import Final

import httptools

from weighbridge.core.terms import Origin, Proxy

_MAX_REPLY_HEAD: Final = 64 * 1024
"""A proxy's answer to CONNECT is a few lines; more is no proxy."""


class TunnelRefusedError(OSError):
    """The proxy answered CONNECT with something else than 2xx. The text holds its status, never our credentials."""


def connect_head(origin: Origin, proxy: Proxy) -> bytes:
    """The CONNECT request for an origin."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    authority = f"{host}:{origin.port}"
    auth = f"proxy-authorization: {proxy.authorization.reveal()}\r\n" if proxy.authorization else ""
    return f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n{auth}\r\n".encode()


def absolute_form(head: bytes, origin: Origin, proxy: Proxy) -> bytes:
    """A request head for a plain-http origin behind a proxy: the target gets scheme and authority (RFC 9112 §3.2.2)."""
    method, _, rest = head.partition(b" ")
    request_line, _, lines = rest.partition(b"\r\n")
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    auth = b"proxy-authorization: %b\r\n" % proxy.authorization.reveal().encode() if proxy.authorization else b""
    return b"%b http://%b:%d%b\r\n%b%b" % (method, host.encode(), origin.port, request_line, auth, lines)


class Tunnel(asyncio.Protocol):
    """Asks a proxy for a way through; `opened` resolves when it is there."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._parser = httptools.HttpResponseParser(self)
        self._n_bytes = 0
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The proxy is there: ask."""
        transport.write(self._head)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """The proxy's answer."""
        self._n_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError:
            self._fail("the proxy's answer to CONNECT is not HTTP")
        if self._n_bytes > _MAX_REPLY_HEAD:
            self._fail("the proxy's answer to CONNECT is too long")

    def on_headers_complete(self) -> None:
        """The proxy has decided."""
        status = self._parser.get_status_code()
        if status < 200:
            return
        if 200 <= status < 300:
            if not self.opened.done():
                self.opened.set_result(None)
        else:
            self._fail(f"the proxy answered CONNECT with status {status}")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the reason adds nothing
        """The proxy has closed."""
        self._fail("the proxy closed the connection")

    def _fail(self, reason: str) -> None:
        if not self.opened.done():
            self.opened.set_exception(TunnelRefusedError(reason))
