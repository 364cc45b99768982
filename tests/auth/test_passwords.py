from __future__ import annotations

import pytest

from weighbridge.auth.passwords import hash_password, is_password

PASSWORD = "correct horse battery"


@pytest.mark.slow
def test_a_password_is_kept_as_a_salted_argon2id_hash():
    first, second = hash_password(PASSWORD), hash_password(PASSWORD)
    assert first != second
    assert first.startswith("$argon2id$")
    assert PASSWORD not in first
    assert is_password(PASSWORD, first)
    assert not is_password(PASSWORD + " ", first)


@pytest.mark.slow
def test_no_password_is_that_of_an_account_without_one():
    assert not is_password("", None)
    assert not is_password(PASSWORD, None)


def test_a_hash_that_is_damaged_lets_nobody_in():
    assert not is_password(PASSWORD, "$argon2id$broken")
