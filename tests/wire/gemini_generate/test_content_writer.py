"""Turns as contents."""

from __future__ import annotations

import pytest

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import GatewayError
from weighbridge.wire.conversation import (
    Audio,
    CacheBreakpoint,
    Document,
    Image,
    MediaBytes,
    MediaFile,
    MediaUrl,
    Reasoning,
    Refusal,
    Role,
    Seal,
    SealKind,
    ServerTool,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from weighbridge.wire.gemini_generate.content_writer import ContentWriter
from weighbridge.wire.gemini_generate.families import family_of
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt

STAND_IN = "skip_thought_signature_validator"
OWN = Seal("gemini", SealKind.SIGNATURE, "QUJD")
FOREIGN = Seal("anthropic", SealKind.SIGNATURE, "S")
PNG = MediaBytes("QQ==", "image/png")


def write(*turns, model="gemini-3-flash-preview", quirks=NO_QUIRKS):
    receipt = Receipt()
    writer = ContentWriter(family_of(model), quirks, receipt)
    writer.write(turns)
    return decode_json(encode_json(writer.contents)), writer.system, receipt


def said_by(*parts):
    return Turn(Role.ASSISTANT, parts)


def user(*parts):
    return Turn(Role.USER, parts)


def test_instructions_are_hoisted_and_neighbours_joined():
    contents, system, receipt = write(
        Turn(Role.SYSTEM, (Text("a"),)),
        user(Text("b")),
        user(Text("c")),
        said_by(Text("d")),
        Turn(Role.DEVELOPER, (Text("e"),)),
        said_by(Text("f")),
    )
    assert system == [{"text": "a"}, {"text": "e"}]
    assert contents == [
        {"role": "user", "parts": [{"text": "b"}, {"text": "c"}]},
        {"role": "model", "parts": [{"text": "d"}, {"text": "f"}]},
    ]
    assert receipt.edits() == []


def test_instructions_are_text_whoever_gives_them():
    contents, system, receipt = write(Turn(Role.DEVELOPER, (Text("a"), Image(PNG))), user(Text("")))
    assert (contents, system) == ([{"role": "user", "parts": [{"text": ""}]}], [{"text": "a"}])
    assert receipt.edits() == ["dropped:turns[0].parts[1]"]


def test_instructions_alone_are_sent_as_the_users():
    contents, system, receipt = write(Turn(Role.SYSTEM, (Text("a"),)))
    assert (contents, system) == ([{"role": "user", "parts": [{"text": "a"}]}], [])
    assert receipt.edits() == []


@pytest.mark.parametrize(("model", "quirks"), [("gemma-3-27b-it", NO_QUIRKS), ("gemini-x", Quirks(system_role="user"))])
def test_a_model_without_instructions_reads_them_before_the_users_text(model, quirks):
    contents, system, receipt = write(Turn(Role.SYSTEM, (Text("a"),)), user(Text("b")), model=model, quirks=quirks)
    assert (contents, system) == ([{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}], [])
    assert receipt.edits() == ["widened:turns.system"]


def test_calls_and_results_are_named_and_kept_together():
    contents, _, receipt = write(
        said_by(ToolCall("1", "f", '{"a":1.0}', seal=OWN), ToolCall("2", "g", "")),
        user(Text("also"), ToolResult("2", (Text("x"),)), ToolResult("1", (Text('{"b":2}'),))),
        user(Text("and")),
    )
    assert contents == [
        {
            "role": "model",
            "parts": [
                {"functionCall": {"name": "f", "args": {"a": 1.0}, "id": "1"}, "thoughtSignature": "QUJD"},
                {"functionCall": {"name": "g", "args": {}, "id": "2"}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "g", "response": {"output": "x"}, "id": "2"}},
                {"functionResponse": {"name": "f", "response": {"b": 2}, "id": "1"}},
            ],
        },
        {"role": "user", "parts": [{"text": "also"}, {"text": "and"}]},
    ]
    assert receipt.edits() == []


def test_the_first_call_of_a_step_gets_a_stand_in_where_gemini_did_not_sign_it():
    turns = (
        said_by(ToolCall("1", "f", "{}"), ToolCall("2", "f", "{}")),
        user(ToolResult("1", ()), ToolResult("2", ())),
        said_by(ToolCall("3", "f", "{}", seal=FOREIGN)),
    )
    contents, _, receipt = write(*turns)
    calls = [part for content in contents for part in content["parts"] if "functionCall" in part]
    assert [call.get("thoughtSignature") for call in calls] == [STAND_IN, None, STAND_IN]
    assert receipt.edits() == ["dropped:turns[2].parts[0].seal"]
    older, _, _ = write(*turns, model="gemini-2.5-pro")
    assert STAND_IN not in str(older)


