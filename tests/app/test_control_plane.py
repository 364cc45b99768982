"""What nobody waits for at a start."""

from __future__ import annotations

import gc
import socket
import subprocess
import sys

import pytest
from tests.app.conftest import CONFIG, Running, ask

from weighbridge.app.listeners import ListenError


@pytest.mark.slow
def test_a_gateway_starts_without_the_frameworks_of_its_pages_and_drivers_of_databases_that_it_has_not() -> None:
    heavy = ("fastapi", "uvicorn", "jinja2", "alembic", "sqlalchemy.dialects.postgresql")
    code = f"import sys, weighbridge.cli.serve; print(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.slow  # processes start and end
async def test_who_asks_for_the_admin_api_as_soon_as_a_gateway_serves_is_answered(running: Running, store, key: str) -> None:
    answer = await ask(running.port, key, path="/admin/v1/status")
    # The key is none of an administrator's: somebody was there to say so.
    assert answer.status == 403


@pytest.mark.slow
async def test_a_gateway_that_cannot_listen_leaves_no_socket_behind(make_supervisor, config_file) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config_file.write_text(CONFIG.replace("port: 0", f"port: {taken.getsockname()[1]}"))
        with pytest.raises(ListenError):
            await make_supervisor().run()
    gc.collect()  # a socket that nobody closed would be a warning, and so an error
