"""Alembic without an `alembic.ini`: its configuration is made here and its scripts are read from the package."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, inspect, text

from weighbridge.storage.engine import DATABASE_FILE, open_engine, sqlite_url, writing
from weighbridge.storage.errors import StorageError

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

_SCRIPTS: Final = Path(__file__).parent / "migrations"
SQLITE_LAYOUT: Final = _SCRIPTS / "sqlite.sql"
"""Written by `make docs`, and compared with the scripts by a test."""
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
    if _is_current(connection):
        return
    if connection.dialect.name == "sqlite" and not inspect(connection).get_table_names():
        _lay_out(connection)
    else:
        run_scripts(connection)


def run_scripts(connection: Connection) -> None:
    """Run the scripts that the database has not seen. Raises `StorageError` as :func:`upgrade` does."""
    # Importing it takes 130 ms, and nearly every start finds nothing to do.
    from alembic import command
    from alembic.script import ScriptDirectory

    config = alembic_config(connection)
    _refuse_newer(connection, ScriptDirectory.from_config(config))
    command.upgrade(config, "head")


def sqlite_layout() -> str:
    """What the scripts make of an empty SQLite file, as statements: the text of `SQLITE_LAYOUT`."""
    with TemporaryDirectory() as directory:
        engine = open_engine(sqlite_url(Path(directory)))
        with writing(engine).begin() as connection:
            run_scripts(connection)
        engine.dispose()
        with closing(sqlite3.connect(Path(directory) / DATABASE_FILE)) as database:
            _begin, *statements, _commit = database.iterdump()
    return "".join(f"{line.rstrip()}\n" for statement in statements for line in statement.splitlines())


def _lay_out(connection: Connection) -> None:
    """Make all tables of a new SQLite file as the scripts would: they take 90 ms and Alembic's import 130, this takes 10."""
    statement = ""
    for line in SQLITE_LAYOUT.read_text(encoding="utf-8").splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.exec_driver_sql(statement)
            statement = ""


def newest_revision() -> str:
    """What a database of this version is at: the number in the name of the last script."""
    return max(script.stem.removeprefix("v").partition("_")[0] for script in (_SCRIPTS / "versions").glob("v*.py"))


def _is_current(connection: Connection) -> bool:
    if not inspect(connection).has_table("alembic_version"):
        return False
    return list(connection.execute(text("SELECT version_num FROM alembic_version")).scalars()) == [newest_revision()]


def alembic_config(connection: Connection) -> Config:
    """What `migrations/env.py` finds: the scripts, and the connection to run them on."""
    from alembic.config import Config

    config = Config(attributes={CONNECTION: connection})
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))  # configparser interpolates
    config.set_main_option("path_separator", "os")
    return config


def _refuse_newer(connection: Connection, scripts: ScriptDirectory) -> None:
    from alembic.runtime.migration import MigrationContext

    known = {script.revision for script in scripts.walk_revisions()}
    found = set(MigrationContext.configure(connection).get_current_heads())
    if found - known:
        raise StorageError("a newer version of the gateway has written this database: install that version, or restore a backup")
