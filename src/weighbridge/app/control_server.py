"""The control plane's HTTP server: uvicorn on a Unix socket that only the gateway's user can reach."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp


class _Uvicorn(uvicorn.Server):
    """Signals belong to the supervisor, which drains the workers before this server stops."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ControlServer:
    """Serves an application on a listening Unix socket until `stop`."""

    def __init__(self, app: ASGIApp, listening: socket.socket) -> None:
        self._listening = listening
        self._server = _Uvicorn(
            uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", proxy_headers=True, forwarded_allow_ips="*")
        )

    async def run(self) -> None:
        """Serve."""
        await self._server.serve(sockets=[self._listening])

    def stop(self) -> None:
        """Finish what is under way and return from `run`."""
        self._server.should_exit = True
