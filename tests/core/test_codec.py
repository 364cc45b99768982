from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.codec import JsonError, decode_json, encode_json, encode_private, pretty_json, private_decoder
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Dialect, Origin, Proxy
from weighbridge.pipeline.plan import Plan
from weighbridge.providers.base import AuthStyle, Base, Credential, Provider


class Odd:
    pass


class Holder(msgspec.Struct):
    odd: Odd


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(PLAIN)
def test_plain_objects_survive_a_round_trip(value):
    assert decode_json(encode_json(value)) == value
    assert decode_json(pretty_json(value).encode()) == value


def test_json_is_compact_and_pretty_json_is_indented():
    assert encode_json({"a": [1, "é"]}) == '{"a":[1,"é"]}'.encode()
    assert pretty_json({"a": [1]}) == '{\n  "a": [\n    1\n  ]\n}'


@pytest.mark.parametrize("text", [b"", b"{", b"nul", b"{'a':1}", b"[1,]", b"\xff"])
def test_what_is_not_json_is_refused(text):
    with pytest.raises((JsonError, UnicodeDecodeError)):
        decode_json(text)


def test_secrets_have_no_json():
    with pytest.raises(TypeError):
        encode_json({"key": Secret("sk-1")})
    with pytest.raises(TypeError):
        encode_json(Credential("openai#1", Secret("sk-1")))


def test_plan_with_its_secrets_travels_between_our_processes():
    origin = Origin("https", "a.example", 443, proxy=Proxy("p.example", 3128, Secret("Basic x")))
    provider = Provider(
        "openai", {Dialect.OPENAI: Base(origin, "/v1")}, AuthStyle.BEARER, (Credential("openai#1", Secret("sk-1")),)
    )
    plan = Plan(3, (provider,))
    decoded = private_decoder(Plan)(encode_private(plan))
    assert decoded == plan
    assert decoded.providers[0].credentials[0].secret.reveal() == "sk-1"


@pytest.mark.parametrize("message", [b"", b"\x00", b"\x93\x01\x02\x03", encode_private({"version": "x"})])
def test_message_of_another_type_is_refused(message):
    with pytest.raises(JsonError):
        private_decoder(Plan)(message)


def test_other_types_have_no_private_form():
    with pytest.raises(NotImplementedError, match="Odd has no encoding"):
        encode_private(Odd())
    with pytest.raises(NotImplementedError, match="Odd has no decoding"):
        private_decoder(Holder)(encode_private({"odd": "x"}))
