from __future__ import annotations

import pytest

from weighbridge.auth.people import Place, Role
from weighbridge.auth.virtual_keys import mint_key
from weighbridge.control.credit_payers import checked_payer
from weighbridge.core.allowances import Scope, ScopeKind
from weighbridge.storage.people_store import NewUser
from weighbridge.storage.stored_keys import NewKey
from weighbridge.storage.transactions import Act


def stored(store, **facts):
    minted = mint_key()
    name = "-".join(("of", *facts.values()))
    return store.create_key(NewKey(name=name, digest=minted.digest, hint=minted.hint, **facts)).key.id


@pytest.mark.parametrize("name", ["organisation:acme", "team:lone", "team:of-the-file", "user:nobody-knows", "key:of-the-file"])
def test_who_is_in_nothing_wider_pays_for_himself(people, name):
    kind, _, subject = name.partition(":")
    assert checked_payer(people, Scope(ScopeKind(kind), subject)) == name


def test_whoever_is_in_something_wider_does_not(people):
    people.people.create_user(NewUser("Ann", Role.MEMBER, "ann@acme", Place("acme", "search")), Act("test"))
    people.people.create_user(NewUser("Bob", Role.MEMBER, "bob@lone", Place("", "lone")), Act("test"))
    lone, own = stored(people, team="lone"), stored(people)
    for scope, payer in (
        (Scope(ScopeKind.TEAM, "search"), "organisation:acme"),
        (Scope(ScopeKind.USER, "ann@acme"), "organisation:acme"),
        (Scope(ScopeKind.USER, "bob@lone"), "team:lone"),
        (Scope(ScopeKind.KEY, lone), "team:lone"),
    ):
        with pytest.raises(ValueError, match=f"{payer} pays"):
            checked_payer(people, scope)
    assert checked_payer(people, Scope(ScopeKind.KEY, own)) == f"key:{own}"
