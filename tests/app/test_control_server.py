"""The admin API's server on its Unix socket."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from pathlib import Path

from fastapi import FastAPI

from weighbridge.app.control_server import ControlServer
from weighbridge.app.listeners import listen_privately


async def test_it_serves_who_waited_until_stopped_and_leaves_signals_alone() -> None:
    app = FastAPI()

    @app.get("/hello")
    async def hello() -> str:
        return "hello"

    before = signal.getsignal(signal.SIGTERM)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "control.sock"
        listening = listen_privately(path)
        # Who comes before it serves waits for it.
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        server = ControlServer(app, listening)
        task = asyncio.create_task(server.run())
        assert (await reader.read()).endswith(b'"hello"')
        writer.close()
        assert signal.getsignal(signal.SIGTERM) is before
        server.stop()
        await task
