"""The control plane's paths, forwarded to its Unix socket: one public port serves both planes.

The control plane authenticates for itself. Its replies pass unmetered: nothing here reaches a provider.
"""

from __future__ import annotations

import asyncio
from typing import Final

from weighbridge.core.errors import GatewayError
from weighbridge.core.ports import Downstream, Upstream, UpstreamRequest
from weighbridge.core.terms import Deadlines, Origin
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.headers import HOP_BY_HOP, NOT_FOR_CONTROL
from weighbridge.wire.error_bodies import error_headers, render_error

_PATHS: Final = frozenset((b"/", b"/admin", b"/dashboard", b"/metrics", b"/favicon.ico", b"/v1/feedback"))
_PREFIXES: Final = (b"/admin/", b"/dashboard/")
_DEADLINES: Final = Deadlines(connect_ns=2_000_000_000, first_byte_ns=60_000_000_000)
_MAX_BODY: Final = 8 * 1024 * 1024
"""Administrative requests are small."""


def is_control_path(path: bytes) -> bool:
    """Whether the control plane serves a path."""
    return path in _PATHS or path.startswith(_PREFIXES)


async def forward_to_control(exchange: Exchange, origin: Origin, upstream: Upstream) -> None:
    """Forward one request to the control plane and its reply back."""
    downstream = exchange.downstream
    try:
        body = await downstream.read_body(_MAX_BODY)
        reply = await upstream.send(_request(exchange, origin, body))
    except GatewayError as error:
        rendered = render_error(error, exchange.dialect, exchange.request_id)
        lines = b"".join([b"%b: %b\r\n" % pair for pair in error_headers(error)])
        downstream.start(error.status, lines, len(rendered))
        downstream.end(rendered)
        return
    kept = [b"%b: %b\r\n" % pair for pair in reply.headers if pair[0] not in HOP_BY_HOP]
    downstream.start(reply.status, b"".join(kept), reply.content_length)
    copy = _Copy(downstream)
    downstream.throttle(reply)
    reply.attach(copy)
    try:
        await copy.is_over.wait()
    except asyncio.CancelledError:
        reply.abort()
        raise


def _request(exchange: Exchange, origin: Origin, body: bytes) -> UpstreamRequest:
    downstream = exchange.downstream
    host = exchange.header(b"host") or b"localhost"
    lines = [
        b"%b %b HTTP/1.1\r\nhost: %b\r\n" % (downstream.method, downstream.target, host),
        *(b"%b: %b\r\n" % pair for pair in downstream.headers if pair[0] not in NOT_FOR_CONTROL),
        b"x-forwarded-for: %b\r\n" % downstream.peer.encode(),
    ]
    return UpstreamRequest(downstream.method, origin, b"".join(lines), [body] if body else [], len(body), _DEADLINES)


class _Copy:
    """Copies a reply as it comes."""

    __slots__ = ("_downstream", "is_over")

    def __init__(self, downstream: Downstream) -> None:
        self._downstream = downstream
        self.is_over = asyncio.Event()

    def on_data(self, data: bytes) -> None:
        """The next bytes."""
        self._downstream.write(data)

    def on_end(self) -> None:
        """All came."""
        self._downstream.end()
        self.is_over.set()

    def on_error(self, error: GatewayError) -> None:  # noqa: ARG002 - the client can only be cut off
        """It broke off."""
        self._downstream.abort()
        self.is_over.set()
