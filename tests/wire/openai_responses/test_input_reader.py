"""Items of `input` -> turns."""

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
from weighbridge.wire.json_value import Json
from weighbridge.wire.openai_responses.input_reader import read_input
from weighbridge.wire.openai_responses.vocabulary import own_id
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.sealing import wrap


def read(items: Json) -> tuple[Turn, ...]:
    return read_input(items, "input", Receipt())


def test_a_string_is_what_the_user_says() -> None:
    assert read("Hi") == (Turn(Role.USER, (Text("Hi"),)),)


def test_what_the_model_said_and_what_the_tools_answered_are_one_turn_each() -> None:
    turns = read(
        [
            {"role": "user", "content": "Weather in Rome and Oslo?"},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": "E"},
            {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "weather", "arguments": '{"city":"Rome"}'},
            {"type": "custom_tool_call", "call_id": "c2", "name": "shell", "input": "ls"},
            {"type": "function_call_output", "call_id": "c1", "output": "mild"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "cold"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Mild."}]},
            {"role": "user", "content": ""},
        ]
    )
    assert turns == (
        Turn(Role.USER, (Text("Weather in Rome and Oslo?"),)),
        Turn(
            Role.ASSISTANT,
            (
                Reasoning("", ("s",), Seal("openai", SealKind.ENCRYPTED, "E"), "rs_1"),
                ToolCall("c1", "weather", '{"city":"Rome"}', item_id="fc_1"),
                ToolCall("c2", "shell", "ls", is_custom=True),
            ),
        ),
        Turn(
            Role.USER,
            (
                ToolResult("c1", (Text("mild"),), "weather"),
                ToolResult("c2", (Text("cold"),), "shell", is_custom=True),
            ),
        ),
        Turn(Role.ASSISTANT, (Text("Mild."),)),
        Turn(Role.USER, (Text(""),)),
    )


def test_an_item_of_the_vendor_keeps_its_words_and_its_place() -> None:
    search: Json = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}
    reference: Json = {"id": "msg_1"}
    turns = read([search, reference, {"type": "mcp_approval_response", "approve": True, "approval_request_id": "a"}])
    assert [turn.role for turn in turns] == [Role.ASSISTANT, Role.USER]
    first, second = turns[0].parts
    assert isinstance(first, ServerTool)
    assert first.raw == search
    assert isinstance(second, ServerTool)
    assert second.raw == reference


def test_a_foreign_seal_is_unwrapped() -> None:
    seal = Seal("anthropic", SealKind.SIGNATURE, "sig")
    turns = read([{"type": "reasoning", "id": own_id("rs", "r", 0), "summary": [], "encrypted_content": wrap(seal, "openai")}])
    assert turns == (Turn(Role.ASSISTANT, (Reasoning(seal=seal),)),)


def test_a_seal_of_gemini_goes_back_to_the_call_before_it() -> None:
    seal = Seal("gemini", SealKind.SIGNATURE, "sig")
    turns = read(
        [
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "reasoning", "summary": [], "encrypted_content": wrap(seal, "openai")},
            {"role": "assistant", "content": "Well"},
            {"type": "reasoning", "summary": [], "encrypted_content": wrap(seal, "openai")},
        ]
    )
    assert turns == (Turn(Role.ASSISTANT, (ToolCall("c1", "f", "{}", seal=seal), Text("Well", seal=seal))),)


def test_a_seal_of_gemini_without_anything_before_it_stands_alone() -> None:
    seal = Seal("gemini", SealKind.SIGNATURE, "sig")
    turns = read([{"type": "reasoning", "summary": [], "encrypted_content": wrap(seal, "openai")}])
    assert turns == (Turn(Role.ASSISTANT, (Reasoning(seal=seal),)),)


def test_a_picture_of_ours_is_a_picture_again_and_a_search_of_ours_is_no_step_of_openai() -> None:
    receipt = Receipt()
    turns = read_input(
        [
            {"type": "image_generation_call", "id": own_id("ig", "r", 0), "result": "AAAA", "output_format": "webp"},
            {"type": "web_search_call", "id": own_id("ws", "r", 1), "action": {"type": "search", "query": "q"}},
        ],
        "input",
        receipt,
    )
    assert turns == (Turn(Role.ASSISTANT, (Image(MediaBytes("AAAA", "image/webp")),)),)
    assert receipt.losses == []


def test_the_phase_of_a_message_is_lost_by_name() -> None:
    receipt = Receipt()
    read_input([{"role": "assistant", "content": "Well", "phase": "commentary"}], "input", receipt)
    assert receipt.edits() == ["dropped:input[0].phase"]


@pytest.mark.parametrize(
    ("items", "param"),
    [
        (7, "input"),
        ([7], "input[0]"),
        ([{"role": "chorus", "content": "x"}], "input[0].role"),
        ([{"type": 7}], "input[0].type"),
        ([{"type": "function_call", "name": "f"}], "input[0].call_id"),
        ([{"type": "function_call_output", "call_id": "c"}], "input[0].output"),
    ],
)
def test_a_refusal_names_the_item_at_fault(items: Json, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        read(items)
    assert caught.value.param == param
