from __future__ import annotations

import pytest

from weighbridge.auth.virtual_keys import mint_key
from weighbridge.storage.audit_store import AuditQuery
from weighbridge.storage.errors import CreatedBeforeError, KeyNameTakenError, OtherCreateError
from weighbridge.storage.stored_keys import NewKey
from weighbridge.storage.transactions import REMEMBERED_NS, Act, differences, once_of


def act(key="1f9f0dd4-aaaa-bbbb", request=b"a", actor="key:root"):
    return Act(actor, "", once_of(actor, key, request))


def test_a_create_that_comes_twice_happens_once(store):
    made = store.people.create_team("search", "", act())
    with pytest.raises(CreatedBeforeError) as again:
        store.people.create_team("search", "", act())
    assert again.value.subject_id == made.id
    assert len(store.people.teams().items) == 1
    assert len(store.audit.entries(AuditQuery())) == 1


def test_a_key_that_comes_with_another_request_is_a_mistake(store):
    store.people.create_team("search", "", act())
    with pytest.raises(OtherCreateError):
        store.people.create_team("ads", "", act(request=b"b"))


def test_a_key_is_its_senders_own(store):
    store.people.create_team("search", "", act())
    store.people.create_team("ads", "", act(request=b"b", actor="key:other"))
    assert len(store.people.teams().items) == 2


def test_after_a_day_it_is_forgotten(store, clock):
    store.people.create_team("search", "", act())
    clock.wall += REMEMBERED_NS
    store.people.create_team("ads", "", act(request=b"b"))


def test_a_create_that_failed_is_not_remembered(store):
    minted = mint_key()
    new = NewKey(name="ci", digest=minted.digest, hint=minted.hint)
    store.create_key(new)
    with pytest.raises(KeyNameTakenError):
        store.create_key(NewKey(name="ci", digest=b"other", hint=""), act())
    store.revoke_key("ci")
    assert store.create_key(NewKey(name="ci", digest=b"other", hint=""), act(), b"sealed").key.name == "ci"
    with pytest.raises(CreatedBeforeError) as again:
        store.create_key(NewKey(name="ci", digest=b"third", hint=""), act(), b"else")
    assert again.value.sealed == b"sealed"


def test_a_change_and_its_trace_are_written_together_or_not_at_all(store, monkeypatch):
    def broken(*_arguments):
        raise RuntimeError

    monkeypatch.setattr(type(store.transactions), "audit", broken)
    with pytest.raises(RuntimeError):
        store.people.create_team("search", "", act())
    assert store.people.teams().items == ()


def test_only_what_differs_is_told():
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3}) == ({"b": 2}, {"b": 3})
