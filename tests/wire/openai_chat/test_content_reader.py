from __future__ import annotations

from weighbridge.core.codec import encode_json
from weighbridge.wire.codecs import RequestContext
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
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from weighbridge.wire.openai_chat.request_reader import read_request
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.sealing import wrap

SIGNED = Seal("anthropic", SealKind.SIGNATURE, "sig")


def turns(*messages, receipt=None):
    body = encode_json({"model": "m", "messages": list(messages)})
    return read_request(body, RequestContext("m"), receipt or Receipt()).turns


def user(*parts):
    return turns({"role": "user", "content": list(parts)})[0].parts


def assistant(**fields):
    return turns({"role": "assistant", "content": None} | fields)[0].parts


def test_roles_stay_where_they_stood():
    read = turns(
        {"role": "developer", "content": "d", "name": "x"},
        {"role": "user", "content": "u"},
        {"role": "system", "content": [{"type": "text", "text": "s"}]},
    )
    assert read == (
        Turn(Role.DEVELOPER, (Text("d"),), "x"),
        Turn(Role.USER, (Text("u"),)),
        Turn(Role.SYSTEM, (Text("s"),)),
    )


def test_pictures_sounds_and_files_are_read_from_every_place():
    assert user({"type": "image_url", "image_url": {"url": "https://x/a.png", "detail": "low"}}) == (
        Image(MediaUrl("https://x/a.png"), "low"),
    )
    assert user({"type": "image_url", "image_url": "data:image/png;base64,QQ=="}) == (Image(MediaBytes("QQ==", "image/png")),)
    assert user({"type": "input_audio", "input_audio": {"data": "QQ==", "format": "mp3"}}) == (
        Audio(MediaBytes("QQ==", "audio/mpeg")),
    )
    inline = {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="}
    assert user({"type": "file", "file": inline}) == (Document(MediaBytes("QQ==", "application/pdf"), name="a.pdf"),)
    assert user({"type": "file", "file": {"file_id": "file-1"}}) == (Document(MediaFile("file-1", "openai")),)


def test_cache_breakpoints_are_kept_on_parts_and_messages():
    marked = {"type": "ephemeral", "ttl": "1h"}
    assert user({"type": "text", "text": "a", "cache_control": marked}) == (Text("a", CacheBreakpoint("1h")),)
    (turn,) = turns({"role": "user", "content": "a", "cache_control": {"type": "ephemeral"}})
    assert turn.parts == (Text("a", CacheBreakpoint()),)


def test_calls_and_their_results_are_paired_and_results_share_a_turn():
    calls = [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "free"}},
    ]
    read = turns(
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "two"}]},
        {"role": "user", "content": "and?"},
    )
    assert read[0].parts == (ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "g", "free", is_custom=True))
    assert read[1].parts == (
        ToolResult("c1", (Text("one"),), "f", is_custom=False),
        ToolResult("c2", (Text("two"),), "g", is_custom=True),
    )
    assert read[2] == Turn(Role.USER, (Text("and?"),))


def test_legacy_functions_are_calls_too():
    read = turns(
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "one"},
    )
    call, result = read[0].parts[0], read[1].parts[0]
    assert (call.name, result.name, result.call_id) == ("f", "f", call.id)


def test_an_assistants_own_message_comes_back_with_all_its_parts():
    parts = assistant(content="text", refusal="no", audio={"id": "audio_1"}, reasoning_content="thought", annotations=[])
    assert parts == (Reasoning("thought"), Text("text"), Refusal("no"), Audio(id="audio_1"))


def test_sealed_reasoning_is_read_from_each_gateways_place():
    details = [
        {"type": "reasoning.text", "text": "th", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.text", "text": "ought", "signature": "sig", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "enc", "format": "openai-responses-v1", "index": 1},
    ]
    assert assistant(reasoning_details=details, reasoning_content="ignored") == (
        Reasoning("thought", seal=SIGNED),
        Reasoning(seal=Seal("openai", SealKind.ENCRYPTED, "enc")),
    )
    blocks = [{"type": "thinking", "thinking": "t", "signature": "sig"}, {"type": "redacted_thinking", "data": "r"}]
    assert assistant(thinking_blocks=blocks) == (
        Reasoning("t", seal=SIGNED),
        Reasoning(seal=Seal("anthropic", SealKind.REDACTED, "r")),
    )


def test_a_signature_of_geminis_comes_back_with_its_call():
    given = {"google": {"thought_signature": "c2ln"}}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}, "extra_content": given}
    assert assistant(tool_calls=[call])[0].seal == Seal("gemini", SealKind.SIGNATURE, "c2ln")
    call["extra_content"] = {"google": {"thought_signature": wrap(SIGNED, "gemini")}}
    assert assistant(tool_calls=[call])[0].seal == SIGNED


def test_calls_and_results_without_ids_meet_in_their_order():
    call = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
    read = turns(
        {"role": "assistant", "tool_calls": [call, {"id": "", **call}]},
        {"role": "tool", "content": "one"},
        {"role": "tool", "tool_call_id": "", "content": "two"},
    )
    assert [part.call_id for part in read[1].parts] == [part.id for part in read[0].parts]
    assert len({part.id for part in read[0].parts}) == 2


def test_what_a_reply_holds_empty_is_nothing_when_it_comes_back():
    empty = {"audio": {"id": "", "data": ""}, "function_call": {"name": "", "arguments": ""}, "tool_calls": []}
    assert assistant(content="Hi", **empty) == (Text("Hi"),)


def test_pictures_and_signatures_of_a_reply_come_back():
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}
    google = {"google": {"thought_signature": "c2ln"}}
    assert assistant(content="Hi", images=[picture], extra_content=google) == (
        Text("Hi", seal=Seal("gemini", SealKind.SIGNATURE, "c2ln")),
        Image(MediaBytes("QQ==", "image/png")),
    )


def test_openais_own_breakpoints_and_mistrals_documents_are_known():
    assert user({"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}) == (Text("a", CacheBreakpoint()),)
    assert user({"type": "document_url", "document_url": "https://x/a.pdf"}) == (Document(MediaUrl("https://x/a.pdf")),)


def test_a_part_that_is_not_known_is_named_and_an_empty_message_has_a_part():
    receipt = Receipt()
    read = turns({"role": "user", "content": [{"type": "smell", "smell": "rose"}]}, receipt=receipt)
    assert receipt.edits() == ["dropped:messages[0].content[0]"]
    assert read[0].parts == (Text(""),)
