"""What workers are told of customers' own provider keys, and what becomes of those that no master key opens."""

from __future__ import annotations

import msgspec
import pytest
from tests.control.conftest import record

from weighbridge.auth.master_keys import MasterKeys
from weighbridge.control.provider_key_registry import ProviderKeyRegistry
from weighbridge.core.own_keys import Owner, OwnerKind
from weighbridge.core.secret import Secret
from weighbridge.core.terms import NO_USAGE, Attempt
from weighbridge.storage.provider_key_store import NewProviderKey, ProviderKeyChange
from weighbridge.storage.transactions import Act

ACT = Act("test")
OLD, NEW = Secret("o" * 32), Secret("n" * 32)
TEAM = Owner(OwnerKind.TEAM, "search")


@pytest.fixture
def bring(people, clock):
    def brought(secret="sk-brought", keys=OLD, **facts):
        clock.wall += 1
        return people.provider_keys.create(NewProviderKey(TEAM, "openai", Secret(secret), **facts), MasterKeys([keys]), ACT).id

    return brought


@pytest.fixture
def registry(store, clock):
    found = ProviderKeyRegistry(store, clock)
    found.set_master_keys(MasterKeys([OLD]))
    return found


def secrets(registry):
    return [key.secret and key.secret.reveal() for key in registry.keys]


async def test_it_has_what_may_be_used_opened(registry, bring, store):
    first, second = bring("sk-first-01", falls_back=True), bring("sk-second-2")
    assert await registry.poll()
    assert [(key.id, str(key.owner), key.provider, key.falls_back) for key in registry.keys] == [
        (first, "team:search", "openai", True),
        (second, "team:search", "openai", False),
    ]
    assert secrets(registry) == ["sk-first-01", "sk-second-2"]
    assert not await registry.poll()
    store.provider_keys.change(first, ProviderKeyChange(is_disabled=True), ACT, None)
    assert await registry.poll()
    assert [key.id for key in registry.keys] == [second]


async def test_a_write_of_something_else_is_no_news(registry, bring, make_key):
    bring()
    assert await registry.poll()
    make_key("other")
    assert not await registry.poll()


async def test_one_that_no_master_key_opens_is_there_without_its_secret_and_named(registry, bring):
    bring("sk-readable")
    lost = bring("sk-lost-0123", keys=NEW)
    await registry.poll()
    assert secrets(registry) == ["sk-readable", None]
    assert lost in registry.problem()
    assert "none of the master keys opens them" in registry.problem()
    registry.set_master_keys(MasterKeys())
    await registry.poll()
    assert secrets(registry) == [None, None]
    assert "no master key is configured" in registry.problem()


async def test_the_master_key_that_is_put_back_opens_them_again(registry, bring):
    bring(keys=NEW)
    await registry.poll()
    registry.set_master_keys(MasterKeys([OLD, NEW]))
    assert await registry.poll()
    assert secrets(registry) == ["sk-brought"]
    assert registry.problem() == ""


async def test_what_is_sealed_anew_under_another_key_is_no_news(registry, bring, store):
    bring()
    registry.set_master_keys(MasterKeys([NEW, OLD]))
    await registry.poll()
    assert store.provider_keys.reseal(registry.master_keys, ACT).n_done == 1
    assert not await registry.poll()
    registry.set_master_keys(MasterKeys([NEW]))
    assert not await registry.poll()
    assert secrets(registry) == ["sk-brought"]


async def test_when_a_key_was_last_used_is_noted(registry, bring, store):
    key_id = bring()
    attempts = [Attempt("openai", "gpt", name, 200, None, NO_USAGE, 0, 0, 0) for name in ("openai#1", f"own:{key_id}")]
    registry.saw([record("req_1"), *[msgspec.structs.replace(record("req_2"), attempts=(attempt,)) for attempt in attempts]])
    await registry.note_used()
    assert store.provider_keys.get(key_id).last_used_wall_ns == 1
