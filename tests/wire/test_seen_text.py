from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from weighbridge.core.codec import encode_json
from weighbridge.wire.seen_text import asked_text, written_text

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(st.lists(TEXT, max_size=5))
@example(["response."])  # which is how the Responses API's types of events begin
def test_a_stream_of_deltas_is_the_text_that_they_say(pieces):
    events = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    assert written_text(b"".join(b"data: %b\n\n" % encode_json(event) for event in events)).text == "".join(pieces)


@given(st.text("abc \n\u00e9", max_size=40), st.integers(0, 200))
def test_wherever_a_reply_breaks_off_what_came_can_be_read(text, end):
    whole = encode_json({"content": [{"type": "text", "text": text}], "usage": {}})
    came = written_text(whole[:end]).text
    assert text.startswith(came.rstrip("\\\ufffd"))


@given(st.binary(max_size=300))
def test_no_bytes_are_too_strange(data):
    written_text(data)
    asked_text(data)


@pytest.mark.parametrize(
    ("data", "text", "n_calls"),
    [
        (b'data: {"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"Hm"}}', "Hm", 0),
        (b'data: {"delta":{"type":"signature_delta","signature":"AAAA"}}', "", 0),
        (b'data: {"type":"content_block_start","content_block":{"type":"tool_use","id":"t1","name":"look"}}', "look", 1),
        (b'data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":"b"}}}]}}]}', 'f{"a":"b"}', 1),
        (b'{"delta":{"toolUse":{"input":"{\\"a\\":"}},"p":"abcdef"}{"start":{"toolUse":{"toolUseId":"x","name":"f"}}}', "f", 1),
        (
            b'data: {"type":"response.output_text.delta","delta":"Hi"}\n\ndata: {"type":"response.output_text.done","text":"Hi"}',
            "Hi",
            0,
        ),
        (b'{"message":{"role":"assistant","content":"caf\\u00e9"},"done":false}', "caf\u00e9", 0),
    ],
)
def test_every_dialects_way_of_writing_is_read(data, text, n_calls):
    assert (written_text(data).text, written_text(data).n_calls) == (text, n_calls)


def test_a_request_is_read_without_what_no_model_reads():
    asked = asked_text(
        encode_json(
            {
                "model": "m",
                "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
                "messages": [{"role": "user", "content": "Hi"}, {"role": "tool", "tool_call_id": "call_1", "content": "42"}],
                "tools": [{"name": "f"}],
                "metadata": {"user": "somebody"},
            }
        )
    )
    assert asked is not None
    assert asked.text == 'Be brief.\nHi\n42\n[{"name":"f"}]'
    assert (asked.n_turns, asked.has_tools) == (3, True)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null"])
def test_what_is_no_request_has_no_text(body):
    assert asked_text(body) is None


def test_a_value_of_any_depth_is_read_as_far_as_vendors_take_it():
    deep = b'{"messages":' + b"[" * 200 + b'"x"' + b"]" * 200 + b"}"
    assert asked_text(deep) is not None
