"""Another vendor's opaque texts, kept by callers for us."""

from __future__ import annotations

import re
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.wire.conversation import Seal, SealKind
from weighbridge.wire.sealing import unwrap, wrap

SEALS = st.builds(Seal, st.sampled_from(["anthropic", "openai"]), st.sampled_from(SealKind), st.text(st.characters(codec="utf-8")))


@given(seal=SEALS)
def test_a_foreign_seal_comes_back_as_it_was(seal):
    assert unwrap(wrap(seal, "gemini"), "gemini", SealKind.ENCRYPTED) == seal


@given(seal=SEALS)
def test_a_wrapping_is_base64_whatever_is_in_it(seal):
    assert re.fullmatch(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", wrap(seal, "gemini"))


def test_a_vendor_gets_its_own_seal_as_it_is():
    assert wrap(Seal("anthropic", SealKind.SIGNATURE, "EqQB"), "anthropic") == "EqQB"
    assert unwrap("EqQB", "anthropic", SealKind.REDACTED) == Seal("anthropic", SealKind.REDACTED, "EqQB")


WHOLE = wrap(Seal("openai", SealKind.ENCRYPTED, "text"), "gemini")
INNER = (b"wbseal1:[", b"wbseal1:{}", b"wbseal1:[1]", b'wbseal1:["x","y","z"]', b"wbseal1:\xff")
DAMAGED = [WHOLE[:-3], WHOLE[:12], WHOLE + "!", "d2JzZWFsMT*", *(b64encode(inner).decode() for inner in INNER)]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_wrapping_is_left_for_its_vendor_to_judge(text):
    assert unwrap(text, "gemini", SealKind.SIGNATURE) == Seal("gemini", SealKind.SIGNATURE, text)
