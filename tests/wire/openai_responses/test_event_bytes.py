"""Templates of the frequent events."""

from __future__ import annotations

import pytest

from weighbridge.core.codec import decode_json
from weighbridge.wire.events import LogprobsAdded, TextDelta
from weighbridge.wire.openai_responses.event_bytes import (
    ARGUMENTS,
    INPUT,
    REFUSAL,
    SUMMARY,
    TEXT,
    TEXT_LOGPROBS,
    THINKING,
    tokens_first,
)

AT = (3, b'"msg_1"', 2)


@pytest.mark.parametrize(
    ("frame", "kind", "own"),
    [
        (TEXT % (*AT, 1, b'"x"'), "response.output_text.delta", {"content_index": 1, "delta": "x", "logprobs": []}),
        (
            TEXT_LOGPROBS % (*AT, 1, b'"x"', b"[7]"),
            "response.output_text.delta",
            {"content_index": 1, "delta": "x", "logprobs": [7]},
        ),
        (REFUSAL % (*AT, 1, b'"x"'), "response.refusal.delta", {"content_index": 1, "delta": "x"}),
        (ARGUMENTS % (*AT, b'"x"'), "response.function_call_arguments.delta", {"delta": "x"}),
        (INPUT % (*AT, b'"x"'), "response.custom_tool_call_input.delta", {"delta": "x"}),
        (THINKING % (*AT, b'"x"'), "response.reasoning_text.delta", {"content_index": 0, "delta": "x"}),
        (SUMMARY % (*AT, 4, b'"x"'), "response.reasoning_summary_text.delta", {"summary_index": 4, "delta": "x"}),
    ],
)
def test_every_template_makes_a_whole_event(frame: bytes, kind: str, own: dict[str, object]) -> None:
    name, data, rest = frame.split(b"\n", 2)
    assert (name, rest) == (b"event: " + kind.encode(), b"\n")
    event = decode_json(data.removeprefix(b"data: "))
    assert event == {"type": kind, "sequence_number": 3, "item_id": "msg_1", "output_index": 2, **own}


def test_log_probabilities_come_before_their_text() -> None:
    text, tokens = TextDelta(0, 0, "x"), LogprobsAdded(0, ())
    assert tokens_first([text, tokens, text]) == [tokens, text, text]
    assert tokens_first([tokens]) == [tokens]
