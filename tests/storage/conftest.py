"""One suite for every database: a test that takes `store_url` or `store` runs on each of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url

from weighbridge.storage.engine import open_engine, sqlite_url
from weighbridge.storage.store import Store


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


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "data")
    return request.getfixturevalue("postgresql_database")


@pytest.fixture
def store(
    request: pytest.FixtureRequest, store_url: str, clock: SetClock, tmp_path: Path, migrated_sqlite: Path
) -> Iterator[Store]:
    """A migrated store."""
    if store_url == sqlite_url(tmp_path / "data"):
        (tmp_path / "data").mkdir(mode=0o700)
        shutil.copyfile(migrated_sqlite, tmp_path / "data" / migrated_sqlite.name)
    elif not store_url.startswith("sqlite"):
        copy_template(store_url, request.getfixturevalue("migrated_postgresql"))
    with closing(Store.open(store_url, clock)) as opened:
        opened.migrate()
        yield opened


def copy_template(url: str, template: str) -> None:
    """Put a copy of another database of its server in the place of an empty one."""
    import psycopg

    name = make_url(url).database
    server = make_url(url).set(database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name}")
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")


@pytest.fixture
def migrated(store_url: str, clock: SetClock) -> Iterator[Engine]:
    """The engine of a migrated database."""
    with closing(Store.open(store_url, clock)) as store:
        store.migrate()
    engine = open_engine(store_url)
    yield engine
    engine.dispose()
