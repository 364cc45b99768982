from __future__ import annotations

import pytest

from weighbridge.auth.identities import Identity, NotAdmittedError, Refusal
from weighbridge.auth.people import Role
from weighbridge.auth.sign_in_rules import GOOGLE, OidcRules, RoleRule
from weighbridge.control.oidc.claims import claim_at, identity_of, is_complete

ANN = {"sub": "ann-1", "email": "Ann@Example.org", "email_verified": True, "name": "Ann", "groups": ["staff", "staff", 7, ""]}


def rules(**changes):
    return OidcRules(**{"issuer": "https://id.test", "client_id": "wb", "roles": (RoleRule(Role.VIEWER, "staff"),), **changes})


def refusal(claims, **changes):
    with pytest.raises(NotAdmittedError) as raised:
        identity_of({**ANN, **claims}, rules(**changes))
    return raised.value.refusal


def test_a_person_is_known_by_address_and_account():
    assert identity_of(ANN, rules()) == Identity("https://id.test", "ann-1", "ann@example.org", "Ann", frozenset({"staff"}))


@pytest.mark.parametrize("told", [True, None, "true"])
def test_an_address_counts_unless_the_provider_says_that_it_is_not_verified(told):
    assert identity_of({**ANN, "email_verified": told}, rules()).email == "ann@example.org"


@pytest.mark.parametrize(
    ("claims", "changes", "why"),
    [
        ({"email_verified": False}, {}, Refusal.UNVERIFIED_EMAIL),
        ({"email_verified": "false"}, {}, Refusal.UNVERIFIED_EMAIL),
        ({"email_verified": None, "xms_edov": "0"}, {}, Refusal.UNVERIFIED_EMAIL),
        ({"email": None}, {}, Refusal.NO_EMAIL),
        ({"email": "ann"}, {}, Refusal.NO_EMAIL),
        ({"email": "a b@example.org"}, {}, Refusal.NO_EMAIL),
        ({"email": ["ann@example.org"]}, {}, Refusal.NO_EMAIL),
        ({"email": "x" * 90 + "@example.org"}, {}, Refusal.NO_EMAIL),
        ({}, {"user_claim": "upn"}, Refusal.NO_EMAIL),
        ({}, {"allowed_domains": frozenset({"acme.test"})}, Refusal.OTHER_DOMAIN),
        ({"email": "ann@example.org.evil.test"}, {"allowed_domains": frozenset({"example.org"})}, Refusal.OTHER_DOMAIN),
        ({"email": "ann@evil-example.org"}, {"allowed_domains": frozenset({"example.org"})}, Refusal.OTHER_DOMAIN),
        ({"_claim_names": {"groups": "src1"}}, {}, Refusal.GROUPS_LEFT_OUT),
    ],
    ids=str,
)
def test_who_may_not_come_in(claims, changes, why):
    assert refusal(claims, **changes) is why


def test_at_google_the_organisation_counts_and_not_the_address():
    ours = {"issuer": GOOGLE, "allowed_domains": frozenset({"example.org"})}
    assert refusal({}, **ours) is Refusal.OTHER_DOMAIN
    assert refusal({"hd": "evil.test"}, **ours) is Refusal.OTHER_DOMAIN
    assert identity_of({**ANN, "hd": "example.org"}, rules(**ours)).email == "ann@example.org"
    private = {"issuer": GOOGLE, "allowed_domains": frozenset({"gmail.com"})}
    assert identity_of({**ANN, "email": "ann@gmail.com"}, rules(**private)).email == "ann@gmail.com"


@pytest.mark.parametrize(
    ("name", "preferred", "known_as"),
    [
        ("Ann", "ann", "Ann"),
        (None, "ann", "ann"),
        ("", None, "ann@example.org"),
        ("A\nB", "x" * 101, "ann@example.org"),
        (" Ann", 7, "ann@example.org"),
    ],
)
def test_a_name_is_one_that_a_user_can_have(name, preferred, known_as):
    assert identity_of({**ANN, "name": name, "preferred_username": preferred}, rules()).name == known_as


@pytest.mark.parametrize(
    ("path", "claims", "found"),
    [
        ("groups", {"groups": ["a"]}, {"a"}),
        ("groups", {"groups": "a"}, {"a"}),
        ("groups", {"groups": None}, set()),
        ("realm_access.roles", {"realm_access": {"roles": ["a", "b"]}}, {"a", "b"}),
        ("realm_access.roles", {"realm_access": ["a"]}, set()),
        ("https://acme.test/groups", {"https://acme.test/groups": ["a"]}, {"a"}),
        ("urn:zitadel:iam:org:project:roles", {"urn:zitadel:iam:org:project:roles": {"a": {"1": "x"}}}, {"a"}),
    ],
)
def test_groups_are_found_where_providers_have_them(path, claims, found):
    assert identity_of({**ANN, "groups": [], **claims}, rules(groups_claim=path)).groups == found
    assert claim_at({}, path) is None


def test_what_is_missing_is_asked_for_only_if_somebody_wants_it():
    assert is_complete(ANN, rules())
    assert not is_complete({"sub": "1", "email": "a@b"}, rules())
    assert is_complete({"sub": "1", "email": "a@b"}, rules(roles=(RoleRule(Role.VIEWER),)))
    assert not is_complete({"sub": "1"}, rules(roles=()))
    assert is_complete({"sub": "1", "email": "a@b", "_claim_names": {"groups": "s"}}, rules())
