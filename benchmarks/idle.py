"""Memory of idle connections: thousands that have had one reply each and stay open."""

from __future__ import annotations

import contextlib
import resource
import select
import socket

from rich.console import Console

from benchmarks.accounting import rss_bytes, tree_usage
from benchmarks.findings import Section, Value, verdict
from benchmarks.load import body_file, measure, verify
from benchmarks.messages import SMALL
from benchmarks.plain_client import chat_request, connect, exchange
from benchmarks.progress import Step, steps
from benchmarks.rig import Options, Rig
from benchmarks.servers import GATEWAY, Server, ServerError
from benchmarks.targets import IDLE_CONNECTION_BYTES

_CONNECTIONS, _QUICK_CONNECTIONS = 10_000, 1_000
_SPARE_FILES = 200
_WARM_UP_CONNECTIONS = 64
_WARM_UP_S = 2


def run(rig: Rig, options: Options, console: Console) -> Section:
    """Bytes of resident memory for each connection held, on every server whose processes can be seen."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE_FILES
    wanted = _QUICK_CONNECTIONS if options.quick else _CONNECTIONS
    count = min(wanted, allowed)
    with steps(console, "idle", len(rig.measured)) as step:
        rows = [_row(server, count, step) for server in rig.measured]
    notes = ["Each connection carried one chat request. Kernel memory of sockets is not in the figures."]
    if count < wanted:
        notes.append(f"The limit on open files allowed {count:,} connections instead of {wanted:,}.")
    return Section(
        name="idle",
        title="Memory of idle keep-alive connections",
        columns=["server", "opened", "still open", "RSS before MB", "RSS after MB", "bytes/connection", "target", "verdict"],
        rows=rows,
        notes=notes,
    )


def _row(server: Server, count: int, step: Step) -> list[Value]:
    step(server.name)
    _warm_up(server)
    before = _rss(server)
    with contextlib.ExitStack() as stack:
        held = _open(server, count, stack)
        after = _rss(server)
        still_open = sum(_is_open(connection) for connection in held)
    each = (after - before) / still_open if before is not None and after is not None and still_open else None
    judged = server.name == GATEWAY
    return [
        *(server.name, len(held), still_open),
        *(None if rss is None else rss / 1e6 for rss in (before, after)),
        each,
        f"≤ {IDLE_CONNECTION_BYTES:,}, all open" if judged else "",
        verdict(each if still_open == count else float("inf"), IDLE_CONNECTION_BYTES) if judged else "",
    ]


def _warm_up(server: Server) -> None:
    verify(server, SMALL)
    with body_file(SMALL) as body:
        measure(server, body, connections=_WARM_UP_CONNECTIONS, seconds=_WARM_UP_S)


def _rss(server: Server) -> int | None:
    return rss_bytes(tree_usage(server.root_pid)) if server.root_pid else None


def _open(server: Server, count: int, stack: contextlib.ExitStack) -> list[socket.socket]:
    """Open connections until one is refused."""
    request = chat_request(server, SMALL.body)
    held: list[socket.socket] = []
    for _ in range(count):
        try:
            connection = stack.enter_context(connect(server))
            exchange(connection, request)
        except (OSError, ServerError):
            break
        held.append(connection)
    return held


def _is_open(connection: socket.socket) -> bool:
    poll = select.poll()  # select() stops at 1,024 descriptors
    poll.register(connection, select.POLLIN)
    # Nothing is owed to us: whatever makes the socket readable is its end.
    return not poll.poll(0)
