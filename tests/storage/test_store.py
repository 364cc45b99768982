from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from weighbridge.auth.virtual_keys import digest_of, mint_key
from weighbridge.storage import engine
from weighbridge.storage.engine import DATABASE_FILE, sqlite_url
from weighbridge.storage.errors import KeyNameTakenError, KeyNotFoundError, StorageError, StoreBusyError
from weighbridge.storage.store import MAX_PAGE, Store
from weighbridge.storage.stored_keys import NewKey


def new_key(name: str, **facts) -> NewKey:
    minted = mint_key()
    return NewKey(name=name, digest=minted.digest, hint=minted.hint, **facts)


def test_a_stored_key_comes_back_as_it_was(store, clock):
    new = new_key("ci", models=("openai/*", "gpt-4o"), expires_wall_ns=2**62 + 1, is_admin=True)
    stored = store.create_key(new)
    assert store.key(stored.key.id) == stored
    assert store.find_key(new.digest) == stored.key
    assert (stored.key.models, stored.key.expires_wall_ns, stored.key.is_admin) == (("openai/*", "gpt-4o"), 2**62 + 1, True)
    assert stored.created_wall_ns == clock.wall


def test_a_revoked_key_is_no_longer_found_but_stays_listed(store, clock):
    new = new_key("ci")
    created = store.create_key(new)
    clock.wall += 7
    revoked = store.revoke_key("ci")
    assert revoked.revoked_wall_ns == clock.wall
    assert store.find_key(new.digest) is None
    assert store.live_keys() == []
    assert [each.key.id for each in store.list_keys().keys] == [created.key.id]


def test_a_key_is_revoked_by_id_as_well_and_twice_is_once(store, clock):
    key_id = store.create_key(new_key("ci")).key.id
    first = store.revoke_key(key_id)
    revision = store.revision()
    clock.wall += 1
    assert store.revoke_key(key_id) == first
    assert store.revision() == revision


def test_the_name_of_a_revoked_key_is_free_again_and_means_the_live_one(store):
    old = store.create_key(new_key("app"))
    store.revoke_key("app")
    new = store.create_key(new_key("app"))
    assert store.revoke_key("app").key.id == new.key.id != old.key.id


def test_two_live_keys_have_two_names(store):
    store.create_key(new_key("app"))
    with pytest.raises(KeyNameTakenError, match="app"):
        store.create_key(new_key("app"))


def test_several_keys_are_stored_together_or_not_at_all(store):
    store.create_key(new_key("taken"))
    revision = store.revision()
    with pytest.raises(KeyNameTakenError):
        store.create_keys([new_key("fresh"), new_key("taken")])
    assert [key.name for key in store.live_keys()] == ["taken"]
    assert store.revision() == revision


@pytest.mark.parametrize("name", ["", "x" * 65, " x", "a\nb", "key_123"])
def test_a_name_that_no_key_may_have_is_refused(store, name):
    with pytest.raises(ValueError, match="name"):
        store.create_key(new_key(name))
    assert store.live_keys() == []


def test_unknown_names_ids_and_cursors_say_how_to_find_the_right_one(store):
    for ask in (store.revoke_key, store.key, lambda text: store.list_keys(cursor=text)):
        with pytest.raises(KeyNotFoundError, match="keys list"):
            ask("nobody")
    assert store.find_key(digest_of(b"wb-nobody")) is None


def test_text_of_sql_is_only_text(store):
    name = "x'; DROP TABLE virtual_keys; --"
    store.create_key(new_key(name))
    assert store.revoke_key(name).key.name == name
    with pytest.raises(KeyNotFoundError):
        store.revoke_key("' OR '1'='1")


def test_every_write_changes_the_revision_and_no_read_does(store):
    seen = [store.revision()]
    store.create_key(new_key("a"))
    seen.append(store.revision())
    store.revoke_key("a")
    seen.append(store.revision())
    store.list_keys()
    store.live_keys()
    assert seen == [0, 1, 2]
    assert store.revision() == 2


