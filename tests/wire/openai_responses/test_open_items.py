"""Items of a stream in the making."""

from __future__ import annotations

import pytest

from weighbridge.wire.conversation import Seal, SealKind
from weighbridge.wire.openai_responses.open_items import OpenCall, OpenItem, OpenMessage, OpenReasoning, WholeItem


def test_a_message_collects_its_contents() -> None:
    message = OpenMessage(0, "msg_1")
    assert message.announced() == {"id": "msg_1", "type": "message", "status": "in_progress", "role": "assistant", "content": []}
    text, refusal = message.begin(is_refusal=False), message.begin(is_refusal=True)
    assert (text.empty()["type"], refusal.empty()["type"]) == ("output_text", "refusal")
    text.texts += ["a", "b"]
    refusal.texts.append("no")
    assert refusal.place == {"item_id": "msg_1", "output_index": 0, "content_index": 1}
    assert message.done("incomplete") == {
        "id": "msg_1",
        "type": "message",
        "status": "incomplete",
        "role": "assistant",
        "content": [
            {"type": "output_text", "text": "ab", "annotations": [], "logprobs": []},
            {"type": "refusal", "refusal": "no"},
        ],
    }


def test_a_call_collects_its_arguments() -> None:
    call = OpenCall(1, "fc_1", "c", "f", is_custom=False)
    call.texts += ['{"a":', "1}"]
    assert call.announced()["arguments"] == ""
    assert call.done("completed")["arguments"] == '{"a":1}'
    assert OpenCall(1, "ctc_1", "c", "f", is_custom=True).done("completed")["type"] == "custom_tool_call"


def test_reasoning_collects_its_text_its_summary_and_its_seal() -> None:
    thought = OpenReasoning(0, "rs_1")
    assert thought.announced() == {"id": "rs_1", "type": "reasoning", "summary": []}
    thought.texts.append("t")
    thought.summary += [["a", "b"], ["c"]]
    thought.seal = Seal("openai", SealKind.ENCRYPTED, "E")
    assert thought.done("incomplete") == {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "ab"}, {"type": "summary_text", "text": "c"}],
        "content": [{"type": "reasoning_text", "text": "t"}],
        "encrypted_content": "E",
        "status": "incomplete",
    }


def test_an_item_in_one_piece_stays_as_it_is() -> None:
    item = WholeItem(2, {"type": "web_search_call", "id": "ws_1"})
    assert item.announced() == item.done("completed") == {"type": "web_search_call", "id": "ws_1"}
    assert (item.kind, item.place) == ("web_search_call", {"item_id": "ws_1", "output_index": 2})
    assert WholeItem(0, {"type": 7}).kind == ""


def test_every_kind_of_item_says_what_it_is_at_its_beginning_and_end() -> None:
    item = OpenItem(0, "x")
    with pytest.raises(NotImplementedError):
        item.announced()
    with pytest.raises(NotImplementedError):
        item.done("completed")
