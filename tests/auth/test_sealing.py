from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.auth.sealing import SealBrokenError, seal, unseal
from weighbridge.core.secret import Secret


@given(st.text(max_size=200), st.binary(min_size=16, max_size=300))
def test_what_was_sealed_is_read_by_who_holds_the_key(text, under):
    sealed = seal(Secret(text), under, "test")
    assert unseal(sealed, under, "test").reveal() == text


def test_nothing_of_the_secret_is_in_the_seal_and_no_two_are_the_same():
    seals = {seal(Secret("wb-very-secret"), b"k" * 16, "test") for _ in range(3)}
    assert len(seals) == 3
    assert not any(b"secret" in each for each in seals)


@given(st.integers(0, 35), st.integers(1, 255))
def test_a_seal_that_was_changed_is_broken(place, flip):
    sealed = bytearray(seal(Secret("12345678"), b"k" * 16, "test"))
    sealed[place] ^= flip
    with pytest.raises(SealBrokenError):
        unseal(bytes(sealed), b"k" * 16, "test")


@pytest.mark.parametrize(("under", "purpose"), [(b"x" * 16, "test"), (b"k" * 16, "other")])
def test_another_key_or_another_purpose_opens_nothing(under, purpose):
    with pytest.raises(SealBrokenError):
        unseal(seal(Secret("s"), b"k" * 16, "test"), under, purpose)


def test_what_is_no_seal_is_broken():
    with pytest.raises(SealBrokenError):
        unseal(b"", b"k" * 16, "test")
