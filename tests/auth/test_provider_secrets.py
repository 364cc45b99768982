"""What may be handed in as a provider's key, and what is told of it."""

from __future__ import annotations

import pytest

from weighbridge.auth.provider_secrets import check_label, check_provider_secret, hint_of
from weighbridge.core.secret import Secret


@pytest.mark.parametrize("text", ["sk-proj-abcdef012345", "AIzaSy.a-b_c/d+e=", "x" * 7 + "-abc"])
def test_keys_as_vendors_make_them_are_taken(text):
    assert check_provider_secret(Secret(text)).reveal() == text


@pytest.mark.parametrize("text", ["sk-...abcd", "sk-****abcd", "••••••••abcd", "sk-…abcd0123", "[secret]", "xxxxxxxxxxxx", "***"])
def test_a_masked_key_is_not_taken_back(text):
    with pytest.raises(ValueError, match="mask"):
        check_provider_secret(Secret(text))


@pytest.mark.parametrize("text", ["short", "a" * 8193, "two words here", "line\nbreak-key", "ümlaut-key-123"])
def test_what_no_header_can_carry_is_refused_without_repeating_it(text):
    with pytest.raises(ValueError, match="a provider's key") as refused:
        check_provider_secret(Secret(text))
    assert text not in str(refused.value)


def test_a_key_of_this_gateway_is_none_of_a_provider():
    with pytest.raises(ValueError, match="of this gateway"):
        check_provider_secret(Secret("wb-" + "k" * 43))


def test_four_characters_are_told_of_a_long_key_and_none_of_a_short_one():
    assert hint_of(Secret("sk-proj-abcdef012345")) == "2345"
    assert hint_of(Secret("sk-abcdefgh")) == ""


@pytest.mark.parametrize("label", [" x", "x ", "a\nb", "x" * 65])
def test_a_label_is_short_and_printable(label):
    assert check_label("Production, EU") == "Production, EU"
    with pytest.raises(ValueError, match="a label"):
        check_label(label)
