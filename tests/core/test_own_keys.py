"""Whose provider keys a request may be sent with."""

from __future__ import annotations

from weighbridge.core.own_keys import OwnerKind, OwnKey, owners_of
from weighbridge.core.secret import Secret
from weighbridge.core.terms import NO_USAGE, Attempt, VirtualKey


def test_the_key_itself_is_nearest_then_its_team_then_its_organisation():
    key = VirtualKey("key_1", "ci", b"", team="search", organisation="acme")
    assert [str(owner) for owner in owners_of(key)] == ["key:key_1", "team:search", "organisation:acme"]


def test_who_is_in_no_place_has_only_what_is_the_keys():
    assert [owner.kind for owner in owners_of(VirtualKey("key_1", "ci", b""))] == [OwnerKind.KEY]


def test_an_attempt_says_by_its_credential_that_it_was_made_with_an_own_key():
    own = OwnKey("pkey_1", owners_of(VirtualKey("key_1", "ci", b""))[0], "openai", Secret("sk-1"))
    attempts = [Attempt("openai", "gpt", name, 200, None, NO_USAGE, 0, 0, 0) for name in (own.credential, "openai#1", "")]
    assert [attempt.is_own_key for attempt in attempts] == [True, False, False]
