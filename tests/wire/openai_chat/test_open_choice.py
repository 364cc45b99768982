from __future__ import annotations

import msgspec
import pytest

from weighbridge.core.errors import GatewayError
from weighbridge.wire.conversation import Audio, Image, MediaBytes, Reasoning, Refusal, Seal, SealKind, Text, ToolCall
from weighbridge.wire.events import FinishReason
from weighbridge.wire.fold import fold
from weighbridge.wire.openai_chat.open_choice import OpenChoice
from weighbridge.wire.openai_chat.stream_chunk import ChunkDelta

SIGNED = Seal("anthropic", SealKind.SIGNATURE, "sig")
CLAUDE = {"format": "anthropic-claude-v1"}
F = {"name": "f", "arguments": ""}


def choice(*deltas):
    state = OpenChoice(0, "r")
    for delta in deltas:
        state.take(msgspec.convert(delta, ChunkDelta))
    state.finish("stop")
    return fold(state.events).choices[0]


def parts(*deltas):
    return choice(*deltas).parts


def calls(*entries):
    return parts(*({"tool_calls": [entry]} for entry in entries))


def test_parts_follow_one_another():
    assert parts({"reasoning": "t"}, {"content": "a"}, {"content": "b"}, {"refusal": "no"}) == (
        Reasoning("t"),
        Text("ab"),
        Refusal("no"),
    )


def test_calls_are_told_apart_by_their_number():
    read = calls(
        {"index": 0, "id": "a", "type": "function", "function": F},
        {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"x"'}},
        {"index": 1, "function": {"arguments": "{}"}},
        {"index": 0, "function": {"arguments": ":1}"}},
    )
    assert read == (ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "{}"))


def test_calls_without_a_number_go_on_until_another_one_is_named():
    read = calls(
        {"id": "a", "function": F},
        {"function": {"arguments": "{"}},
        {"function": {"arguments": "}"}},
        {"id": "b", "function": {"name": "g", "arguments": "{}"}},
    )
    assert read == (ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}"))


def test_parallel_calls_that_all_count_as_the_first_are_told_apart_by_their_ids():
    read = calls(
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}},
        {"index": 0, "id": "b", "function": F},
        {"index": 0, "function": {"arguments": "[]"}},
    )
    assert read == (ToolCall("a", "f", "{}"), ToolCall("b", "f", "[]"))


@pytest.mark.parametrize(("given", "text"), [({"a": 1}, '{"a":1}'), (None, ""), ('{"a":1}', '{"a":1}')])
def test_arguments_may_be_text_an_object_or_missing(given, text):
    assert calls({"index": 0, "id": "a", "function": {"name": "f", "arguments": given}}) == (ToolCall("a", "f", text),)


def test_a_call_without_an_id_gets_one_of_the_reply():
    assert [call.id for call in calls({"function": F}, {"id": "", "function": F})] == ["call_r_0", "call_r_1"]


def test_custom_and_legacy_calls_are_calls():
    custom = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "c", "input": "x"}}
    assert calls(custom, {"index": 0, "custom": {"input": "y"}}) == (ToolCall("a", "c", "xy", is_custom=True),)
    assert parts({"function_call": {"name": "f", "arguments": "{"}}, {"function_call": {"arguments": "}"}}) == (
        ToolCall("call_r_0", "f", "{}"),
    )


def test_a_stop_after_calls_means_the_calls():
    assert choice({"tool_calls": [{"id": "a", "function": F}]}).reason is FinishReason.TOOL_CALLS


def test_geminis_signature_belongs_to_its_call_else_to_the_text():
    google = {"google": {"thought_signature": "c2ln"}}
    seal = Seal("gemini", SealKind.SIGNATURE, "c2ln")
    assert calls({"index": 0, "id": "a", "function": F, "extra_content": google})[0].seal == seal
    assert calls({"index": 0, "id": "a", "function": F}, {"index": 0, "extra_content": google})[0].seal == seal
    assert parts({"tool_calls": [{"id": "a", "function": F}]}, {"extra_content": google})[0].seal == seal
    assert parts({"content": "a"}, {"content": "b", "extra_content": google}) == (Text("ab", seal=seal),)


