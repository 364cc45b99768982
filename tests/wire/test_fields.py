from __future__ import annotations

import pytest

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.fields import Fields, read_object
from weighbridge.wire.receipt import Receipt


def fields(**values):
    return Fields(values, "")


@pytest.mark.parametrize(
    ("method", "value", "read"),
    [
        ("text", "x", "x"),
        ("required_text", "x", "x"),
        ("boolean", False, False),
        ("integer", 5, 5),
        ("integer", 5.0, 5),
        ("number", 5, 5),
        ("number", 0.5, 0.5),
        ("value", [1], [1]),
        ("json_object", {"a": 1}, {"a": 1}),
        ("array", [1, "x"], [1, "x"]),
        ("texts", ["a", "b"], ("a", "b")),
    ],
)
def test_a_value_of_the_right_type_is_read_once(method, value, read):
    given = fields(x=value)
    assert getattr(given, method)("x") == read
    assert given.rest == {}


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("text", 5),
        ("required_text", None),
        ("boolean", 1),
        ("boolean", "true"),
        ("integer", 5.5),
        ("integer", True),
        ("number", "5"),
        ("number", True),
        ("json_object", []),
        ("nested", "x"),
        ("array", {}),
        ("objects", [5]),
        ("texts", "x"),
        ("texts", [5]),
    ],
)
def test_a_value_of_another_type_is_refused_by_its_path(method, value):
    with pytest.raises(GatewayError) as refused:
        getattr(Fields({"x": value}, "messages[3]"), method)("x")
    assert refused.value.kind is ErrorKind.INVALID_REQUEST
    assert refused.value.param.startswith("messages[3].x")


@pytest.mark.parametrize("method", ["text", "boolean", "integer", "number", "value", "json_object", "nested", "array", "objects"])
def test_null_reads_as_absent(method):
    assert getattr(fields(x=None), method)("x") is None
    assert getattr(fields(), method)("x") is None


def test_paths_name_what_is_inside():
    outer = read_object(encode_json({"a": {"b": [{"c": 1}]}}))
    inner = outer.nested("a")
    (entry,) = inner.objects("b")
    assert (inner.path, entry.path, entry.at("c")) == ("a", "a.b[0]", "a.b[0].c")


def test_what_nobody_took_is_named_once_and_null_says_nothing():
    receipt = Receipt()
    given = Fields({"a": 1, "b": None, "c": 2, "d": 3}, "m")
    given.integer("a")
    given.leftover(receipt, ignored=("c",))
    assert receipt.edits() == ["dropped:m.d"]


def test_reading_leaves_the_callers_object_as_it_was():
    value = {"a": 1}
    Fields(value, "").integer("a")
    assert value == {"a": 1}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b'"\xff"', b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(GatewayError) as refused:
        read_object(body)
    assert refused.value.kind is ErrorKind.INVALID_REQUEST
