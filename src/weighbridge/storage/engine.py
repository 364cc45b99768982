"""One SQLAlchemy engine for SQLite and PostgreSQL, with the settings that make the two behave alike."""

from __future__ import annotations

from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from sqlite3 import OperationalError
from typing import Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry

from weighbridge.storage.errors import StorageError
from weighbridge.storage.private_files import make_file_private, make_private_directory

DATABASE_FILE: Final = "weighbridge.db"
BUSY_TIMEOUT_MS: Final = 5_000
"""How long a SQLite writer waits for another one. Our transactions take about a millisecond."""
_WAL_ATTEMPTS: Final = 20
"""Only a file's first opening switches its mode, so that more processes than these would have to start at once."""
_POSTGRESQL_DRIVER: Final = "postgresql+psycopg"
_POSTGRESQL_CONNECT_TIMEOUT_S: Final = 5
_POSTGRESQL_SESSION: Final = "-c lock_timeout=5000 -c statement_timeout=15000"
"""The same wait for a lock as on SQLite, and an end to any statement that runs wild."""
_WRITES: Final = "weighbridge_writes"


def sqlite_url(data_dir: Path) -> str:
    """The URL of the database in a data directory."""
    return URL.create("sqlite", database=str(data_dir / DATABASE_FILE)).render_as_string()


def open_engine(url: str) -> Engine:
    """An engine for `sqlite:///file` or `postgresql://…`; makes the SQLite file (600) and its directory (700).

    Raises `StorageError` for a URL that means nothing, a driver that is not installed or a place that cannot be written.
    """
    target = _parsed(url)
    if target.get_backend_name() == "sqlite":
        return _sqlite_engine(target)
    return _postgresql_engine(target)


def writing(engine: Engine) -> Engine:
    """The same engine, the same pool, but its transactions take the write lock when they begin."""
    return engine.execution_options(**{_WRITES: True})


def _parsed(url: str) -> URL:
    try:
        target = make_url(url)
    except ArgumentError:
        raise StorageError("the database URL is not one: write sqlite:///file or postgresql://user@host/database") from None
    if target.get_backend_name() not in {"sqlite", "postgresql"}:
        raise StorageError(f"no support for {target.get_backend_name()}: the database is SQLite or PostgreSQL")
    return target


def _sqlite_engine(target: URL) -> Engine:
    if not target.database or target.database == ":memory:":
        raise StorageError("the SQLite URL names no file: several processes share the database, so it cannot be in memory")
    path = Path(target.database)
    make_private_directory(path.parent)
    make_file_private(path)
    # hide_parameters: a digest or a name never ends in an exception's text.
    engine = create_engine(target, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_MS / 1_000})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: SqliteConnection, _entry: ConnectionPoolEntry) -> None:
    # The driver's own BEGIN comes late and is never IMMEDIATE; we say ours in `_begin_sqlite`.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    _use_wal(connection)
    # WAL's usual NORMAL may lose the last commits in a power cut: a key that was shown must be there.
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _use_wal(connection: SqliteConnection) -> None:
    for _ in range(_WAL_ATTEMPTS):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except OperationalError:
            # The switch fails at once, without the busy timeout, while another process makes it: wait for that one.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("COMMIT")
        else:
            return
    connection.execute("PRAGMA journal_mode=WAL")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later gets SQLITE_BUSY at once, without the busy timeout, if another
    # writer came between (https://www.sqlite.org/isolation.html). So a writer takes the lock first.
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql_engine(target: URL) -> Engine:
    try:
        return create_engine(
            target.set(drivername=_POSTGRESQL_DRIVER),
            hide_parameters=True,
            pool_pre_ping=True,  # a restarted server is noticed before a statement is lost on it
            connect_args={"connect_timeout": _POSTGRESQL_CONNECT_TIMEOUT_S, "options": _POSTGRESQL_SESSION},
        )
    except (ImportError, NoSuchModuleError):
        raise StorageError("PostgreSQL needs the driver: pip install 'psycopg[binary]'") from None
