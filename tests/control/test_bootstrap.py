from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from weighbridge.auth.virtual_keys import digest_of
from weighbridge.control.bootstrap import bootstrap, where_keys_are
from weighbridge.storage.engine import sqlite_url
from weighbridge.storage.errors import StorageError
from weighbridge.storage.store import Store


def found(store, secret):
    return store.find_key(digest_of(secret.reveal().encode()))


def test_a_first_start_makes_an_admin_key_and_a_first_key_that_work(store, data_dir):
    keys = bootstrap(store, data_dir)
    assert found(store, keys.admin).is_admin
    assert not found(store, keys.first).is_admin


def test_the_keys_are_kept_for_the_owner_only(store, data_dir):
    keys = bootstrap(store, data_dir)
    for name, secret in (("admin.key", keys.admin), ("first.key", keys.first)):
        assert (data_dir / name).read_text() == secret.reveal() + "\n"
        assert (data_dir / name).stat().st_mode & 0o777 == 0o600
        assert str(data_dir / name) in where_keys_are(data_dir)


def test_a_later_start_shows_nothing_and_says_where_they_are(store, data_dir):
    keys = bootstrap(store, data_dir)
    assert bootstrap(store, data_dir) is None
    assert keys.admin.reveal() not in where_keys_are(data_dir)


def test_deleted_files_are_not_made_again(store, data_dir):
    bootstrap(store, data_dir)
    for path in data_dir.glob("*.key"):
        path.unlink()
    assert bootstrap(store, data_dir) is None
    assert list(data_dir.glob("*.key")) == []
    assert "weighbridge keys create" in where_keys_are(data_dir)


def test_revoked_first_keys_are_not_made_again(store, data_dir):
    bootstrap(store, data_dir)
    store.revoke_key("admin")
    store.revoke_key("first")
    assert bootstrap(store, data_dir) is None
    assert store.live_keys() == []


def test_a_start_that_died_between_files_and_rows_is_made_good(store, data_dir, tmp_path, clock):
    keys = bootstrap(store, data_dir)
    with closing(Store.open(sqlite_url(tmp_path / "fresh"), clock)) as empty:
        empty.migrate()
        assert bootstrap(empty, data_dir) is None  # they were not made now, so they are not shown
        assert found(empty, keys.admin).is_admin
        assert not found(empty, keys.first).is_admin


def test_a_key_file_with_something_else_in_it_is_not_believed(store, data_dir):
    (data_dir / "admin.key").write_text("hunter2")
    with pytest.raises(StorageError, match=r"admin\.key") as caught:
        bootstrap(store, data_dir)
    assert "hunter2" not in str(caught.value)
    assert store.live_keys() == []


def test_two_first_starts_at_once_agree_on_the_keys(store, data_dir, clock):
    with closing(Store.open(sqlite_url(data_dir), clock)) as other, ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda each: bootstrap(each, data_dir), (store, other)))
    assert len(store.live_keys()) == 2
    [keys] = filter(None, made)  # and only one of them shows them
    assert found(store, keys.admin).is_admin
