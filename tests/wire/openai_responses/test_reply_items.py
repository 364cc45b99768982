"""Parts of a reply -> items of `output`."""

from __future__ import annotations

from weighbridge.wire.codecs import ReplyContext
from weighbridge.wire.conversation import (
    Audio,
    Citation,
    Conversation,
    Image,
    MediaBytes,
    MediaUrl,
    Part,
    Reasoning,
    ReasoningWish,
    Refusal,
    Seal,
    SealKind,
    ServerTool,
    Text,
    ToolCall,
)
from weighbridge.wire.events import Choice, FinishReason
from weighbridge.wire.openai_responses.reply_items import add_logprobs, cut, summarises, write_items
from weighbridge.wire.openai_responses.vocabulary import Item
from weighbridge.wire.sealing import wrap

GEMINI = Seal("gemini", SealKind.SIGNATURE, "sig")
CONTEXT = ReplyContext("r", "m", 5, Conversation("m", ()))
ANTHROPIC = Seal("anthropic", SealKind.SIGNATURE, "sig")


def write(*parts: Part, status: str = "completed") -> list[Item]:
    return write_items(Choice(parts, FinishReason.STOP), CONTEXT, status)


def test_texts_that_follow_one_another_share_a_message() -> None:
    citation = Citation("anthropic", {}, "https://a.example", "A")
    assert write(Text("It is "), Text("mild", citations=(citation,)), Refusal("no"), Audio(transcript="said")) == [
        {
            "id": "msg_wb_r_0",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "It is ", "annotations": [], "logprobs": []},
                {
                    "type": "output_text",
                    "text": "mild",
                    "annotations": [
                        {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 4}
                    ],
                    "logprobs": [],
                },
                {"type": "refusal", "refusal": "no"},
                {"type": "output_text", "text": "said", "annotations": [], "logprobs": []},
            ],
        }
    ]


def test_reasoning_keeps_a_foreign_seal_for_the_next_turn() -> None:
    assert write(Reasoning("think", ("sum",), ANTHROPIC), Reasoning(id="rs_1")) == [
        {
            "id": "rs_wb_r_0",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "sum"}],
            "content": [{"type": "reasoning_text", "text": "think"}],
            "encrypted_content": wrap(ANTHROPIC, "openai"),
        },
        {"id": "rs_1", "type": "reasoning", "summary": []},
    ]


def test_thinking_is_given_as_a_summary_to_who_asked_for_one() -> None:
    asked = Conversation("m", (), reasoning=ReasoningWish(summary="auto"))
    assert summarises(asked)
    assert not summarises(Conversation("m", (), reasoning=ReasoningWish(summary="omitted")))
    choice = Choice((Reasoning("think", ("sum",)), Reasoning("", ("only",))), FinishReason.STOP)
    first, second = write_items(choice, ReplyContext("r", "m", 5, asked), "completed")
    assert first["summary"] == [{"type": "summary_text", "text": "think"}, {"type": "summary_text", "text": "sum"}]
    assert "content" not in first
    assert second["summary"] == [{"type": "summary_text", "text": "only"}]


def test_calls_have_ids_of_their_own_beside_the_call_id() -> None:
    first, second, third = write(
        ToolCall("c1", "f", "{}"), ToolCall("c2", "g", "ls", is_custom=True), ToolCall("c3", "h", "", item_id="fc_9")
    )
    assert first == {
        "id": "fc_wb_r_0",
        "type": "function_call",
        "status": "completed",
        "arguments": "{}",
        "call_id": "c1",
        "name": "f",
    }
    assert second == {
        "id": "ctc_wb_r_1",
        "type": "custom_tool_call",
        "status": "completed",
        "input": "ls",
        "call_id": "c2",
        "name": "g",
    }
    assert third["id"] == "fc_9"


def test_the_seal_of_a_call_or_a_text_stands_behind_it() -> None:
    items = write(Text("Hi", seal=GEMINI), Text("you"), ToolCall("c", "f", "{}", seal=GEMINI))
    assert [item["type"] for item in items] == ["message", "reasoning", "message", "function_call", "reasoning"]
    assert items[1] == {"id": "rs_seal_wb_r_1", "type": "reasoning", "summary": [], "encrypted_content": wrap(GEMINI, "openai")}


def test_a_search_of_another_vendor_is_shown_and_what_cannot_be_shown_is_left_out() -> None:
    raw: Item = {"type": "code_interpreter_call", "id": "ci_1"}
    items = write(
        ServerTool("openai", "code_execution", raw),
        ServerTool("anthropic", "web_search", {}, "srv_1", "tides"),
        ServerTool("anthropic", "web_search", {}),
        ServerTool("openai", "other", {}),
        Image(MediaUrl("https://a.example/x.png")),
    )
    assert items == [
        raw,
        {"id": "ws_wb_r_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "tides"}},
    ]


def test_a_picture_is_the_result_of_its_generation() -> None:
    assert write(Image(MediaBytes("AAAA", "image/png"))) == [
        {"id": "ig_wb_r_0", "type": "image_generation_call", "status": "completed", "result": "AAAA", "output_format": "png"}
    ]


def test_only_the_last_item_of_a_cut_answer_is_incomplete() -> None:
    items = write(Text("Hi"), ToolCall("c", "f", '{"a'), status="incomplete")
    assert [item["status"] for item in items] == ["completed", "incomplete"]
    sealed = write(ToolCall("c", "f", '{"a', seal=GEMINI), status="incomplete")
    assert sealed[0]["status"] == "incomplete"
    raw: Item = {"type": "web_search_call", "status": "completed"}
    cut(raw, "incomplete")
    assert raw["status"] == "completed"


def test_log_probabilities_go_with_the_last_text() -> None:
    tokens = ({"token": "Hi", "logprob": -0.5},)
    choice = Choice((Text("Hi"), ToolCall("c", "f", "{}")), FinishReason.STOP, logprobs=tokens)
    items = write_items(choice, CONTEXT, "completed")
    content = items[0]["content"]
    assert isinstance(content, list)
    assert isinstance(content[0], dict)
    assert content[0]["logprobs"] == list(tokens)
    nothing: list[Item] = []
    add_logprobs(nothing, tokens)
    assert nothing == []
