"""The archive of a configuration, for commands that look into it or take somebody out of it while the gateway runs or not."""

# ruff: noqa: PLC0415 -- what is slow to import is imported when the command runs, so that `--help` is quick
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from weighbridge.cli.console import EXIT_ENVIRONMENT, CliError
from weighbridge.core.clock import SystemClock
from weighbridge.core.errors import GatewayError

if TYPE_CHECKING:  # SQLAlchemy takes longer to import than `--help` may take
    from weighbridge.config.load import LoadedConfig
    from weighbridge.control.archive import Archive
    from weighbridge.storage.store import Store

T = TypeVar("T")


def ask_archive(loaded: LoadedConfig, store: Store, ask: Callable[[Archive], Awaitable[T]]) -> T | None:
    """What the archive answers; None: the configuration has none. Raises `CliError` for its failures."""
    from weighbridge.control.archive import Archive
    from weighbridge.control.archive_places import ArchiveError, place_of
    from weighbridge.http.client import HttpClient
    from weighbridge.pipeline.plan import Limits

    written = loaded.config.ledger.archive
    if written is None:
        return None

    async def asked() -> T:
        client = HttpClient(clock=SystemClock(), limits=Limits())
        place = place_of(written, client, loaded.proxies, SystemClock())
        try:
            return await ask(Archive(place, store.archives, lambda: loaded.config.ledger.keep_records, SystemClock()))
        finally:
            await client.close()

    try:
        return asyncio.run(asked())
    except ArchiveError as error:
        raise CliError(str(error), exit_code=EXIT_ENVIRONMENT) from None
    except GatewayError as error:
        raise CliError(error.public, exit_code=EXIT_ENVIRONMENT) from None