def test_googles_marked_thoughts_are_reasoning():
    thought = {"google": {"thought": True}}
    read = parts({"content": "<thought>hm", "extra_content": thought}, {"content": "</thought>Hi"}, {"content": " <thought>"})
    assert read == (Reasoning("hm"), Text("Hi <thought>"))


def test_details_of_one_index_are_one_part_and_carry_its_seal():
    read = parts(
        {"reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": "a", "index": 0, **CLAUDE}]},
        {"reasoning": "b", "reasoning_details": [{"type": "reasoning.text", "text": "b", "index": 0, **CLAUDE}]},
        {"reasoning_details": [{"type": "reasoning.text", "signature": "sig", "index": 0, **CLAUDE}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "r", "index": 1, **CLAUDE}]},
        {"content": "Hi"},
    )
    assert read == (Reasoning("ab", seal=SIGNED), Reasoning(seal=Seal("anthropic", SealKind.REDACTED, "r")), Text("Hi"))


def test_summaries_and_bare_text_count_where_details_hold_none():
    detail = {"type": "reasoning.summary", "summary": "s", "format": "openai-responses-v1", "index": 0}
    assert parts({"reasoning": "s", "reasoning_details": [detail]}) == (Reasoning(summary=("s",)),)
    sealed = {"type": "reasoning.encrypted", "data": "d", "format": "xai-responses-v1", "index": 0}
    assert parts({"reasoning": "t", "reasoning_details": [sealed]}) == (Reasoning("t", seal=Seal("xai", SealKind.ENCRYPTED, "d")),)


def test_an_id_that_comes_late_is_kept_in_a_part_of_its_own():
    def detail(**fields):
        return {"reasoning_details": [{"format": "openai-responses-v1", "index": 0, **fields}]}

    read = parts(detail(type="reasoning.summary", summary="s"), detail(type="reasoning.encrypted", data="e", id="rs_1"))
    assert read == (Reasoning(summary=("s",)), Reasoning(seal=Seal("openai", SealKind.ENCRYPTED, "e"), id="rs_1"))


def test_blocks_of_thinking_are_read_once_and_end_with_their_signature():
    def block(text, signature=None):
        return {"reasoning_content": text, "thinking_blocks": [{"type": "thinking", "thinking": text, "signature": signature}]}

    redacted = {"thinking_blocks": [{"type": "redacted_thinking", "data": "r"}]}
    assert parts(block("a"), block("b"), block("", "sig"), block("c"), block("", "sig"), redacted, {"content": "Hi"}) == (
        Reasoning("ab", seal=SIGNED),
        Reasoning("c", seal=SIGNED),
        Reasoning(seal=Seal("anthropic", SealKind.REDACTED, "r")),
        Text("Hi"),
    )


def test_mistrals_content_in_parts_is_thinking_and_text():
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    assert parts({"content": [thinking]}, {"content": [{"type": "text", "text": "Hi"}]}) == (Reasoning("hm"), Text("Hi"))


def test_sound_comes_in_pieces_and_empty_pieces_are_none():
    sound = {"id": "audio_1", "data": "QQ==", "transcript": "a"}
    read = parts({"audio": {"id": "", "data": ""}}, {"audio": sound}, {"audio": {"data": "QQ==", "expires_at": 9}})
    assert read == (Audio(MediaBytes("QUE=", "audio/*"), "audio_1", "a", 9),)


def test_sound_that_is_no_base64_is_malformed():
    with pytest.raises(GatewayError):
        parts({"audio": {"data": "QQQ"}})


def test_pictures_come_whole():
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}
    assert parts({"content": "a", "images": [picture]}) == (Text("a"), Image(MediaBytes("QQ==", "image/png")))


def test_what_the_text_cites_belongs_to_it():
    cited = {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A", "start_index": 0, "end_index": 1}}
    (text,) = parts({"content": "a"}, {"annotations": [cited]})
    assert (text.citations[0].url, text.citations[0].end) == ("https://a.example", 1)
