from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from weighbridge.auth.people import Place, Role
from weighbridge.auth.virtual_keys import digest_of, mint_key
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.terms import DataDemand
from weighbridge.storage import engine
from weighbridge.storage.engine import DATABASE_FILE, sqlite_url
from weighbridge.storage.errors import ChangedMeanwhileError, KeyNameTakenError, KeyNotFoundError, StorageError, StoreBusyError
from weighbridge.storage.people_store import NewUser
from weighbridge.storage.store import MAX_PAGE, Store
from weighbridge.storage.stored_keys import KeyChange, KeyState, NewKey, StoredKey
from weighbridge.storage.transactions import Act

ACT = Act("key:root")


def new_key(name: str, **facts) -> NewKey:
    minted = mint_key()
    return NewKey(name=name, digest=minted.digest, hint=minted.hint, **facts)


def stored_key(store: Store, name: str, **facts) -> StoredKey:
    return store.create_key(new_key(name, **facts), ACT)


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


# --- changing keys


def test_a_change_leaves_what_it_does_not_tell(store):
    key = stored_key(store, "ci", models=("a",), tags=("x",), addresses=("10.0.0.0/8",), max_output_tokens=5, priority=3)
    changed = store.change_key(key.key.id, KeyChange(name="cd", max_output_tokens=None), ACT, key.version)
    assert changed.key == msgspec.structs.replace(key.key, name="cd", max_output_tokens=None)
    assert (store.find_key(key.key.digest), changed.version) == (changed.key, 2)
    with pytest.raises(ChangedMeanwhileError):
        store.change_key(key.key.id, KeyChange(name="ce"), ACT, key.version)


def test_a_key_can_be_blocked_and_work_again(store, clock):
    key = stored_key(store, "ci").key
    blocked = store.change_key(key.id, KeyChange(is_blocked=True), ACT)
    assert (blocked.is_blocked, blocked.state_at(clock.wall)) == (True, KeyState.BLOCKED)
    assert store.find_key(key.digest).is_blocked
    assert store.change_key(key.id, KeyChange(is_blocked=False), ACT).key == key


@pytest.mark.parametrize(
    "wrong",
    [
        KeyChange(name=" x"),
        KeyChange(models=("two words",)),
        KeyChange(tags=("a,b",)),
        KeyChange(tags=tuple(map(str, range(17)))),
        KeyChange(addresses=("10.0.0.1/8",)),
        KeyChange(max_output_tokens=0),
        KeyChange(priority=101),
        KeyChange(team="nowhere"),
    ],
)
def test_what_no_key_may_have_is_refused(store, wrong):
    key = stored_key(store, "ci")
    with pytest.raises(ValueError, match=r"\w"):
        store.change_key(key.key.id, wrong, ACT)
    assert store.key(key.key.id) == key


def test_a_name_that_another_live_key_has_is_refused(store):
    stored_key(store, "ci")
    other = stored_key(store, "cd")
    with pytest.raises(KeyNameTakenError):
        store.change_key(other.key.id, KeyChange(name="ci"), ACT)


def test_a_demand_and_the_owners_survive_the_store(store):
    store.people.create_organisation("acme", ACT)
    store.people.create_team("search", "acme", ACT)
    demand = DataDemand(("eu",), zdr=True, max_retention_days=3, no_training=True)
    key = stored_key(store, "ci", demand=demand, team="search").key
    assert store.find_key(key.digest).demand == demand
    assert (key.team, key.organisation) == ("search", "acme")
    moved = store.change_key(key.id, KeyChange(team=""), ACT).key
    assert (moved.team, moved.organisation) == ("", "")


def test_after_a_rotation_both_secrets_open_the_same_key_until_the_old_one_ends(store, clock):
    old = stored_key(store, "ci").key
    minted = mint_key()
    store.rotate_key(old.id, minted, 3_600 * NS_PER_S, ACT)
    new, retiring = store.find_key(minted.digest), store.find_key(old.digest)
    assert (new.id, new.name, new.expires_wall_ns) == (old.id, "ci", None)
    assert (retiring.id, retiring.hint, retiring.expires_wall_ns) == (old.id, old.hint, clock.wall + 3_600 * NS_PER_S)
    assert {each.digest for each in store.live_keys()} == {minted.digest, old.digest}


def test_a_rotation_without_overlap_ends_the_old_secret_at_once(store):
    old = stored_key(store, "ci").key
    store.rotate_key(old.id, mint_key(), 0, ACT)
    assert store.find_key(old.digest) is None


def test_a_retiring_secret_does_not_outlive_its_key(store, clock):
    old = stored_key(store, "ci", expires_wall_ns=clock.wall + 10).key
    store.rotate_key(old.id, mint_key(), 3_600 * NS_PER_S, ACT)
    assert store.find_key(old.digest).expires_wall_ns == clock.wall + 10
    store.revoke_key("ci", ACT)
    assert store.live_keys() == []


def test_a_revoked_key_neither_changes_nor_rotates(store):
    key = stored_key(store, "ci").key
    store.revoke_key("ci", ACT)
    for refused in (
        lambda: store.change_key(key.id, KeyChange(name="x"), ACT),
        lambda: store.rotate_key(key.id, mint_key(), 0, ACT),
    ):
        with pytest.raises(ValueError, match="revoked"):
            refused()


def test_a_list_shows_the_keys_of_a_place_and_a_user(store):
    store.people.create_organisation("acme", ACT)
    store.people.create_team("search", "acme", ACT)
    store.people.create_user(NewUser("bot", Role.MEMBER), ACT)
    stored_key(store, "a", team="search")
    stored_key(store, "b", organisation="acme", user="bot")
    stored_key(store, "c")

    def names(**wanted):
        return {stored.key.name for stored in store.list_keys(**wanted).keys}

    assert names(place=Place("acme")) == {"a", "b"}
    assert names(place=Place("acme", "search")) == {"a"}
    assert names(user="bot") == {"b"}
    assert names() == {"a", "b", "c"}
