from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from weighbridge.auth.people import Role
from weighbridge.auth.virtual_keys import mint_key
from weighbridge.storage.audit_store import AuditQuery
from weighbridge.storage.engine import writing
from weighbridge.storage.people_store import NewUser, UserChange
from weighbridge.storage.stored_keys import KeyChange, NewKey
from weighbridge.storage.transactions import Act, Change

ACT = Act("user:ann@example.org", "192.0.2.1")


def test_every_act_is_written_down_with_who_and_what(store):
    minted = mint_key()
    key = store.create_key(NewKey(name="ci", digest=minted.digest, hint=minted.hint), ACT).key
    store.change_key(key.id, KeyChange(models=("openai/*",), is_blocked=True), ACT)
    store.rotate_key(key.id, mint_key(), 0, ACT)
    store.revoke_key(key.id, ACT)
    user = store.people.create_user(NewUser("Bo", Role.VIEWER, "bo@example.org", password_hash="$argon2id$secret"), ACT)
    store.people.change_user(user.id, UserChange(password_hash="$argon2id$other"), ACT, None)
    team = store.people.create_team("search", "", ACT)
    store.people.block_team(team.id, ACT, None, is_blocked=True)
    store.people.delete_team(team.id, ACT, None)
    entries = store.audit.entries(AuditQuery())
    assert [(each.kind, each.action) for each in reversed(entries)] == [
        ("key", "create"),
        ("key", "change"),
        ("key", "rotate"),
        ("key", "revoke"),
        ("user", "create"),
        ("user", "change"),
        ("team", "create"),
        ("team", "block"),
        ("team", "delete"),
    ]
    assert {(each.actor, each.address) for each in entries} == {("user:ann@example.org", "192.0.2.1")}
    assert entries[-2].after == {"models": ["openai/*"], "is_blocked": True}
    assert "argon2" not in repr(entries)
    assert minted.secret.reveal() not in repr(entries)


def test_pages_and_filters(store):
    for number in range(5):
        store.transactions.note(Act(f"key:{number % 2}"), Change("reload", "configuration", "", str(number)))
    first = store.audit.entries(AuditQuery(limit=2))
    assert [each.subject for each in first] == ["4", "3"]
    assert [each.subject for each in store.audit.entries(AuditQuery(limit=9, cursor=first[-1].id))] == ["2", "1", "0"]
    assert [each.subject for each in store.audit.entries(AuditQuery(actor="key:1"))] == ["3", "1"]
    assert store.audit.entries(AuditQuery(kind="key")) == []


@pytest.mark.parametrize("statement", ["UPDATE audit_log SET actor = 'nobody'", "DELETE FROM audit_log"])
def test_the_database_itself_refuses_to_change_the_log(store, store_url, statement):
    store.transactions.note(ACT, Change("reload", "configuration", "", "1"))
    with pytest.raises(DBAPIError, match="only appended to"), writing(store._engine).begin() as connection:
        connection.execute(text(statement))
    assert len(store.audit.entries(AuditQuery())) == 1
