from __future__ import annotations

import pytest

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.conversation import (
    Audio,
    CacheBreakpoint,
    Conversation,
    Document,
    Image,
    MediaBytes,
    MediaFile,
    MediaUrl,
    Reasoning,
    Role,
    Seal,
    SealKind,
    ServerTool,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Video,
)
from weighbridge.wire.openai_chat.messages_writer import write_messages
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt

PNG = MediaBytes("QQ==", "image/png")
SIGNED = Seal("anthropic", SealKind.SIGNATURE, "sig")


def write(*turns, quirks=NO_QUIRKS, receipt=None):
    return write_messages(Conversation("m", turns), quirks, receipt or Receipt())


def user(*parts, **facts):
    return write(Turn(Role.USER, parts), **facts)


def test_instructions_have_the_role_that_the_provider_knows():
    turns = (Turn(Role.SYSTEM, (Text("s"),)), Turn(Role.DEVELOPER, (Text("d"),)))
    assert [m["role"] for m in write(*turns, quirks=Quirks(system_role="developer"))] == ["system", "developer"]
    assert [m["role"] for m in write(*turns)] == ["system", "system"]
    receipt = Receipt()
    assert [m["role"] for m in write(*turns, quirks=Quirks(system_role="user"), receipt=receipt)] == ["user", "user"]
    assert len(receipt.losses) == 2


def test_pictures_go_as_urls_and_as_far_as_the_provider_takes_them():
    url = Image(MediaUrl("https://x/a.png"), "low")
    (message,) = user(Text("see"), url, Image(PNG))
    assert message["content"][1] == {"type": "image_url", "image_url": {"url": "https://x/a.png", "detail": "low"}}
    assert message["content"][2]["image_url"]["url"] == "data:image/png;base64,QQ=="
    receipt = Receipt()
    (message,) = user(Text("see"), url, Image(PNG), quirks=Quirks(images="inline"), receipt=receipt)
    assert len(message["content"]) == 2
    assert receipt.edits() == ["dropped:turns[0].parts[1]"]


def test_a_message_of_which_nothing_is_left_is_refused():
    with pytest.raises(GatewayError) as refused:
        user(Image(PNG), quirks=Quirks(images="none"))
    assert (refused.value.kind, refused.value.param) == (ErrorKind.INVALID_REQUEST, "turns[0]")


