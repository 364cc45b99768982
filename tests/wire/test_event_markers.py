from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.wire.event_markers import (
    chat_tells,
    gemini_tells,
    message_tells,
    openai_tells,
    payload_of,
    realtime_tells,
    response_tells,
)

SAID = 'an error, a response, a message_stop, a finishReason and "prompt_tokens": 7 with its "finish_reason": "stop"'
NUMBER = {"prompt_tokens": 1}

TELLING = [
    (chat_tells, {"choices": [{"finish_reason": "stop"}]}),
    (chat_tells, {"usage": NUMBER}),
    (chat_tells, {"x_groq": {"usage": NUMBER}}),
    (chat_tells, {"error": {"code": 502}}),
    (openai_tells, {"type": "transcript.text.done", "usage": {"type": "duration", "seconds": 3}}),
    (openai_tells, {"type": "speech.audio.done", "usage": {"input_tokens": 1}}),
    (openai_tells, {"type": "image_generation.completed"}),
    (openai_tells, {"type": "error", "error": {"code": "c"}}),
    (response_tells, {"type": "response.completed", "response": {}}),
    (response_tells, {"type": "error", "code": "c"}),
    (message_tells, {"type": "message_start", "message": {}}),
    (message_tells, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
    (message_tells, {"type": "message_stop"}),
    (message_tells, {"type": "error", "error": {"type": "overloaded_error"}}),
    (gemini_tells, {"candidates": [{"finishReason": "STOP"}]}),
    (gemini_tells, {"candidates": [{"finishReason": 1}]}),
    (gemini_tells, {"promptFeedback": {"blockReason": "SAFETY"}}),
    (gemini_tells, {"error": {"status": "UNAVAILABLE"}}),
    (realtime_tells, {"type": "response.done", "response": {}}),
    (realtime_tells, {"type": "conversation.item.input_audio_transcription.completed"}),
    (realtime_tells, {"type": "session.updated", "session": {"model": "m"}}),
    (realtime_tells, {"type": "error", "error": {}}),
]
ORDINARY = [
    (chat_tells, {"choices": [{"delta": {"content": SAID}, "finish_reason": None}], "usage": None}),
    (openai_tells, {"type": "transcript.text.delta", "delta": SAID}),
    (openai_tells, {"type": "speech.audio.delta", "audio": "AAAA"}),
    (response_tells, {"type": "response.output_text.delta", "delta": SAID}),
    (message_tells, {"type": "content_block_delta", "delta": {"type": "text_delta", "text": SAID}}),
    (message_tells, {"type": "ping"}),
    (gemini_tells, {"candidates": [{"content": {"parts": [{"text": SAID}]}}], "usageMetadata": {"promptTokenCount": 1}}),
    (realtime_tells, {"type": "response.output_audio.delta", "delta": "AAAA"}),
    (realtime_tells, {"type": "response.output_text.delta", "delta": SAID}),
]


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["compact", "spaced"])
@pytest.mark.parametrize(("tells", "event"), TELLING)
def test_an_event_that_counts_ends_or_fails_is_read(tells, event, separators) -> None:
    assert tells(b"data: " + json.dumps(event, separators=separators).encode() + b"\n\n")


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["compact", "spaced"])
@pytest.mark.parametrize(("tells", "event"), ORDINARY)
def test_an_ordinary_event_is_not_decoded_whatever_the_model_says(tells, event, separators) -> None:
    assert not tells(b"data: " + json.dumps(event, separators=separators).encode() + b"\n\n")


def test_the_end_of_a_chat_stream_is_read() -> None:
    assert chat_tells(b"data: [DONE]\n\n")
    assert openai_tells(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("frame", "payload"),
    [
        (b"data: {}\n\n", b"{}"),
        (b"data:{}\r\n\r\n", b"{}"),
        (b"data: {}\r\r", b"{}"),
        (b": ping\nevent: message_stop\nid: 7\ndata: {}\n\n", b"{}"),
        (b'data: {"a":\ndata: 1}\n\n', b'{"a":\n1}'),
        (b"data: [DONE]", b"[DONE]"),
        (b": keep-alive\n\n", b""),
        (b"", b""),
    ],
)
def test_the_payload_of_a_frame_is_its_data_lines(frame, payload) -> None:
    assert payload_of(frame) == payload


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1).map(lambda text: text.lstrip(" ").encode()),
        max_size=5,
    )
)
def test_payloads_come_back_whole_however_many_lines_they_take(lines) -> None:
    frame = b"".join(b"event: x\ndata: " + line + b"\n" for line in lines) + b"\n"
    assert payload_of(frame) == b"\n".join(lines)
