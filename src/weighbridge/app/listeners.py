"""The gateway's listening sockets: one set for each worker on one port (`SO_REUSEPORT`), held by the supervisor.

The kernel spreads connections over the sets. Since the supervisor holds them too, connections that arrive while a worker
is being restarted wait in its queue instead of being refused.
"""

from __future__ import annotations

import socket
from pathlib import Path

from weighbridge.http.limits import LISTEN_BACKLOG


class ListenError(Exception):
    """The address cannot be listened on; the text says why and what to do."""


def bind(host: str, port: int) -> list[socket.socket]:
    """Bound sockets, not yet listening, for every address of `host`; port 0 is one free port for all. Raises `ListenError`."""
    sockets: list[socket.socket] = []
    try:
        for family, address in _addresses(host, port):
            bound = _bind_one(family, address, sockets[0].getsockname()[1] if sockets and not port else port)
            sockets.append(bound)
    except OSError as error:
        close(sockets)
        raise ListenError(_explain(error, host, port)) from None
    return sockets


def listen_privately(path: Path) -> socket.socket:
    """A Unix socket that listens, and whose callers wait until somebody serves it. The directory says who may reach it."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    listening.listen(LISTEN_BACKLOG)
    return listening


def _addresses(host: str, port: int) -> list[tuple[int, str]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((int(family), str(address[0])) for family, _, _, _, address in found))


def _bind_one(family: int, address: str, port: int) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # `::` is every address, IPv4 too; on any other address the option changes nothing.
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address != "::"))
        listening.bind((address, port))
        # After the first bind, which so fails where another program has the port; siblings need it before theirs.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.set_inheritable(True)
    except BaseException:
        listening.close()
        raise
    return listening


def bind_sibling(first: list[socket.socket]) -> list[socket.socket]:
    """Another set on the same addresses. Raises `ListenError`."""
    siblings: list[socket.socket] = []
    try:
        for each in first:
            sibling = socket.socket(each.family, socket.SOCK_STREAM)
            siblings.append(sibling)
            sibling.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sibling.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if each.family == socket.AF_INET6:
                only = each.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
                sibling.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
            sibling.bind(each.getsockname())
            sibling.set_inheritable(True)
    except OSError as error:
        close(siblings)
        name = first[0].getsockname()
        raise ListenError(_explain(error, str(name[0]), int(name[1]))) from None
    return siblings


def listen(sockets: list[socket.socket]) -> None:
    """Accept connections into the kernel's queue from now on."""
    for each in sockets:
        each.listen(LISTEN_BACKLOG)


def close(sockets: list[socket.socket]) -> None:
    """Close the supervisor's own copies."""
    for each in sockets:
        each.close()


def _explain(error: OSError, host: str, port: int) -> str:
    reason = error.strerror or str(error)
    return f"cannot listen on {host}:{port}: {reason}. Another program may have it: choose a port with --port."
