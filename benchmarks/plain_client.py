"""A blocking client on a bare socket: the least that can stand between a clock and a server."""

from __future__ import annotations

import re
import socket
import time

from benchmarks.messages import CHAT_PATH, GATEWAY_KEY
from benchmarks.servers import Server, ServerError

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TIMEOUT_S = 30.0
_READ_BYTES = 256 * 1024


def chat_request(server: Server, body: bytes) -> bytes:
    """The bytes of a chat request to `server`."""
    head = (
        f"POST {server.base_path}{CHAT_PATH} HTTP/1.1\r\nHost: {server.host}:{server.port}\r\n"
        f"Authorization: Bearer {GATEWAY_KEY}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def connect(server: Server) -> socket.socket:
    """A connection without Nagle's delay."""
    connection = socket.create_connection((server.host, server.port), timeout=_TIMEOUT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def exchange(connection: socket.socket, request: bytes) -> None:
    """Send a request and read its whole reply, which has a length; raises ServerError where it is not a 200."""
    connection.sendall(request)
    received = connection.recv(_READ_BYTES)
    while (end := received.find(b"\r\n\r\n")) < 0:
        received += _more(connection)
    length = _LENGTH.search(received, 0, end)
    if length is None or not received.startswith(b"HTTP/1.1 200"):
        msg = f"an answer other than 200 with a length: {received[:300]!r}"
        raise ServerError(msg)
    missing = end + 4 + int(length[1]) - len(received)
    while missing > 0:
        missing -= len(_more(connection))


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(_READ_BYTES)
    if not data:
        msg = "the server closed the connection in the middle of a reply"
        raise ServerError(msg)
    return data


def latencies_us(server: Server, body: bytes, *, requests: int, pause_s: float) -> list[float]:
    """The time of each of `requests`, one after the other on one connection, with a pause between them."""
    request = chat_request(server, body)
    taken: list[float] = []
    with connect(server) as connection:
        exchange(connection, request)
        for _ in range(requests):
            time.sleep(pause_s)
            started_ns = time.monotonic_ns()
            exchange(connection, request)
            taken.append((time.monotonic_ns() - started_ns) / 1000)
    return taken
