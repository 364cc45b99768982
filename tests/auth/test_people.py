from __future__ import annotations

import pytest

from weighbridge.auth.people import EVERYWHERE, Place, check_email, check_handle, check_password

ACME, SEARCH = Place("acme"), Place("acme", "search")


@pytest.mark.parametrize(
    ("place", "other", "has"),
    [
        (EVERYWHERE, EVERYWHERE, True),
        (EVERYWHERE, SEARCH, True),
        (ACME, ACME, True),
        (ACME, SEARCH, True),
        (ACME, EVERYWHERE, False),
        (ACME, Place("other", "search"), False),
        (SEARCH, SEARCH, True),
        (SEARCH, ACME, False),
        (SEARCH, EVERYWHERE, False),
        (SEARCH, Place("acme", "ads"), False),
    ],
)
def test_a_place_has_itself_and_what_is_in_it(place, other, has):
    assert place.has(other) is has


@pytest.mark.parametrize("name", ["", "*", "a@b", " a", "a\n", "x" * 65])
def test_names_that_would_be_mistaken_are_refused(name):
    with pytest.raises(ValueError, match="a team's name"):
        check_handle(name, "a team")


def test_an_email_address_is_kept_in_lower_case():
    assert check_email("Ann@Example.org") == "ann@example.org"


@pytest.mark.parametrize("email", ["ann", "ann@", "@example.org", "ann@exam ple", "ann@@example.org", f"{'a' * 90}@example.org"])
def test_what_is_no_email_address_is_refused(email):
    with pytest.raises(ValueError, match="e-mail"):
        check_email(email)


@pytest.mark.parametrize("password", ["short", "x" * 257, "************", "••••••••••••"])
def test_a_password_is_long_enough_and_no_mask_and_is_not_repeated(password):
    with pytest.raises(ValueError, match="password") as refused:
        check_password(password)
    assert password not in str(refused.value)
