from __future__ import annotations

import pytest

from weighbridge.auth.identities import Identity, NotAdmittedError, Refusal
from weighbridge.auth.people import EVERYWHERE, Place, Role
from weighbridge.auth.sign_in_rules import RoleRule
from weighbridge.storage.audit_store import AuditQuery
from weighbridge.storage.people_store import NewUser, UserChange
from weighbridge.storage.transactions import SIGN_IN, Act

ACT = Act(SIGN_IN, "127.0.0.1")
BY_HAND = Act("key:root")
ANN = Identity("https://id.test", "ann-1", "ann@example.org", "Ann")
ADMIN, VIEWER = RoleRule(Role.ADMIN, "admins"), RoleRule(Role.VIEWER, "staff")


@pytest.fixture
def identities(store):
    store.people.create_organisation("acme", BY_HAND)
    store.people.create_team("search", "acme", BY_HAND)
    return store.identities


def refused(identities, person, rule, *, creates=True):
    with pytest.raises(NotAdmittedError) as raised:
        identities.admit(person, rule, ACT, creates=creates)
    return raised.value.refusal


def audit(store):
    return [(each.actor, each.action, each.subject, each.after) for each in store.audit.entries(AuditQuery(kind="user"))]


def test_somebody_new_becomes_a_user_once(identities, store):
    made = identities.admit(ANN, RoleRule(Role.MEMBER, "x", Place("", "search")), ACT, creates=True)
    assert (made.login, made.name, made.role, made.place) == ("ann@example.org", "Ann", Role.MEMBER, Place("acme", "search"))
    assert (made.has_password, made.role_by_groups, made.issuer, made.subject) == (False, True, ANN.issuer, ANN.subject)
    again = identities.admit(ANN, RoleRule(Role.MEMBER, "x", Place("", "search")), ACT, creates=True)
    assert again == made == store.people.user(made.id)
    [(actor, action, subject, after)] = audit(store)
    assert (actor, action, subject, after["role"], after["subject"]) == ("sign-in", "create", "ann@example.org", "member", "ann-1")


def test_nobody_becomes_one_without_leave_or_without_a_role(identities, store):
    assert refused(identities, ANN, ADMIN, creates=False) is Refusal.UNKNOWN_USER
    assert refused(identities, ANN, None) is Refusal.NO_ROLE
    assert store.people.users().items == ()


def test_a_role_follows_the_groups_and_goes_with_them(identities, store):
    made = identities.admit(ANN, ADMIN, ACT, creates=True)
    assert identities.admit(ANN, VIEWER, ACT, creates=True).role is Role.VIEWER
    assert refused(identities, ANN, None) is Refusal.NO_ROLE
    gone = store.people.user(made.id)
    assert (gone.role, gone.place, gone.is_blocked) == (Role.NONE, EVERYWHERE, False)
    assert identities.admit(ANN, VIEWER, ACT, creates=True).role is Role.VIEWER
    assert [after.get("role") for *_, after in audit(store)] == ["viewer", "none", "viewer", "admin"]


def test_a_role_that_was_given_by_hand_stays(identities, store):
    made = store.people.create_user(NewUser("Ann", Role.VIEWER, "ann@example.org", Place("acme")), BY_HAND)
    for rule in (ADMIN, None):
        met = identities.admit(ANN, rule, ACT, creates=False)
        assert (met.id, met.role, met.place, met.role_by_groups) == (made.id, Role.VIEWER, Place("acme"), False)


def test_another_role_by_hand_takes_a_user_from_the_groups_and_a_word_gives_it_back(identities, store):
    made = identities.admit(ANN, VIEWER, ACT, creates=True)
    store.people.change_user(made.id, UserChange(name="Anna"), BY_HAND, None)
    assert identities.admit(ANN, VIEWER, ACT, creates=True).role_by_groups
    store.people.change_user(made.id, UserChange(role=Role.BILLING), BY_HAND, None)
    assert identities.admit(ANN, ADMIN, ACT, creates=True).role is Role.BILLING
    store.people.change_user(made.id, UserChange(role_by_groups=True), BY_HAND, None)
    assert identities.admit(ANN, ADMIN, ACT, creates=True).role is Role.ADMIN


def test_whoever_is_blocked_stays_out_and_as_he_was(identities, store):
    made = identities.admit(ANN, VIEWER, ACT, creates=True)
    blocked = store.people.change_user(made.id, UserChange(is_blocked=True), BY_HAND, None)
    assert refused(identities, ANN, ADMIN) is Refusal.BLOCKED
    assert store.people.user(made.id) == blocked


def test_another_email_address_is_still_the_same_person(identities):
    made = identities.admit(ANN, VIEWER, ACT, creates=True)
    married = Identity(ANN.issuer, ANN.subject, "ann.new@example.org", "Ann")
    assert identities.admit(married, VIEWER, ACT, creates=True) == made


def test_an_email_address_that_became_anothers_opens_nothing(identities, store):
    made = identities.admit(ANN, ADMIN, ACT, creates=True)
    heir = Identity(ANN.issuer, "ann-2", ANN.email, "Ann the younger")
    assert refused(identities, heir, ADMIN) is Refusal.OTHER_ACCOUNT
    store.people.change_user(made.id, UserChange(forgets_account=True), BY_HAND, None)
    assert identities.admit(heir, ADMIN, ACT, creates=True).subject == "ann-2"


def test_with_another_provider_everybody_is_bound_anew(identities):
    made = identities.admit(ANN, VIEWER, ACT, creates=True)
    moved = Identity("https://other.test", "0815", ANN.email, "Ann")
    met = identities.admit(moved, VIEWER, ACT, creates=False)
    assert (met.id, met.issuer, met.subject) == (made.id, "https://other.test", "0815")


def test_a_rule_for_a_place_that_is_not_there_makes_nobody(identities, store):
    with pytest.raises(ValueError, match="no team 'gone'"):
        identities.admit(ANN, RoleRule(Role.VIEWER, "x", Place("", "gone")), ACT, creates=True)
    assert store.people.users().items == ()


def test_a_service_account_is_nobody_who_signs_in(identities, store):
    store.people.create_user(NewUser("bot", Role.OWNER), BY_HAND)
    assert refused(identities, Identity(ANN.issuer, "x", "bot", "Bot"), None, creates=False) is Refusal.UNKNOWN_USER