def test_files_and_sounds_and_films_have_their_parts():
    pdf = Document(MediaBytes("QQ==", "application/pdf"), name="a.pdf")
    sound, film = Audio(MediaBytes("QQ==", "audio/mpeg")), Video(MediaUrl("https://x/v.mp4"))
    (message,) = user(pdf, Document(MediaFile("file-1", "openai")), Document(plain_text="text", name="t"), sound, film)
    kinds = [part["type"] for part in message["content"]]
    assert kinds == ["file", "file", "text", "input_audio", "video_url"]
    assert message["content"][0]["file"] == {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="}
    assert message["content"][3]["input_audio"] == {"data": "QQ==", "format": "mp3"}


def test_a_file_of_another_vendor_and_options_that_nobody_takes_are_named():
    receipt = Receipt()
    user(Text("x"), Document(MediaFile("f", "anthropic")), Document(plain_text="y", cites=True), receipt=receipt)
    assert set(receipt.edits()) == {"dropped:turns[0].parts[1]", "dropped:turns[0].parts[2].cites"}


def test_cache_breakpoints_go_where_they_are_taken_and_are_named_elsewhere():
    part = Text("a", CacheBreakpoint("1h"))
    (message,) = user(part, quirks=Quirks(cache_control=True))
    assert message["content"] == [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    receipt = Receipt()
    (message,) = user(part, receipt=receipt)
    assert (message["content"], receipt.edits()) == ("a", ["dropped:turns[0].parts[0].cache"])


def test_results_come_first_and_their_pictures_with_what_the_user_says():
    messages = user(ToolResult("c1", (Text("one"), Image(PNG))), Text("and?"), ToolResult("c2", (Image(PNG),)))
    assert [message["role"] for message in messages] == ["tool", "tool", "user"]
    assert messages[0] == {"role": "tool", "tool_call_id": "c1", "content": "one"}
    assert messages[1]["content"] == "See the next message."
    assert [part["type"] for part in messages[2]["content"]] == ["image_url", "text", "image_url"]


def test_a_result_of_which_nothing_is_left_is_empty():
    receipt = Receipt()
    (message,) = user(ToolResult("c", (Image(PNG),)), quirks=Quirks(images="none"), receipt=receipt)
    assert (message["content"], receipt.edits()) == ("", ["dropped:turns[0].parts[0]"])


def test_a_result_that_is_an_error_says_so():
    first, second = user(ToolResult("c", (Text("no file"),), is_error=True), ToolResult("d", (Text("ERROR 5"),), is_error=True))
    assert (first["content"], second["content"]) == ("Error: no file", "ERROR 5")


def test_a_breakpoint_on_a_result_stands_on_its_text():
    result = ToolResult("c", (Text("a"), Text("b", CacheBreakpoint())))
    (message,) = user(result, quirks=Quirks(cache_control=True))
    assert message["content"] == [{"type": "text", "text": "a\nb", "cache_control": {"type": "ephemeral"}}]
    receipt = Receipt()
    assert user(result, receipt=receipt)[0]["content"] == "a\nb"
    assert receipt.edits() == ["dropped:turns[0].parts[0].cache"]


def test_several_texts_are_a_string_where_lists_are_not_taken():
    two = (Text("a"), Text("b"))
    assert write(Turn(Role.SYSTEM, two))[0]["content"] == "a\n\nb"
    assert write(Turn(Role.ASSISTANT, two))[0]["content"] == "ab"
    assert user(*two)[0]["content"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert user(*two, quirks=Quirks(images="none"))[0]["content"] == "a\n\nb"


def test_what_a_model_said_aloud_goes_by_its_id_or_in_words():
    assert write(Turn(Role.ASSISTANT, (Audio(id="audio_1", transcript="hi"),)))[0]["audio"] == {"id": "audio_1"}
    spoken = write(Turn(Role.ASSISTANT, (Audio(transcript="hi"),)))[0]
    assert spoken == {"role": "assistant", "content": "hi"}


def test_calls_keep_their_arguments_also_those_that_are_no_json():
    (message,) = write(Turn(Role.ASSISTANT, (ToolCall("c", "f", '{"a": 1.0}'), ToolCall("d", "g", "free", is_custom=True))))
    assert message["content"] is None
    assert message["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a": 1.0}'}
    assert message["tool_calls"][1]["custom"] == {"name": "g", "input": "free"}
    (message,) = write(Turn(Role.ASSISTANT, (ToolCall("c", "f", "{"), ToolCall("d", "f", ""))))
    assert [call["function"]["arguments"] for call in message["tool_calls"]] == ["{", "{}"]


def test_thinking_goes_back_only_where_there_is_a_place_for_it():
    turn = Turn(Role.ASSISTANT, (Reasoning("thought", seal=SIGNED), Text("said")))
    receipt = Receipt()
    (plain,) = write(turn, receipt=receipt)
    assert plain == {"role": "assistant", "content": "said"}
    assert receipt.edits() == ["dropped:turns[0].parts[0]"]
    (texts,) = write(turn, quirks=Quirks(reasoning_style="thinking_type"))
    assert texts["reasoning_content"] == "thought"
    (own,) = write(turn, quirks=Quirks(reasoning_field="reasoning"))
    assert own["reasoning"] == "thought"
    (details,) = write(turn, quirks=Quirks(reasoning_field="reasoning_details"))
    assert details["reasoning_details"][0]["signature"] == "sig"
    receipt = Receipt()
    foreign = Turn(Role.ASSISTANT, (Reasoning("thought", seal=Seal("bedrock", SealKind.SIGNATURE, "x")), Text("said")))
    (message,) = write(foreign, quirks=Quirks(reasoning_field="reasoning_details"), receipt=receipt)
    assert "signature" not in message["reasoning_details"][0]
    assert receipt.edits() == ["dropped:turns[0].parts[0].seal"]


def test_geminis_signatures_go_to_gemini_alone():
    call = ToolCall("c", "f", "{}", seal=Seal("gemini", SealKind.SIGNATURE, "c2ln"))
    (message,) = write(Turn(Role.ASSISTANT, (call,)), quirks=Quirks(gemini_signatures=True))
    assert message["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "c2ln"}}
    receipt = Receipt()
    write(Turn(Role.ASSISTANT, (call,)), receipt=receipt)
    assert receipt.edits() == ["dropped:turns[0].parts[0].seal"]


def test_a_turn_of_steps_alone_goes_nowhere_and_a_result_of_them_stays():
    step = ServerTool("anthropic", "other", {"type": "tool_reference"})
    receipt = Receipt()
    messages = write(Turn(Role.DEVELOPER, (step,)), Turn(Role.USER, (ToolResult("c", (step,)),)), receipt=receipt)
    assert messages == [{"role": "tool", "tool_call_id": "c", "content": ""}]
    assert receipt.edits() == ["dropped:turns[0].parts[0]", "dropped:turns[1].parts[0].parts"]


def test_a_request_without_a_message_is_refused():
    with pytest.raises(GatewayError, match="no message"):
        write()


def test_steps_of_other_vendors_tools_are_named():
    receipt = Receipt()
    step = ServerTool("anthropic", "web_search", {"type": "server_tool_use"})
    (message,) = write(Turn(Role.ASSISTANT, (step, Text("found"))), receipt=receipt)
    assert (message["content"], receipt.edits()) == ("found", ["dropped:turns[0].parts[0]"])
