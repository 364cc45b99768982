"""Turns -> `instructions` and `input`."""

from __future__ import annotations

from weighbridge.wire.conversation import (
    Audio,
    CacheBreakpoint,
    Citation,
    Conversation,
    Image,
    MediaBytes,
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
from weighbridge.wire.json_value import Json
from weighbridge.wire.openai_responses.input_writer import instructions_of, write_input
from weighbridge.wire.openai_responses.vocabulary import own_id
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt

OPENAI = Seal("openai", SealKind.ENCRYPTED, "E")
ANTHROPIC = Seal("anthropic", SealKind.SIGNATURE, "S")


def write(*turns: Turn, quirks: Quirks = NO_QUIRKS) -> tuple[str | None, list[Json], list[str]]:
    receipt = Receipt()
    instructions, items = write_input(Conversation("m", turns), quirks, receipt)
    return instructions, items, receipt.edits()


def said(*parts: object) -> tuple[list[Json], list[str]]:
    receipt = Receipt()
    turns = (Turn(Role.ASSISTANT, parts),)  # type: ignore[arg-type]
    _, items = write_input(Conversation("m", turns, vendor_origin="openai-responses"), NO_QUIRKS, receipt)
    return items, receipt.edits()


def test_the_first_system_turn_is_the_instructions_and_a_later_one_stays_where_it_is() -> None:
    instructions, items, edits = write(
        Turn(Role.SYSTEM, (Text("Be kind."),)),
        Turn(Role.USER, (Text("Hi"),)),
        Turn(Role.SYSTEM, (Text("Be brief."),)),
        Turn(Role.DEVELOPER, (Text("Be exact."),)),
    )
    assert instructions == "Be kind."
    assert items == [
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Be exact."},
    ]
    assert edits == []


def test_instructions_of_several_texts_stay_a_message() -> None:
    turns = (Turn(Role.SYSTEM, (Text("a"), Text("b"))),)
    assert instructions_of(Conversation("m", turns)) is None
    assert instructions_of(Conversation("m", (Turn(Role.SYSTEM, (Text("a", CacheBreakpoint()),)),))) is None
    assert instructions_of(Conversation("m", ())) is None


def test_a_provider_without_a_system_role_gets_the_message_from_the_user() -> None:
    turns = (Turn(Role.USER, (Text("Hi"),)), Turn(Role.SYSTEM, (Text("a"),)), Turn(Role.DEVELOPER, (Text("b"),)))
    _, items, _ = write(*turns, quirks=Quirks(system_role="user"))
    assert [item["role"] for item in items if isinstance(item, dict)] == ["user", "user", "user"]


def test_results_come_before_what_the_user_adds() -> None:
    _, items, edits = write(
        Turn(Role.USER, (ToolResult("c1", (Text("mild"),), is_error=True), ToolResult("c2", ()), Text("And Oslo?")), "Eve"),
    )
    assert items == [
        {"type": "function_call_output", "call_id": "c1", "output": "mild"},
        {"type": "function_call_output", "call_id": "c2", "output": ""},
        {"role": "user", "content": "And Oslo?"},
    ]
    assert edits == ["dropped:turns[0].name", "dropped:turns[0].parts[0].is_error"]


def test_a_result_may_be_a_picture() -> None:
    _, items, _ = write(Turn(Role.USER, (ToolResult("c", (Text("see"), Image(MediaBytes("AAAA", "image/png"))), is_custom=True),)))
    assert items == [
        {
            "type": "custom_tool_call_output",
            "call_id": "c",
            "output": [
                {"type": "input_text", "text": "see"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
            ],
        }
    ]


def test_what_the_model_said_is_written_in_its_order() -> None:
    items, edits = said(
        Reasoning("think", ("sum",), OPENAI, "rs_1"),
        Text("Let me look."),
        ToolCall("c1", "f", "{}", item_id="fc_1"),
        ToolCall("c2", "g", "ls", is_custom=True, item_id=own_id("ctc", "r", 0)),
        Refusal("no"),
        Audio(transcript="spoken"),
    )
    assert edits == []
    assert items == [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "sum"}],
            "content": [{"type": "reasoning_text", "text": "think"}],
            "encrypted_content": "E",
        },
        {"role": "assistant", "content": "Let me look."},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "ls"},
        {
            "type": "message",
            "id": "msg_4",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "refusal", "refusal": "no"}],
        },
        {"role": "assistant", "content": "spoken"},
    ]


def test_reasoning_that_openai_cannot_read_is_dropped_by_name() -> None:
    items, edits = said(Reasoning("t", seal=ANTHROPIC), Reasoning("t"), Reasoning("t", id=own_id("rs", "r", 0)), Text("Hi"))
    assert items == [{"role": "assistant", "content": "Hi"}]
    assert edits == ["dropped:turns[0].parts[0]", "dropped:turns[0].parts[1]", "dropped:turns[0].parts[2]"]


def test_reasoning_that_the_provider_keeps_goes_back_by_its_id() -> None:
    items, edits = said(Reasoning(id="rs_1"))
    assert (items, edits) == ([{"type": "reasoning", "id": "rs_1", "summary": []}], [])


def test_a_summary_that_another_dialect_kept_as_thinking_goes_back_as_a_summary() -> None:
    _, items, edits = write(Turn(Role.ASSISTANT, (Reasoning("sum", seal=OPENAI),)))
    summary: Json = [{"type": "summary_text", "text": "sum"}]
    assert items == [{"type": "reasoning", "summary": summary, "encrypted_content": "E"}]
    assert edits == []


def test_no_id_is_made_up_for_encrypted_reasoning() -> None:
    items, _ = said(Reasoning(seal=OPENAI))
    assert items == [{"type": "reasoning", "summary": [], "encrypted_content": "E"}]


def test_steps_of_a_tool_go_back_to_their_own_vendor_only() -> None:
    items, edits = said(ServerTool("openai", "web_search", {"type": "web_search_call"}), ServerTool("anthropic", "web_search", {}))
    assert items == [{"type": "web_search_call"}]
    assert edits == ["dropped:turns[0].parts[1]"]


def test_citations_go_back_to_their_own_vendor_only() -> None:
    raw: Json = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 1}
    assert isinstance(raw, dict)
    items, edits = said(Text("a", citations=(Citation("openai", raw), Citation("anthropic", {}))), Text("b", seal=ANTHROPIC))
    assert items == [
        {
            "type": "message",
            "id": "msg_0",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "a", "annotations": [raw], "logprobs": []}],
        },
        {"role": "assistant", "content": "b"},
    ]
    assert edits == ["dropped:turns[0].parts[0].citations", "dropped:turns[0].parts[1].seal"]


def test_a_picture_or_a_sound_of_the_model_has_no_place() -> None:
    items, edits = said(Image(MediaBytes("AAAA", "image/png")), Audio(MediaBytes("AAAA", "audio/wav")))
    assert (items, edits) == ([], ["dropped:turns[0].parts[0]", "dropped:turns[0].parts[1]"])
