"""Contents of a caller's request."""

from __future__ import annotations

import pytest

from weighbridge.core.errors import GatewayError
from weighbridge.wire.conversation import (
    Image,
    MediaBytes,
    Reasoning,
    Role,
    Seal,
    SealKind,
    ServerTool,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from weighbridge.wire.gemini_generate.content_reader import ContentReader
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.sealing import wrap

OWN = Seal("gemini", SealKind.SIGNATURE, "QUJD")
FOREIGN = Seal("anthropic", SealKind.SIGNATURE, "S")


def read(contents):
    receipt = Receipt()
    return ContentReader(receipt).read(contents, "contents"), receipt.edits()


def model(*parts):
    return {"role": "model", "parts": list(parts)}


def user(*parts):
    return {"role": "user", "parts": list(parts)}


@pytest.mark.parametrize(
    "contents", [{"parts": {"text": "a"}}, [{"parts": [{"text": "a"}]}], [{"role": "", "parts": [{"text": "a"}]}]]
)
def test_a_content_without_a_role_or_a_list_is_the_users(contents):
    assert read(contents) == ((Turn(Role.USER, (Text("a"),)),), [])


def test_an_unknown_role_is_refused_by_its_path():
    with pytest.raises(GatewayError) as refused:
        read([user({"text": "a"}), {"role": "system", "parts": []}])
    assert refused.value.param == "contents[1].role"


def test_calls_without_ids_are_paired_with_their_results_by_name_and_order():
    contents = [
        user({"text": "go"}),
        model({"functionCall": {"name": "f", "args": {"a": 1}}}, {"functionCall": {"name": "g"}}, {"functionCall": {"name": "f"}}),
        {"role": "function", "parts": [{"functionResponse": {"name": "f", "response": {"output": "one"}}}]},
        user({"functionResponse": {"name": "f", "response": {"output": "two"}}}, {"functionResponse": {"name": "g"}}),
    ]
    turns, edits = read(contents)
    assert edits == []
    assert turns[1].parts == (
        ToolCall("call_1_0", "f", '{"a":1}'),
        ToolCall("call_1_1", "g", "{}"),
        ToolCall("call_1_2", "f", "{}"),
    )
    assert turns[2] == Turn(
        Role.USER,
        (
            ToolResult("call_1_0", (Text("one"),), "f"),
            ToolResult("call_1_2", (Text("two"),), "f"),
            ToolResult("call_1_1", (), "g"),
        ),
    )


def test_calls_with_ids_keep_them():
    call, result = {"id": "x", "name": "f"}, {"id": "x", "name": "f", "response": {"error": "broken"}}
    turns, _ = read([model({"function_call": call}), user({"function_response": result})])
    assert turns[0].parts == (ToolCall("x", "f", "{}"),)
    assert turns[1].parts == (ToolResult("x", (Text("broken"),), "f", is_error=True),)


@pytest.mark.parametrize(
    ("response", "text", "is_error"),
    [
        ({"output": "a"}, "a", None),
        ({"error": {"code": 1}}, '{"code":1}', True),
        ({"result": "a"}, '{"result":"a"}', None),
        ({"output": {"b": 1}}, '{"output":{"b":1}}', None),
    ],
)
def test_an_answer_of_a_tool_is_text_or_json(response, text, is_error):
    turns, _ = read([user({"functionResponse": {"id": "x", "name": "f", "response": response}})])
    assert turns[0].parts == (ToolResult("x", (Text(text),), "f", is_error),)


def test_a_result_may_hold_pictures():
    parts = [{"inline_data": {"mime_type": "image/png", "data": "QQ=="}}]
    turns, _ = read([user({"functionResponse": {"id": "x", "name": "f", "response": {"output": "a"}, "parts": parts}})])
    assert turns[0].parts[0].parts == (Text("a"), Image(MediaBytes("QQ==", "image/png")))


def test_a_streamed_answer_that_comes_back_in_pieces_is_one_turn():
    contents = [
        user({"text": "hi"}),
        model({"text": "I ", "thought": True}),
        model({"text": "think", "thought": True}),
        model({"text": "", "thought": True, "thoughtSignature": wrap(FOREIGN, "gemini")}),
        model({"text": "Hel"}),
        model({"text": "lo"}),
        model({"text": "", "thoughtSignature": "QUJD"}),
        model({"functionCall": {"id": "x", "name": "f"}, "thoughtSignature": "QUJD"}),
        user({"text": "and"}),
    ]
    turns, edits = read(contents)
    assert edits == []
    assert len(turns) == 3
    assert turns[1] == Turn(
        Role.ASSISTANT, (Reasoning("I think", seal=FOREIGN), Text("Hello", seal=OWN), ToolCall("x", "f", "{}", seal=OWN))
    )


def test_a_signature_of_nothing_is_kept_alone():
    turns, _ = read([model({"text": "", "thoughtSignature": "QUJD"}, {"text": "a"})])
    assert turns[0].parts == (Reasoning(seal=OWN), Text("a"))


def test_texts_of_the_user_stay_apart():
    turns, _ = read([user({"text": "a"}, {"text": "b"}), user({"text": "c"})])
    assert turns == (Turn(Role.USER, (Text("a"), Text("b"))), Turn(Role.USER, (Text("c"),)))


def test_steps_of_googles_tools_are_kept_whole():
    part = {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "QUJD"}
    turns, _ = read([model(part)])
    (step,) = turns[0].parts
    assert isinstance(step, ServerTool)
    assert step.raw == part


@pytest.mark.parametrize(
    ("part", "edit"),
    [
        ({"text": "a", "videoMetadata": {"fps": 1}}, "dropped:contents[0].parts[0].videoMetadata"),
        ({"text": "a", "new_thing": 1}, "dropped:contents[0].parts[0].newThing"),
        ({"functionCall": {"name": "f", "extra": 1}}, "dropped:contents[0].parts[0].functionCall.extra"),
    ],
)
def test_what_is_not_known_is_named(part, edit):
    assert read([user(part)])[1] == [edit]


def test_what_a_content_holds_beside_its_parts_is_named():
    assert read([{"role": "user", "parts": [{"text": "a"}], "name": "anna"}])[1] == ["dropped:contents[0].name"]


def test_a_result_without_a_call_gets_an_id_of_its_own():
    turns, _ = read([user({"functionResponse": {"name": "f"}}, {"functionResponse": {"name": "f"}})])
    assert [part.call_id for part in turns[0].parts] == ["call_0_0", "call_0_1"]


def test_an_empty_content_still_has_a_part():
    assert read([user()])[0] == (Turn(Role.USER, (Text(""),)),)


def test_a_call_without_a_name_is_refused():
    with pytest.raises(GatewayError) as refused:
        read([model({"functionCall": {"args": {}}})])
    assert refused.value.param == "contents[0].parts[0].functionCall.name"
