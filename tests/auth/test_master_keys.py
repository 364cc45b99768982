"""What is sealed opens under its own key and for its own row only, and a first key takes another's place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.auth.master_keys import MasterKeys, NoMasterKeyError, Sealed, master_key_id
from weighbridge.auth.sealing import SealBrokenError
from weighbridge.core.secret import Secret

OLD, NEW, OTHER = (Secret(letter * 32) for letter in "abc")
ROW = ("pkey_1", "team", "search", "openai")


@given(text=st.text(min_size=1), identity=st.lists(st.text(), max_size=4))
def test_what_is_sealed_comes_back_for_who_it_belongs_to(text, identity):
    keys = MasterKeys([NEW, OLD])
    sealed = keys.seal(Secret(text), *identity)
    assert keys.open(sealed, *identity).reveal() == text
    assert sealed.master_key == keys.first == master_key_id(NEW)


def test_the_first_seals_and_all_open():
    sealed = MasterKeys([OLD]).seal(Secret("sk-1"), *ROW)
    assert MasterKeys([NEW, OLD]).open(sealed, *ROW) == Secret("sk-1")


def test_another_key_does_not_open_it():
    sealed = MasterKeys([OLD]).seal(Secret("sk-1"), *ROW)
    with pytest.raises(SealBrokenError, match="not configured"):
        MasterKeys([NEW]).open(sealed, *ROW)
    with pytest.raises(SealBrokenError):
        MasterKeys([NEW]).open(Sealed(master_key_id(NEW), sealed.content), *ROW)


@pytest.mark.parametrize("place", range(4))
def test_a_row_that_was_given_to_somebody_else_does_not_open(place):
    keys = MasterKeys([NEW])
    sealed = keys.seal(Secret("sk-1"), *ROW)
    other = [*ROW[:place], "other", *ROW[place + 1 :]]
    with pytest.raises(SealBrokenError):
        keys.open(sealed, *other)


def test_two_seals_of_one_secret_differ():
    keys = MasterKeys([NEW])
    assert keys.seal(Secret("sk-1"), *ROW).content != keys.seal(Secret("sk-1"), *ROW).content


def test_without_a_master_key_nothing_is_sealed():
    assert not MasterKeys()
    with pytest.raises(NoMasterKeyError, match=r"provider_keys\.master_keys"):
        MasterKeys().seal(Secret("sk-1"), *ROW)


def test_a_keys_id_tells_nothing_of_it_and_is_its_own():
    assert master_key_id(NEW) not in NEW.reveal()
    assert len({master_key_id(key) for key in (OLD, NEW, OTHER)}) == 3
