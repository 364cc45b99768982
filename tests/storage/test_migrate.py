from __future__ import annotations

from contextlib import closing
from sqlite3 import connect

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from tests.storage.test_ledger_store import attempt, settled

from weighbridge.core.rates import Tariff
from weighbridge.core.terms import VirtualKey
from weighbridge.storage.engine import DATABASE_FILE, open_engine, sqlite_url, writing
from weighbridge.storage.errors import StorageError
from weighbridge.storage.ledger_checks import verify
from weighbridge.storage.migrate import alembic_config, newest_revision, run_scripts
from weighbridge.storage.store import Store


def test_a_database_of_a_newer_version_is_left_alone(migrated, store_url, clock):
    with writing(migrated).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with closing(Store.open(store_url, clock)) as store, pytest.raises(StorageError, match="newer version"):
        store.migrate()


def test_a_new_file_is_what_the_scripts_would_have_made_of_it(tmp_path, clock):
    with closing(Store.open(sqlite_url(tmp_path / "new"), clock)) as store:
        store.migrate()
    engine = open_engine(sqlite_url(tmp_path / "scripts"))
    with writing(engine).begin() as connection:
        run_scripts(connection)
    engine.dispose()
    assert dumped(tmp_path / "new") == dumped(tmp_path / "scripts")


def dumped(data_dir):
    with closing(connect(data_dir / DATABASE_FILE)) as database:
        return [line.rstrip() for statement in database.iterdump() for line in statement.splitlines()]


def test_migrating_says_nothing_on_the_screen(store_url, clock, capfd):
    with closing(Store.open(store_url, clock)) as store:
        store.migrate()
    assert capfd.readouterr() == ("", "")


def test_keys_of_the_version_before_work_on_and_belong_to_nobody(store_url, clock):
    engine = open_engine(store_url)
    columns = "id, name, digest, hint, models, created_at, expires_at, revoked_at, is_admin"
    false = "0" if engine.dialect.name == "sqlite" else "false"
    digest = "x'aa'" if engine.dialect.name == "sqlite" else "'\\xaa'::bytea"
    with writing(engine).begin() as connection:
        command.upgrade(alembic_config(connection), "0003")
        row = f"'key_1', 'old', {digest}, 'hint', '[\"a\"]', 7, NULL, NULL, {false}"
        connection.execute(text(f"INSERT INTO virtual_keys ({columns}) VALUES ({row})"))
    engine.dispose()
    with closing(Store.open(store_url, clock)) as store:
        store.migrate()
        assert store.live_keys() == [VirtualKey("key_1", "old", b"\xaa", "hint", ("a",))]


def test_what_was_charged_before_it_was_summed_up_is_found_in_the_entries(migrated, store_url, clock):
    def told(store):
        with store.ledger.reading() as connection:
            return connection.execute(text("SELECT grain, start, charged FROM rollups ORDER BY 1, 2, 3")).all()

    with closing(Store.open(store_url, clock)) as store:
        store.ledger.tariff_of = lambda _record: Tariff(markup_ppm=150_000)
        store.ledger.move("j_1", 0, 10, [settled(1), settled(2, attempt(7_777), team="other")])
        before = told(store)
    with writing(migrated).begin() as connection:
        command.downgrade(alembic_config(connection), "0005")
    with closing(Store.open(store_url, clock)) as store:
        store.migrate()
        assert told(store) == before
        assert verify(store.ledger).is_sound


def test_latencies_of_all_are_made_of_those_of_each_series(migrated, store_url, clock):
    def told(store):
        with store.ledger.reading() as connection:
            return connection.execute(text("SELECT * FROM all_latencies ORDER BY 1, 2, 3, 4")).all()

    with closing(Store.open(store_url, clock)) as store:
        store.ledger.move("j_1", 0, 10, [settled(1), settled(2, team="other"), settled(3, team="other", duration_ns=7 * 10**9)])
        before = told(store)
    with writing(migrated).begin() as connection:
        command.downgrade(alembic_config(connection), "0018")
    with closing(Store.open(store_url, clock)) as store:
        store.migrate()
        assert told(store) == before != []


def test_the_way_back_leaves_nothing_and_the_way_up_works_again(migrated, store_url, clock):
    with writing(migrated).begin() as connection:
        command.downgrade(alembic_config(connection), "base")
    assert inspect(migrated).get_table_names() == ["alembic_version"]
    with closing(Store.open(store_url, clock)) as store:
        store.migrate()
        assert store.revision() == 0


def test_the_newest_script_is_the_head(migrated):
    """By its name alone, since a start that has nothing to do does without Alembic."""
    with migrated.connect() as connection:
        scripts = ScriptDirectory.from_config(alembic_config(connection))
    assert scripts.get_current_head() == newest_revision()
