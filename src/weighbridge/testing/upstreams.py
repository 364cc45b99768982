"""A server on a thread of its own, for tests that drive synchronous SDKs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

S = TypeVar("S", bound=AbstractAsyncContextManager[Any])


@contextmanager
def running(server: S) -> Iterator[S]:
    """Run a server on its own thread and event loop: `with running(SimulatedOpenAI()) as provider:`.

    The journal, the invoice and the faults may be used from the calling thread. Raises what starting or stopping raises.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="simulated provider", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result()
        try:
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