def test_pages_hold_every_key_once_newest_first_even_while_keys_are_made(store, clock):
    for number in range(5):
        clock.wall += number % 2  # some share their creation time
        store.create_key(new_key(f"k{number}"))
    everything = [each.key.name for each in store.list_keys().keys]
    page = store.list_keys(limit=2)
    names = [each.key.name for each in page.keys]
    clock.wall += 1
    store.create_key(new_key("late"))
    while page.next_cursor is not None:
        page = store.list_keys(limit=2, cursor=page.next_cursor)
        names += [each.key.name for each in page.keys]
    assert names == everything
    assert sorted(names) == ["k0", "k1", "k2", "k3", "k4"]
    assert page.next_cursor is None


def test_a_page_is_bounded_whatever_is_asked_for(store):
    store.create_keys([new_key(f"k{number}") for number in range(MAX_PAGE + 1)])
    assert len(store.list_keys(limit=10**9).keys) == MAX_PAGE
    assert len(store.list_keys(limit=0).keys) == 1


def test_another_process_sees_a_write_at_once(store, store_url, clock):
    with closing(Store.open(store_url, clock)) as other:
        other.migrate()
        new = new_key("from elsewhere")
        store.create_key(new)
        assert other.revision() == 1
        assert other.find_key(new.digest) is not None


def test_writers_at_the_same_time_lose_nothing(store, store_url, clock):
    with closing(Store.open(store_url, clock)) as other, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: (store, other)[n % 2].create_key(new_key(f"k{n}")), range(24)))
    assert len(store.live_keys()) == store.revision() == 24


def test_starting_several_at_once_migrates_once(store_url, clock):
    stores = [Store.open(store_url, clock) for _ in range(6)]
    with ThreadPoolExecutor(len(stores)) as pool:
        list(pool.map(Store.migrate, stores))
    assert {each.revision() for each in stores} == {0}
    for each in stores:
        each.close()


def test_the_database_and_its_directory_are_private(tmp_path, clock):
    with closing(Store.open(sqlite_url(tmp_path / "data"), clock)) as opened:
        opened.migrate()
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "data").iterdir()}
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert modes == {DATABASE_FILE: 0o600, f"{DATABASE_FILE}-wal": 0o600, f"{DATABASE_FILE}-shm": 0o600}


def test_a_database_that_others_may_read_is_closed_to_them(tmp_path, clock):
    (tmp_path / DATABASE_FILE).touch(mode=0o644)
    Store.open(sqlite_url(tmp_path), clock).close()
    assert (tmp_path / DATABASE_FILE).stat().st_mode & 0o777 == 0o600


def test_no_key_is_in_the_files(tmp_path, clock):
    minted = mint_key()
    with closing(Store.open(sqlite_url(tmp_path), clock)) as opened:
        opened.migrate()
        opened.create_key(NewKey(name="ci", digest=minted.digest, hint=minted.hint))
        content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert minted.digest in content
    assert minted.secret.reveal().encode() not in content


def test_a_lock_that_another_process_holds_is_named_as_such(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 10)
    with closing(Store.open(sqlite_url(tmp_path), clock)) as opened:
        opened.migrate()
        with closing(sqlite3.connect(tmp_path / DATABASE_FILE, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreBusyError, match="try again"):
                opened.create_key(new_key("ci"))
            assert opened.live_keys() == []  # readers go on
            holder.execute("ROLLBACK")
        opened.create_key(new_key("ci"))


def test_a_file_that_is_no_database_is_refused_in_words(tmp_path, clock):
    (tmp_path / DATABASE_FILE).write_text("a shopping list, which is longer than a header of a hundred bytes " * 4)
    with closing(Store.open(sqlite_url(tmp_path), clock)) as opened, pytest.raises(StorageError, match="not a database"):
        opened.migrate()


def test_a_directory_that_cannot_be_made_is_refused_in_words(tmp_path, clock):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="--data-dir"):
        Store.open(sqlite_url(Path(tmp_path / "file" / "data")), clock)


@pytest.mark.parametrize("url", ["nonsense", "mysql://root:hunter2@host/db", "sqlite://", "sqlite:///:memory:"])
def test_a_url_of_something_else_is_refused_without_repeating_it(url, clock):
    with pytest.raises(StorageError) as caught:
        Store.open(url, clock)
    assert "hunter2" not in str(caught.value)
