"""Names in both spellings, enums by number, seals, ids, arguments."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode

import pytest

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import GatewayError
from weighbridge.wire.conversation import Seal, SealKind, ServerToolKind
from weighbridge.wire.fields import Fields
from weighbridge.wire.gemini_generate.vocabulary import (
    arguments_object,
    call_arguments,
    call_id,
    camel,
    compact_json,
    enum_word,
    integer,
    listed,
    message,
    messages,
    read_seal,
    read_step,
)
from weighbridge.wire.sealing import wrap


def test_names_are_read_in_both_spellings():
    assert camel({"inline_data": {"mime_type": "a"}, "text": 1}) == {"inlineData": {"mime_type": "a"}, "text": 1}
    same = {"inlineData": 1}
    assert camel(same) is same


def test_one_object_alone_is_a_list_of_it():
    assert listed({"text": "a"}, "parts") == [({"text": "a"}, "parts")]
    assert listed(None, "parts") == []
    assert messages(Fields({"tools": {"code_execution": {}}}, ""), "tools")[0].rest == {"codeExecution": {}}


@pytest.mark.parametrize(("value", "path"), [("x", "parts"), ([{}, 1], "parts[1]")])
def test_what_is_no_list_of_objects_is_refused_by_its_path(value, path):
    with pytest.raises(GatewayError) as refused:
        listed(value, "parts")
    assert refused.value.param == path


def test_an_absent_message_is_none():
    assert message(Fields({}, ""), "toolConfig") is None


def test_numbers_are_taken_as_text_too():
    assert integer(Fields({"seed": "-12"}, ""), "seed") == -12
    assert integer(Fields({"seed": 3.0}, ""), "seed") == 3
    with pytest.raises(GatewayError):
        integer(Fields({"seed": "many"}, ""), "seed")


@pytest.mark.parametrize(
    ("value", "word"),
    [("any", "ANY"), (2, "ANY"), (9, None), ("MODE_UNSPECIFIED", None), (None, None), (True, None)],
)
def test_an_enum_is_its_name_or_its_number(value, word):
    assert enum_word(value, {1: "AUTO", 2: "ANY"}) == word


@pytest.mark.parametrize("signature", ["QUJD+/==", "QUJD-_==", "AY89a1-w_"])
def test_a_signature_of_googles_stays_as_it_was_spelled(signature):
    assert read_seal(signature) == Seal("gemini", SealKind.SIGNATURE, signature)


def test_another_vendors_seal_survives_the_alphabet_of_the_sdk():
    seal = Seal("anthropic", SealKind.SIGNATURE, "~~~???>>>" * 5)
    wrapped = wrap(seal, "gemini")
    spelled = wrapped.replace("+", "-").replace("/", "_")
    assert spelled != wrapped
    assert read_seal(spelled) == read_seal(wrapped) == seal


@pytest.mark.parametrize("word", [b"skip_thought_signature_validator", b"context_engineering_is_the_way_to_go"])
def test_a_stand_in_is_no_signature(word):
    assert [read_seal(text) for text in (word.decode(), b64encode(word).decode(), urlsafe_b64encode(word).decode())] == [None] * 3


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ({"executableCode": {"code": "1"}}, ServerToolKind.CODE_EXECUTION),
        ({"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "id": "a"}}, ServerToolKind.WEB_SEARCH),
        ({"toolResponse": {"toolType": "SOMETHING_NEW"}}, ServerToolKind.OTHER),
    ],
)
def test_a_step_of_a_tool_of_googles_is_kept_whole(part, kind):
    step = read_step(part)
    assert step is not None
    assert (step.kind, step.raw, step.origin) == (kind, part, "gemini")


def test_what_was_searched_for_is_known():
    step = read_step({"toolCall": {"args": {"queries": ["paris"]}}})
    assert step is not None
    assert step.query == "paris"
    assert read_step({"text": "a"}) is None


def test_ids_of_calls_differ_between_replies_and_suit_every_vendor():
    assert call_id("aB-_9", 0) == "call_aB-_9_0"
    assert call_id("", 1) == "call_1"
    assert len(call_id("x" * 200, 10)) <= 64
    assert call_id("a/b.c", 2) == "call_abc_2"


@pytest.mark.parametrize("text", ['{"a":1.0}', " {}", '{"b":{"c":[1e3]}}'])
def test_arguments_are_an_object_spelled_as_they_came(text):
    assert encode_json(arguments_object(text)) == text.encode()


@pytest.mark.parametrize("text", ["[1]", "x", '{"a":}', '{"a":1} 2', "{" * 100_000])
def test_arguments_that_are_no_object_are_wrapped(text):
    assert arguments_object(text) is None
    assert call_arguments(text, is_custom=False) == {"arguments": text}


def test_free_text_is_the_one_argument_of_its_tool():
    assert call_arguments("SELECT 1", is_custom=True) == {"input": "SELECT 1"}
    assert encode_json(call_arguments("", is_custom=False)) == b"{}"


def test_json_is_made_compact_without_touching_its_numbers():
    assert compact_json(b'{\n  "a": [1.0, 1e3],\n "b": "x y"\n}') == '{"a":[1.0,1e3],"b":"x y"}'
