from __future__ import annotations

import hashlib
import re

import pytest

from weighbridge.auth.virtual_keys import (
    MAX_MODELS,
    KeysDelta,
    check_models,
    check_name,
    digest_of,
    mint_key,
    minted_from,
    new_key_id,
)
from weighbridge.core.codec import encode_private, private_decoder
from weighbridge.core.secret import Secret
from weighbridge.core.terms import VirtualKey


def test_a_key_has_256_random_bits_behind_its_prefix():
    keys = {mint_key().secret.reveal() for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch(r"wb-[A-Za-z0-9_-]{43}", key) for key in keys)


def test_what_is_kept_of_a_key_is_its_hash_and_its_last_characters():
    secret, digest, hint = mint_key()
    assert digest == hashlib.sha256(secret.reveal().encode()).digest() == digest_of(secret.reveal().encode())
    assert secret.reveal().endswith(hint)
    assert len(hint) == 4


def test_a_minted_key_does_not_show_itself():
    minted = mint_key()
    assert minted.secret.reveal() not in repr(minted)


def test_a_key_read_back_has_the_same_digest():
    minted = mint_key()
    assert minted_from(minted.secret) == minted


@pytest.mark.parametrize("text", ["", "wb-", "wb-" + "a" * 42, "sk-" + "a" * 43, "wb-" + "é" * 43, "wb-" + "a" * 43 + "\n"])
def test_what_is_no_key_is_refused_without_repeating_it(text):
    with pytest.raises(ValueError, match="not a virtual key") as caught:
        minted_from(Secret(text))
    assert "aaa" not in str(caught.value)


@pytest.mark.parametrize("name", ["ci", "Anna's laptop", "数据", "x" * 64])
def test_names_are_free_text(name):
    check_name(name)


@pytest.mark.parametrize("name", ["", "x" * 65, " a", "a ", "a\tb", "a\x1b[31m", pytest.param(new_key_id(), id="a-new-id")])
def test_names_cannot_hide_or_pass_for_an_id(name):
    with pytest.raises(ValueError, match="name"):
        check_name(name)


def test_models_are_names_or_patterns():
    check_models(("openai/*", "gpt-4o", "arn:aws:bedrock:eu-west-1::x/y.z-v1:0"))
    check_models(())


@pytest.mark.parametrize("models", [("",), ("a b",), ("a\n",), ("x" * 257,), ("m",) * (MAX_MODELS + 1)])
def test_models_are_bounded_and_printable(models):
    with pytest.raises(ValueError, match="model"):
        check_models(models)


def test_a_delta_travels_to_a_worker_as_it_is():
    key = VirtualKey(id="key_1", name="ci", digest=b"\xff" * 32, models=("a",), expires_wall_ns=2**62)
    delta = KeysDelta(7, (key,), (b"\x00" * 32,))
    assert private_decoder(KeysDelta)(encode_private(delta)) == delta
