from __future__ import annotations

import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.codec import JsonError
from weighbridge.wire.tolerant_decoder import tolerant_decoder


class Part(msgspec.Struct):
    count: int | None = None


class Reply(msgspec.Struct, rename="camel"):
    model_name: str | None = None
    part: Part | None = None
    parts: list[Part] | None = None


decode = tolerant_decoder(Reply)
GOOD = b'"modelName":"m"'
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def test_unknown_fields_are_skipped() -> None:
    assert decode(b'{"new":{"a":[1,2]},' + GOOD + b"}") == Reply("m")


@pytest.mark.parametrize(
    "wrong",
    [
        b'"part":"text"',
        b'"part":{"count":"7"}',
        b'"part":{"count":' + b"9" * 5000 + b"}",
        b'"parts":[null,{"count":1}]',
        b'"parts":{"0":{"count":1}}',
    ],
)
def test_a_field_of_an_unexpected_type_costs_only_itself(wrong) -> None:
    assert decode(b"{" + wrong + b"," + GOOD + b"}") == Reply("m")


def test_floats_are_rounded_up_wherever_they_stand() -> None:
    document = b'{"part":{"count":8.0},"parts":[{"count":2.01},{"count":3}],' + GOOD + b"}"
    assert decode(document) == Reply("m", Part(8), [Part(3), Part(3)])


@pytest.mark.parametrize(
    "beside",
    [b"1e400", b"9" * 5000, b"[" * 600 + b"]" * 600],
    ids=["out-of-range", "thousands-of-digits", "deep"],
)
def test_what_nobody_reads_cannot_spoil_what_is_saved(beside) -> None:
    assert decode(b'{"part":7,"unread":' + beside + b"," + GOOD + b"}") == Reply("m")


@pytest.mark.parametrize("depth", [600, 900, 100_000])
def test_a_field_nested_too_deeply_is_no_crash(depth) -> None:
    document = b'{"modelName":7,"part":' + b"[" * depth + b"]" * depth + b"}"
    try:
        assert decode(document) == Reply()
    except JsonError:
        assert depth > 600


@pytest.mark.parametrize(
    "document", [b"", b"null", b"[]", b"7", b'"text"', b"<html>", b"{", b'{"part":7,', b'{"modelName":"\xff"}']
)
def test_what_is_no_json_object_is_refused(document) -> None:
    with pytest.raises(JsonError):
        decode(document)


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_read_or_refused(document) -> None:
    with suppress(JsonError):
        assert isinstance(decode(document), Reply)


@given(st.fixed_dictionaries({"modelName": JSON_VALUES, "part": JSON_VALUES, "parts": JSON_VALUES, "other": JSON_VALUES}))
def test_every_object_is_read_and_keeps_the_fields_that_fit(fields) -> None:
    reply = decode(json.dumps(fields).encode())
    name = fields["modelName"]
    assert reply.model_name == (name if isinstance(name, str) else None)
