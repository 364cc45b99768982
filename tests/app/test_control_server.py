"""The admin API's server on its Unix socket."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from pathlib import Path

from fastapi import FastAPI
from tests.app.conftest import until

from weighbridge.app.control_server import ControlServer


async def test_it_serves_until_stopped_leaves_signals_alone_and_removes_its_socket() -> None:
    app = FastAPI()

    @app.get("/hello")
    async def hello() -> str:
        return "hello"

    before = signal.getsignal(signal.SIGTERM)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "control.sock"
        server = ControlServer(app, path)
        task = asyncio.create_task(server.run())
        await until(path.exists)
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b'"hello"')
        writer.close()
        assert signal.getsignal(signal.SIGTERM) is before
        server.stop()
        await task
        assert not path.exists()
