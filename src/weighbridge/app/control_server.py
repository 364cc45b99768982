"""The control plane's HTTP server: uvicorn on a Unix socket that only the gateway's user can reach."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from weighbridge.http.limits import LISTEN_BACKLOG


class _Uvicorn(uvicorn.Server):
    """Signals belong to the supervisor, which drains the workers before this server stops."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ControlServer:
    """Serves an application on a Unix socket until `stop`."""

    def __init__(self, app: ASGIApp, path: Path) -> None:
        self._path = path
        self._server = _Uvicorn(
            uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", proxy_headers=True, forwarded_allow_ips="*")
        )

    async def run(self) -> None:
        """Serve."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(str(self._path))
        listening.listen(LISTEN_BACKLOG)
        try:
            await self._server.serve(sockets=[listening])
        finally:
            listening.close()
            self._path.unlink(missing_ok=True)

    def stop(self) -> None:
        """Finish what is under way and return from `run`."""
        self._server.should_exit = True
