"""Alembic without an `alembic.ini`: its configuration is made here and its scripts are read from the package."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from weighbridge.storage.errors import StorageError

_SCRIPTS: Final = Path(__file__).parent / "migrations"
_ADVISORY_LOCK: Final = 0x77656967_68627264
"""PostgreSQL's advisory locks are numbers: this is the text "weighbrd"."""
CONNECTION: Final = "connection"


def upgrade(connection: Connection) -> None:
    """Bring the schema to this version inside the caller's write transaction.

    Of several processes that start together one migrates; the others wait for its lock and find nothing to do.
    Raises `StorageError` for a database that a newer version of the gateway has written.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
    config = alembic_config(connection)
    _refuse_newer(connection, ScriptDirectory.from_config(config))
    command.upgrade(config, "head")


def alembic_config(connection: Connection) -> Config:
    """What `migrations/env.py` finds: the scripts, and the connection to run them on."""
    config = Config(attributes={CONNECTION: connection})
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))  # configparser interpolates
    config.set_main_option("path_separator", "os")
    return config


def _refuse_newer(connection: Connection, scripts: ScriptDirectory) -> None:
    known = {script.revision for script in scripts.walk_revisions()}
    found = set(MigrationContext.configure(connection).get_current_heads())
    if found - known:
        raise StorageError("a newer version of the gateway has written this database: install that version, or restore a backup")
