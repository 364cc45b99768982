from __future__ import annotations

import asyncio
import threading

import pytest

from weighbridge.auth.virtual_keys import digest_of
from weighbridge.control.key_registry import KeyRegistry
from weighbridge.core.terms import VirtualKey
from weighbridge.storage.errors import StoreBusyError


def digest(secret: str) -> bytes:
    return digest_of(secret.encode())


async def test_the_first_poll_reports_every_key_and_the_next_nothing(store, make_key):
    make_key("a")
    make_key("b")
    registry = KeyRegistry(store)
    delta = await registry.poll()
    assert {key.name for key in delta.upserted} == {"a", "b"}
    assert (delta.revision, delta.removed) == (2, ())
    assert await registry.poll() is None
    assert {key.name for key in registry.keys} == {"a", "b"}


async def test_a_key_revoked_elsewhere_is_removed_by_the_next_poll(store, make_key):
    secret = make_key("a")
    make_key("b")
    registry = KeyRegistry(store)
    await registry.poll()
    store.revoke_key("a")
    delta = await registry.poll()
    assert (delta.upserted, delta.removed) == ((), (digest(secret),))
    assert await registry.find(digest(secret)) is None


async def test_a_key_made_a_moment_ago_is_found_before_the_poll_which_still_reports_it(store, make_key):
    registry = KeyRegistry(store)
    await registry.poll()
    secret = make_key("new")
    found = await registry.find(digest(secret))
    assert found.name == "new"
    assert (await registry.poll()).upserted == (found,)
    assert await registry.poll() is None


async def test_a_key_found_and_revoked_between_two_polls_is_reported_removed(store, make_key):
    registry = KeyRegistry(store)
    await registry.poll()
    secret = make_key("short")
    await registry.find(digest(secret))
    store.revoke_key("short")
    delta = await registry.poll()
    assert (delta.upserted, delta.removed) == ((), (digest(secret),))


class SlowStore:
    """A store whose answers wait for the test, and which counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.go = threading.Event()
        self.keys: list[VirtualKey] = []
        self.fails = False

    def revision(self) -> int:
        self.asked += 1
        answer = len(self.keys)
        self.go.wait(10)
        if self.fails:
            raise StoreBusyError("locked")
        return answer

    def live_keys(self) -> list[VirtualKey]:
        return list(self.keys)


async def until(condition) -> None:
    while not condition():
        await asyncio.sleep(0)


async def test_a_flood_of_wrong_keys_costs_two_queries():
    store = SlowStore()
    registry = KeyRegistry(store)
    async with asyncio.TaskGroup() as group:
        finds = [group.create_task(registry.find(number.to_bytes(32))) for number in range(500)]
        await until(lambda: store.asked)
        store.go.set()
    assert all(find.result() is None for find in finds)
    assert store.asked <= 2


async def test_a_look_that_began_too_early_does_not_answer_for_a_newer_key():
    store = SlowStore()
    registry = KeyRegistry(store)
    key = VirtualKey(id="key_1", name="new", digest=b"n" * 32)
    async with asyncio.TaskGroup() as group:
        group.create_task(registry.find(b"x" * 32))
        await until(lambda: store.asked)
        store.keys.append(key)  # the look under way has read the revision without it
        found = group.create_task(registry.find(key.digest))
        await asyncio.sleep(0)
        store.go.set()
    assert found.result() == key


async def test_a_look_that_was_cancelled_answers_for_nobody():
    store = SlowStore()
    key = VirtualKey(id="key_1", name="a", digest=b"a" * 32)
    store.keys.append(key)
    registry = KeyRegistry(store)
    first = asyncio.get_running_loop().create_task(registry.find(key.digest))
    await until(lambda: store.asked)
    second = asyncio.get_running_loop().create_task(registry.find(key.digest))
    third = asyncio.get_running_loop().create_task(registry.find(key.digest))
    await asyncio.sleep(0)
    first.cancel()
    await until(lambda: store.asked == 2)
    second.cancel()
    store.go.set()
    assert await third == key


async def test_a_locked_store_is_reported_and_the_next_look_works():
    store = SlowStore()
    store.go.set()
    store.fails = True
    store.keys.append(VirtualKey(id="key_1", name="a", digest=b"a" * 32))
    registry = KeyRegistry(store)
    with pytest.raises(StoreBusyError):
        await registry.poll()
    store.fails = False
    assert len((await registry.poll()).upserted) == 1
