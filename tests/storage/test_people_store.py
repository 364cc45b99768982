from __future__ import annotations

import pytest

from weighbridge.auth.people import Place, Role
from weighbridge.auth.virtual_keys import mint_key
from weighbridge.storage.errors import ChangedMeanwhileError, InUseError, NameTakenError, NotFoundError
from weighbridge.storage.people_store import NewUser, UserChange
from weighbridge.storage.stored_keys import NewKey
from weighbridge.storage.transactions import Act

ACT = Act("key:root", "127.0.0.1")
ACME, SEARCH = Place("acme"), Place("acme", "search")


@pytest.fixture
def people(store):
    store.people.create_organisation("acme", ACT)
    store.people.create_team("search", "acme", ACT)
    store.people.create_team("lone", "", ACT)
    return store.people


@pytest.fixture
def ann(people):
    return people.create_user(NewUser("Ann", Role.ADMIN, "Ann@Example.org", Place("", "search"), "hash"), ACT)


def make_key(store, name, **terms):
    minted = mint_key()
    return store.create_key(NewKey(name=name, digest=minted.digest, hint=minted.hint, **terms), ACT)


def test_a_user_is_known_by_the_email_address_however_it_is_written(people, ann):
    assert (ann.login, ann.place, ann.has_password) == ("ann@example.org", SEARCH, True)
    assert people.user_of("ANN@example.ORG") == ann
    assert people.user_of("somebody@example.org") is None


def test_a_service_account_is_known_by_its_name_for_good(people):
    bot = people.create_user(NewUser("bot", Role.MEMBER), ACT)
    assert (bot.login, bot.email) == ("bot", None)
    with pytest.raises(ValueError, match="keeps its name"):
        people.change_user(bot.id, UserChange(name="robot"), ACT, None)
    for refused in (lambda: people.change_user(bot.id, UserChange(password_hash="h"), ACT, None),
                    lambda: people.create_user(NewUser("bot2", Role.MEMBER, password_hash="h"), ACT)):  # fmt: skip
        with pytest.raises(ValueError, match="password"):
            refused()


def test_names_are_unique(people, ann):
    with pytest.raises(NameTakenError):
        people.create_team("search", "", ACT)
    with pytest.raises(NameTakenError):
        people.create_organisation("acme", ACT)
    with pytest.raises(NameTakenError):
        people.create_user(NewUser("Another", Role.VIEWER, "ANN@example.org"), ACT)


def test_nobody_is_put_where_nothing_is(people):
    with pytest.raises(ValueError, match="no organisation 'x'"):
        people.create_team("t", "x", ACT)
    with pytest.raises(ValueError, match="no team 'x'"):
        people.create_user(NewUser("A", Role.VIEWER, "a@b.c", Place("", "x")), ACT)
    with pytest.raises(ValueError, match="not of the organisation"):
        people.resolved(Place("acme", "lone"))


def test_a_list_shows_a_place_and_what_is_in_it(people, ann):
    assert [team.name for team in people.teams(ACME).items] == ["search"]
    assert [team.name for team in people.teams(Place("", "lone")).items] == ["lone"]
    assert {team.name for team in people.teams().items} == {"search", "lone"}
    assert people.users(Place("", "lone")).items == ()
    assert people.users(ACME).items == (ann,)
    assert [each.name for each in people.organisations(SEARCH).items] == ["acme"]


def test_pages_lead_through_everybody_whatever_is_made_meanwhile(people, clock):
    for number in range(5):
        clock.wall += 1
        people.create_team(f"t{number}", "", ACT)
    names, cursor = [], None
    while True:
        page = people.teams(limit=2, cursor=cursor)
        names += [team.name for team in page.items]
        clock.wall += 1
        people.create_team(f"late{len(names)}", "", ACT)
        if (cursor := page.next_cursor) is None:
            break
    assert names[:5] == ["t4", "t3", "t2", "t1", "t0"]
    assert set(names[5:]) == {"search", "lone"}
    with pytest.raises(NotFoundError):
        people.teams(cursor="team_" + "0" * 24)


def test_a_change_is_made_to_the_version_that_was_looked_at(people, ann):
    changed = people.change_user(ann.id, UserChange(name="Anna"), ACT, ann.version)
    assert (changed.name, changed.version) == ("Anna", 2)
    assert people.user(ann.id) == changed
    with pytest.raises(ChangedMeanwhileError):
        people.change_user(ann.id, UserChange(name="Anne"), ACT, ann.version)
    with pytest.raises(ChangedMeanwhileError):
        people.delete_user(ann.id, ACT, ann.version)
    assert people.user(ann.id).name == "Anna"


@pytest.mark.parametrize("whose", ["team", "organisation", "user"])
def test_a_key_does_not_work_while_its_owner_is_blocked(store, people, ann, whose):
    key = make_key(store, "k", team="search", user=ann.login).key
    [team, organisation] = people.teams(ACME).items[0], people.organisations().items[0]
    block = {
        "team": lambda *, on: people.block_team(team.id, ACT, None, is_blocked=on),
        "organisation": lambda *, on: people.block_organisation(organisation.id, ACT, None, is_blocked=on),
        "user": lambda *, on: people.change_user(ann.id, UserChange(is_blocked=on), ACT, None),
    }[whose]
    revision = store.revision()
    block(on=True)
    assert store.find_key(key.digest).is_blocked
    assert [each.is_blocked for each in store.live_keys()] == [True]
    assert not store.key(key.id).is_blocked  # itself
    assert store.revision() > revision
    block(on=False)
    assert store.find_key(key.digest) == key


def test_what_something_belongs_to_stays_until_it_is_gone(store, people, ann):
    key = make_key(store, "k", user=ann.login)
    team, organisation = people.teams(ACME).items[0], people.organisations().items[0]
    for refused, having in (
        (lambda: people.delete_user(ann.id, ACT, None), "1 keys"),
        (lambda: people.delete_team(team.id, ACT, None), "1 users and 1 keys"),
        (lambda: people.delete_organisation(organisation.id, ACT, None), "1 teams and 1 users and 1 keys"),
    ):
        with pytest.raises(InUseError, match=having):
            refused()
    store.revoke_key(key.key.id, ACT)
    people.delete_user(ann.id, ACT, None)
    people.delete_team(team.id, ACT, None)
    people.delete_organisation(organisation.id, ACT, None)
    with pytest.raises(NotFoundError):
        people.organisation(organisation.id)


def test_a_key_is_booked_where_its_user_is_and_a_team_with_its_organisation(store, people, ann):
    of_user = make_key(store, "of-user", user="ANN@example.org").key
    assert (of_user.user, of_user.team, of_user.organisation) == (ann.login, "search", "acme")
    of_team = make_key(store, "of-team", team="lone", user=ann.login).key
    assert (of_team.team, of_team.organisation) == ("lone", "")
    with pytest.raises(ValueError, match="no user"):
        make_key(store, "k", user="nobody@example.org")
    with pytest.raises(ValueError, match="not of the organisation"):
        make_key(store, "k", team="search", organisation="other")
