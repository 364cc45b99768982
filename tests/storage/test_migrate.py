from __future__ import annotations

from contextlib import closing

import pytest
from alembic import command
from sqlalchemy import inspect, text

from weighbridge.storage.engine import writing
from weighbridge.storage.errors import StorageError
from weighbridge.storage.migrate import alembic_config
from weighbridge.storage.store import Store


def test_a_database_of_a_newer_version_is_left_alone(migrated, store_url, clock):
    with writing(migrated).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with closing(Store.open(store_url, clock)) as store, pytest.raises(StorageError, match="newer version"):
        store.migrate()


def test_migrating_says_nothing_on_the_screen(store_url, clock, capfd):
    with closing(Store.open(store_url, clock)) as store:
        store.migrate()
    assert capfd.readouterr() == ("", "")


def test_the_way_back_leaves_nothing_and_the_way_up_works_again(migrated, store_url, clock):
    with writing(migrated).begin() as connection:
        command.downgrade(alembic_config(connection), "base")
    assert inspect(migrated).get_table_names() == ["alembic_version"]
    with closing(Store.open(store_url, clock)) as store:
        store.migrate()
        assert store.revision() == 0
