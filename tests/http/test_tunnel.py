"""The way through a proxy."""

from __future__ import annotations

import pytest

from weighbridge.core.secret import Secret
from weighbridge.core.terms import Origin, Proxy
from weighbridge.http.tunnel import Tunnel, TunnelRefusedError, absolute_form, connect_head

PROXY = Proxy("proxy.test", 3128)
KNOWN = Proxy("proxy.test", 3128, Secret("Basic dXNlcjpwYXNz"))


def test_connect_names_the_origin_and_carries_the_proxys_password():
    assert connect_head(Origin("https", "a.test", 443), PROXY) == b"CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n\r\n"
    assert b"\r\nproxy-authorization: Basic dXNlcjpwYXNz\r\n\r\n" in connect_head(Origin("https", "a.test", 443), KNOWN)
    assert connect_head(Origin("https", "::1", 443), PROXY).startswith(b"CONNECT [::1]:443 ")


def test_a_plain_request_gets_scheme_and_authority():
    head = b"GET /a?b=c HTTP/1.1\r\nhost: x\r\n"
    assert absolute_form(head, Origin("http", "a.test", 80), PROXY) == b"GET http://a.test:80/a?b=c HTTP/1.1\r\nhost: x\r\n"
    assert b"\r\nproxy-authorization: Basic" in absolute_form(head, Origin("http", "::1", 80), KNOWN)


async def opened(*pieces: bytes) -> None:
    tunnel = Tunnel(b"")
    for piece in pieces:
        tunnel.data_received(piece)
    tunnel.connection_lost(None)
    await tunnel.opened


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 200 Connection established\r\n\r\n",),
        (b"HTTP/1.0 200 OK\r\nproxy-agent: x", b"\r\n\r\n"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
    ],
)
async def test_a_2xx_opens_the_tunnel_however_it_is_cut(pieces):
    await opened(*pieces)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "status 403"),
        (b"SSH-2.0-server\r\n", "not HTTP"),
        (b"", "closed the connection"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"a" * 70_000, "too long"),
    ],
)
async def test_anything_else_is_a_refusal_that_says_what_came(answer, text):
    with pytest.raises(TunnelRefusedError, match=text):
        await opened(*([answer] if answer else []))