def test_reasoning_goes_back_with_no_signature_but_its_own():
    contents, _, receipt = write(
        said_by(
            Reasoning("mine", seal=OWN),
            Reasoning(summary=("a", "b"), seal=OWN),
            Reasoning(seal=OWN),
            Reasoning("theirs", seal=FOREIGN),
            Reasoning("unsigned"),
            Reasoning(seal=Seal("openai", SealKind.ENCRYPTED, "S")),
            Text("t", seal=FOREIGN),
            Text("u", seal=OWN),
        )
    )
    assert contents[0]["parts"] == [
        {"text": "mine", "thought": True, "thoughtSignature": "QUJD"},
        {"text": "a\n\nb", "thought": True, "thoughtSignature": "QUJD"},
        {"text": "", "thoughtSignature": "QUJD"},
        {"text": "theirs", "thought": True},
        {"text": "unsigned", "thought": True},
        {"text": "t"},
        {"text": "u", "thoughtSignature": "QUJD"},
    ]
    assert receipt.edits() == [f"dropped:turns[0].parts[{j}].seal" for j in (3, 5, 6)]


def test_pictures_of_a_result_stand_within_it_since_gemini_3():
    turns = (said_by(ToolCall("1", "f", "{}", seal=OWN)), user(ToolResult("1", (Text("see"), Image(PNG)))))
    contents, _, _ = write(*turns)
    blob = {"inlineData": {"mimeType": "image/png", "data": "QQ=="}}
    assert contents[1]["parts"][0]["functionResponse"]["parts"] == [blob]
    older, _, receipt = write(*turns, model="gemini-2.5-flash")
    assert older[2] == {"role": "user", "parts": [blob]}
    assert receipt.edits() == []


@pytest.mark.parametrize(
    ("result", "response"),
    [
        (ToolResult("1", (Text("bad"),), is_error=True), {"error": "bad"}),
        (ToolResult("1", (Text("a"), Text("b"))), {"output": "a\nb"}),
        (ToolResult("1", ()), {"output": ""}),
        (ToolResult("1", (Text("[1]"),)), {"output": "[1]"}),
    ],
)
def test_an_answer_of_a_tool_is_an_object(result, response):
    contents, _, _ = write(said_by(ToolCall("1", "f", "{}", seal=OWN)), user(result))
    assert contents[1]["parts"][0]["functionResponse"]["response"] == response


def test_a_result_without_its_call_is_told_as_text():
    contents, _, receipt = write(user(ToolResult("9", (Text("x"),))))
    assert contents == [{"role": "user", "parts": [{"text": "Result of the tool call 9: x"}]}]
    assert receipt.edits() == ["widened:turns[0].parts[0]"]


def test_a_result_that_names_its_tool_needs_no_call_at_hand():
    contents, _, _ = write(user(ToolResult("9", (Text("x"),), "f")))
    assert contents[0]["parts"][0]["functionResponse"]["name"] == "f"


def test_free_text_becomes_the_one_argument():
    contents, _, _ = write(said_by(ToolCall("1", "sql", "SELECT 1", is_custom=True, seal=OWN)))
    assert contents[0]["parts"][0]["functionCall"]["args"] == {"input": "SELECT 1"}


@pytest.mark.parametrize(
    ("part", "edits"),
    [
        (Text("a", CacheBreakpoint("1h")), ["dropped:turns[0].parts[0].cache"]),
        (Image(PNG, "high"), ["dropped:turns[0].parts[0].detail"]),
        (Document(None, "text", "name", cites=True), ["dropped:turns[0].parts[0].cites"]),
        (Document(MediaBytes("QQ==", "application/pdf"), cache=CacheBreakpoint()), ["dropped:turns[0].parts[0].cache"]),
        (Audio(id="a", transcript="hello"), []),
        (Refusal("no"), []),
    ],
)
def test_what_goes_lost_of_a_part_is_named(part, edits):
    contents, _, receipt = write(user(part))
    assert contents[0]["parts"]
    assert receipt.edits() == edits


@pytest.mark.parametrize("part", [Image(MediaFile("f", "openai")), Image(MediaUrl("https://a.b/c.png"))])
def test_a_message_of_which_nothing_is_left_is_refused(part):
    with pytest.raises(GatewayError) as refused:
        write(user(part), quirks=Quirks(images="inline"))
    assert refused.value.param == "turns[0]"


def test_steps_of_other_vendors_tools_are_dropped_and_googles_own_kept():
    own = {"executableCode": {"code": "1"}}
    contents, _, receipt = write(
        said_by(
            ServerTool("gemini", "code_execution", own),
            ServerTool("gemini", "web_search", {"groundingMetadata": {}}),
            ServerTool("openai", "web_search", {"type": "x"}),
        )
    )
    assert contents == [{"role": "model", "parts": [own]}]
    assert receipt.edits() == ["dropped:turns[0].parts[2]"]


def test_an_answer_of_which_nothing_is_left_is_no_content():
    contents, _, _ = write(user(Text("a")), said_by(Reasoning(seal=FOREIGN)), user(Text("b")))
    assert contents == [{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}]


def test_names_of_participants_are_dropped():
    assert write(Turn(Role.USER, (Text("a"),), "anna"))[2].edits() == ["dropped:turns[0].name"]
