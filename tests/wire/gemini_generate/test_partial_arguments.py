"""Arguments that come in pieces."""

from __future__ import annotations

from weighbridge.core.codec import decode_json
from weighbridge.wire.gemini_generate.partial_arguments import PartialArguments


def joined(*pieces):
    arguments = PartialArguments()
    for piece in pieces:
        arguments.add(piece)
    return decode_json(arguments.text())


def test_pieces_of_a_text_are_joined():
    pieces = [{"jsonPath": "$.id", "stringValue": "A", "willContinue": True}, {"jsonPath": "$.id", "stringValue": "B"}]
    assert joined(*pieces) == {"id": "AB"}


def test_places_may_be_nested():
    assert joined(
        {"jsonPath": "$.steps[0].name", "stringValue": "cut"},
        {"jsonPath": "$.steps[1].minutes", "numberValue": 5},
        {"jsonPath": "$['odd name'].x", "boolValue": True},
        {"jsonPath": "$.none", "nullValue": "NULL_VALUE"},
        {"jsonPath": "$.tags[1]", "stringValue": "b"},
    ) == {"steps": [{"name": "cut"}, {"minutes": 5}], "odd name": {"x": True}, "none": None, "tags": [None, "b"]}


def test_what_makes_no_sense_is_left_out():
    assert joined(
        "x", {}, {"jsonPath": "$", "stringValue": "a"}, {"jsonPath": "$.a[99999999]", "stringValue": "a"}, {"jsonPath": "$.b"},
        {"jsonPath": "$.c", "stringValue": "text"}, {"jsonPath": "$.c.d", "stringValue": "a"},
        {"jsonPath": "$.c.d.e", "stringValue": "a"}, {"jsonPath": "$.c[0].e", "stringValue": "a"},
    ) == {"a": [], "c": "text"}  # fmt: skip


def test_no_pieces_are_no_arguments():
    assert PartialArguments().text() == "{}"
