"""`weighbridge serve`: starts the gateway and says how to use it."""

from __future__ import annotations

from pathlib import Path

import uvloop

from weighbridge.app.listeners import ListenError
from weighbridge.app.supervisor import Supervisor
from weighbridge.cli.config_file import load_or_explain
from weighbridge.cli.console import EXIT_ENVIRONMENT, CliError, note
from weighbridge.cli.data_store import database_url
from weighbridge.cli.welcome import show_welcome
from weighbridge.config.load import LoadedConfig, ServerOverrides, load_config
from weighbridge.control.bootstrap import bootstrap
from weighbridge.core.clock import SystemClock
from weighbridge.storage.errors import StorageError
from weighbridge.storage.private_files import make_private_directory
from weighbridge.storage.store import Store
from weighbridge.telemetry.trace_sink import TraceSinkError


def run_gateway(
    *, config_path: Path | None, host: str | None, port: int | None, workers: int | None, data_dir: Path | None
) -> None:
    """Run until a signal. Raises `CliError` if the gateway cannot start."""
    overrides = ServerOverrides(host=host, port=port, workers=workers)

    def load() -> LoadedConfig:
        return load_config(config_path, overrides=overrides)

    loaded = load_or_explain(load)
    directory = data_dir or loaded.config.data_dir
    try:
        make_private_directory(directory)
        store = Store.open(database_url(loaded.config, directory), SystemClock())
        store.migrate()
        first_keys = bootstrap(store, directory)

        async def serve() -> None:
            await Supervisor(loaded, load, store, directory, lambda p: show_welcome(loaded, p, directory, first_keys)).run()

        try:
            uvloop.run(serve())
        finally:
            store.close()
    except (StorageError, ListenError, TraceSinkError) as error:
        raise CliError(str(error), exit_code=EXIT_ENVIRONMENT) from None
    note("The gateway has stopped.")
