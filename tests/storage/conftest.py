"""One suite for every database: a test that takes `store_url` or `store` runs on each of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url
from tests.conftest import made_database

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


WALL_NS = 1_800_000_000_000_000_123


@pytest.fixture
def clock() -> SetClock:
    return SetClock(WALL_NS)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database; with all tables if a test wants a store in it."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "data")
    return request.getfixturevalue("copied_postgresql" if "store" in request.fixturenames else "postgresql_database")


@pytest.fixture
def store(store_url: str, clock: SetClock, tmp_path: Path, migrated_sqlite: Path) -> Iterator[Store]:
    """A migrated store."""
    if store_url == sqlite_url(tmp_path / "data"):
        (tmp_path / "data").mkdir(mode=0o700)
        shutil.copyfile(migrated_sqlite, tmp_path / "data" / migrated_sqlite.name)
    with closing(Store.open(store_url, clock)) as opened:
        opened.migrate()
        yield opened


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def kept_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Store]:
    """A migrated store for all tests of a file that only read what the file has put there."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            directory = tmp_path_factory.mktemp("kept")
            shutil.copyfile(migrated_sqlite, directory / migrated_sqlite.name)
            url = sqlite_url(directory)
        else:
            template = make_url(request.getfixturevalue("migrated_postgresql")).database or ""
            url = stack.enter_context(made_database(request.getfixturevalue("postgresql_server"), template))
        yield stack.enter_context(closing(Store.open(url, SetClock(WALL_NS))))


@pytest.fixture
def migrated(store_url: str, clock: SetClock) -> Iterator[Engine]:
    """The engine of a migrated database."""
    with closing(Store.open(store_url, clock)) as store:
        store.migrate()
    engine = open_engine(store_url)
    yield engine
    engine.dispose()
