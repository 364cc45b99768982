"""Customers' provider keys on every database: sealed, found by their place, and gone with their owner."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from weighbridge.auth.master_keys import MasterKeys, NoMasterKeyError, master_key_id
from weighbridge.auth.people import EVERYWHERE, Place
from weighbridge.auth.sealing import SealBrokenError
from weighbridge.auth.virtual_keys import mint_key
from weighbridge.core.own_keys import Owner, OwnerKind
from weighbridge.core.secret import Secret
from weighbridge.storage import provider_key_store
from weighbridge.storage.audit_store import AuditQuery
from weighbridge.storage.errors import ChangedMeanwhileError, CreatedBeforeError, InUseError, NotFoundError
from weighbridge.storage.provider_key_store import NewProviderKey, ProviderKeyChange
from weighbridge.storage.stored_keys import NewKey
from weighbridge.storage.tables import provider_keys
from weighbridge.storage.transactions import Act, once_of

ACT = Act("test")
SECRET = "sk-planted-0123456789abcdef"
MASTER = Secret("m" * 32)
KEYS = MasterKeys([MASTER])


def team(name):
    return Owner(OwnerKind.TEAM, name)


def organisation(name):
    return Owner(OwnerKind.ORGANISATION, name)


@pytest.fixture
def people(store):
    for name in ("acme", "other"):
        store.people.create_organisation(name, ACT)
    store.people.create_team("search", "acme", ACT)
    store.people.create_team("labs", "other", ACT)
    return store


@pytest.fixture
def make(people):
    def made(owner, secret=SECRET, provider="openai", *, keys=KEYS, act=ACT, **facts):
        return people.provider_keys.create(NewProviderKey(owner, provider, Secret(secret), **facts), keys, act)

    return made


@pytest.fixture
def virtual_key(people):
    def made(name, **facts):
        minted = mint_key()
        return people.create_key(NewKey(name=name, digest=minted.digest, hint=minted.hint, **facts)).key.id

    return made


def test_what_is_stored_opens_again_and_shows_only_its_end(people, make, clock):
    made = make(organisation("acme"), label="Prod", falls_back=True)
    found = people.provider_keys.get(made.id)
    assert found == made
    assert found.open(KEYS) == Secret(SECRET)
    assert (found.hint, found.label, found.falls_back, found.created_wall_ns) == ("cdef", "Prod", True, clock.wall)


def test_the_secret_is_nowhere_in_the_database(people, make, store_url):
    made = make(team("search"))
    people.provider_keys.change(made.id, ProviderKeyChange(is_disabled=True), ACT, 1)
    with people.transactions.reading() as connection:
        tables = provider_keys.metadata.sorted_tables
        rows = [tuple(row) for table in tables for row in connection.execute(select(table))]
    assert SECRET.encode() not in repr(rows).encode()
    assert made.id in repr(rows)


def test_a_row_that_is_given_to_somebody_else_does_not_open(people, make):
    made = make(organisation("acme"))
    with people.transactions.writing() as connection:
        connection.execute(update(provider_keys).values(owner="other"))
    with pytest.raises(SealBrokenError):
        people.provider_keys.get(made.id).open(KEYS)


def test_without_a_master_key_none_is_made(people, make):
    with pytest.raises(NoMasterKeyError):
        make(team("search"), keys=MasterKeys())
    assert people.provider_keys.page().items == ()


@pytest.mark.parametrize("owner", [team("nobody"), organisation("nobody"), Owner(OwnerKind.KEY, "key_none")])
def test_an_owner_has_to_be_there(people, make, owner):
    with pytest.raises(ValueError, match="there is no"):
        make(owner)
    new = NewProviderKey(owner, "openai", Secret(SECRET))
    assert people.provider_keys.create(new, KEYS, ACT, of_store=False).owner == owner  # one that the configuration names


def test_each_place_sees_its_own_and_what_is_in_it(people, make, virtual_key):
    of_key = make(Owner(OwnerKind.KEY, virtual_key("ci", team="search")))
    of_team, of_acme, of_other = make(team("search")), make(organisation("acme")), make(team("labs"))
    seen = {
        place: {each.id for each in people.provider_keys.page(place).items}
        for place in (EVERYWHERE, Place("acme"), Place("acme", "search"), Place("other"))
    }
    assert seen[EVERYWHERE] == {of_key.id, of_team.id, of_acme.id, of_other.id}
    assert seen[Place("acme")] == {of_key.id, of_team.id, of_acme.id}
    assert seen[Place("acme", "search")] == {of_key.id, of_team.id}
    assert seen[Place("other")] == {of_other.id}


def test_pages_have_each_once_newest_first(people, make, clock):
    made = []
    for _ in range(3):
        clock.wall += 1
        made.append(make(team("search")).id)
    first = people.provider_keys.page(limit=2)
    rest = people.provider_keys.page(limit=2, cursor=first.next_cursor)
    assert [each.id for each in (*first.items, *rest.items)] == made[::-1]
    assert rest.next_cursor is None


def test_a_disabled_one_may_not_be_used(people, make):
    made = make(team("search"))
    people.provider_keys.change(made.id, ProviderKeyChange(is_disabled=True, label="old"), ACT, 1)
    assert people.provider_keys.enabled() == []
    assert people.provider_keys.get(made.id).label == "old"
    with pytest.raises(ChangedMeanwhileError):
        people.provider_keys.change(made.id, ProviderKeyChange(is_disabled=False), ACT, 1)
    people.provider_keys.change(made.id, ProviderKeyChange(is_disabled=False), ACT, 2)
    assert [each.id for each in people.provider_keys.enabled()] == [made.id]


def test_a_deleted_one_is_gone(people, make):
    made = make(team("search"))
    before = people.revision()
    people.provider_keys.delete(made.id, ACT, None)
    assert people.revision() > before
    with pytest.raises(NotFoundError):
        people.provider_keys.get(made.id)


def test_whoever_comes_later_under_a_name_never_finds_the_keys_of_who_was_before(people, make):
    make(organisation("other"))
    made = make(team("search"))
    [found] = people.people.organisations(Place("acme")).items
    with pytest.raises(InUseError, match="1 provider keys"):
        people.people.delete_team(people.people.team_named("search").id, ACT, None)
    people.provider_keys.delete(made.id, ACT, None)
    people.people.delete_team(people.people.team_named("search").id, ACT, None)
    people.people.delete_organisation(found.id, ACT, None)
    people.people.delete_team(people.people.team_named("labs").id, ACT, None)
    other = people.people.organisation_named("other").id
    with pytest.raises(InUseError, match="provider keys"):
        people.people.delete_organisation(other, ACT, None)


def test_a_revoked_key_takes_its_provider_keys_along(people, make, virtual_key):
    key_id = virtual_key("ci")
    make(Owner(OwnerKind.KEY, key_id))
    people.revoke_key(key_id, ACT)
    assert people.provider_keys.page().items == ()
    with pytest.raises(ValueError, match="revoked"):
        make(Owner(OwnerKind.KEY, key_id))


def test_a_create_that_comes_twice_makes_one(people, make):
    act = Act("test", once=once_of("test", "a-key-of-16-chars", b"the same"))
    made = make(team("search"), act=act)
    with pytest.raises(CreatedBeforeError) as before:
        make(team("search"), act=act)
    assert before.value.subject_id == made.id


def test_every_act_is_in_the_audit_log_and_no_secret(people, make):
    made = make(team("search"))
    people.provider_keys.change(made.id, ProviderKeyChange(is_disabled=True), ACT, None)
    people.provider_keys.delete(made.id, ACT, None)
    told = [(each.action, each.subject) for each in people.audit.entries(AuditQuery(kind="provider key"))]
    assert told == [(action, "team:search at openai") for action in ("delete", "change", "create")]


def test_when_it_was_last_used_is_kept_without_anybody_looking_again(people, make):
    made = make(team("search"))
    before = people.revision()
    people.provider_keys.note_used({made.id: 5, "pkey_gone": 6})
    assert people.provider_keys.get(made.id).last_used_wall_ns == 5
    assert people.revision() == before


def test_everything_is_sealed_anew_under_the_first_key_and_opens_without_the_old_one(people, make, monkeypatch):
    monkeypatch.setattr(provider_key_store, "_BATCH", 2)
    new = Secret("n" * 32)
    made = [make(team("search"), f"sk-number-{number:08}").id for number in range(5)]
    seen = []
    done = people.provider_keys.reseal(MasterKeys([new, MASTER]), ACT, seen.append)
    assert (done.n_done, done.broken) == (5, ())
    assert seen == [2, 4, 5]
    found = [people.provider_keys.get(each) for each in made]
    assert {each.sealed.master_key for each in found} == {master_key_id(new)}
    assert [each.open(MasterKeys([new])).reveal() for each in found] == [f"sk-number-{number:08}" for number in range(5)]
    assert people.provider_keys.reseal(MasterKeys([new]), ACT).n_done == 0


def test_what_no_key_opens_is_left_as_it_is_and_told(people, make):
    lost = make(team("search"), keys=MasterKeys([Secret("lost" * 8)]))
    kept = make(team("labs"))
    done = people.provider_keys.reseal(MasterKeys([Secret("n" * 32), MASTER]), ACT)
    assert (done.n_done, done.broken) == (1, (lost.id,))
    assert people.provider_keys.get(lost.id).sealed == lost.sealed
    assert people.provider_keys.get(kept.id).sealed != kept.sealed
