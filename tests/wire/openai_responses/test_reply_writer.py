"""`Reply` -> the whole response for a caller."""

from __future__ import annotations

from openai.types.responses import Response

from weighbridge.core.codec import decode_json
from weighbridge.core.terms import Usage
from weighbridge.wire.codecs import ReplyContext
from weighbridge.wire.conversation import Conversation, Reasoning, Role, Seal, SealKind, Text, ToolCall, Turn
from weighbridge.wire.events import Choice, FinishReason, Reply
from weighbridge.wire.openai_responses.reply_reader import read_reply
from weighbridge.wire.openai_responses.reply_writer import response_of, write_reply

CONTEXT = ReplyContext("r", "gpt-5", 5, Conversation("gpt-5", (Turn(Role.USER, (Text("Hi"),)),)))
REPLY = Reply(
    (
        Choice(
            (
                Reasoning("t", ("s",), Seal("openai", SealKind.ENCRYPTED, "E"), "rs_1"),
                Text("Hi"),
                ToolCall("c", "f", "{}", item_id="fc_1"),
            ),
            FinishReason.TOOL_CALLS,
            "completed",
        ),
    ),
    "resp_1",
    "gpt-5",
    5,
    Usage(3, 1, 2, 0, 4, 1),
    "default",
)


def test_a_reply_reads_back_as_what_it_was() -> None:
    assert read_reply(write_reply(REPLY, CONTEXT)) == REPLY


def test_the_vendors_sdk_reads_it() -> None:
    response = Response.model_validate(decode_json(write_reply(REPLY, CONTEXT)))
    assert response.output_text == "Hi"
    assert [item.type for item in response.output] == ["reasoning", "message", "function_call"]
    assert response.usage is not None
    assert response.usage.total_tokens == 10


def test_a_cut_answer_is_incomplete() -> None:
    reply = Reply((Choice((Text("H"),), FinishReason.LENGTH),))
    shown = response_of(reply, CONTEXT)
    assert (shown["status"], shown["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})


def test_a_reply_without_a_choice_is_an_empty_response() -> None:
    shown = response_of(Reply(()), CONTEXT)
    assert (shown["status"], shown["output"], shown["usage"]) == ("completed", [], None)


def test_the_same_reply_is_written_the_same_way_every_time() -> None:
    assert write_reply(REPLY, CONTEXT) == write_reply(REPLY, CONTEXT)
