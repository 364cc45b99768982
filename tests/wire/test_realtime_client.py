from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.codec import encode_json
from weighbridge.wire.realtime_client import asks_for_response, is_speech
from weighbridge.wire.websocket import Message, Opcode


def message(text, opcode=Opcode.TEXT):
    return Message(opcode, text, len(text))


@pytest.mark.parametrize(
    "text",
    [
        b'{"type":"response.create"}',
        b'{ "event_id" : 5 , "response": {"conversation": "none"}, "type" : "response.create" }',
        rb'{"type":"response\u002ecreate"}',
        rb'{"t\u0079pe":"\u0072esponse.create"}',
        b'{"type":"response.create","type":"session.update"}',
        b'{"type":"session.update","type":"response.create"}',
        b'{"type":"response.create"',  # no JSON to us
        b'\xef\xbb\xbf{"type":"response.create"}',
        b'{"type":"response.create","x":"\xff"}',
    ],
)
def test_a_message_that_may_be_taken_for_a_question_is_one(text):
    assert asks_for_response(message(text))
    assert asks_for_response(message(text, Opcode.BINARY))


@pytest.mark.parametrize(
    "text",
    [
        b'{"type":"response.cancel"}',
        b'{"type":"conversation.item.create","item":{"content":[{"type":"input_text","text":"what is response.create?"}]}}',
        b'{"type":"session.update","session":{"tools":[{"type":"response.create"}]}}',
        rb'{"type":"conversation.item.create","text":"\u0041"}',
        b'{"text":"response.create"}',
        b'{"type":["response.create"]}',
        b"",
    ],
)
def test_other_messages_are_none(text):
    assert not asks_for_response(message(text))


def test_a_ping_and_a_close_ask_for_nothing():
    for opcode in (Opcode.PING, Opcode.PONG, Opcode.CLOSE):
        assert not asks_for_response(message(b'{"type":"response.create"}', opcode))
        assert not is_speech(message(b"input_audio_buffer.append", opcode))


def test_what_is_too_long_to_be_read_may_be_anything():
    too_long = Message(Opcode.TEXT, b"", 1 << 30, is_truncated=True)
    assert asks_for_response(too_long)
    assert is_speech(too_long)


def test_speech_is_told_however_it_is_spelled():
    assert is_speech(message(b'{"type":"input_audio_buffer.append","audio":"AAAA"}'))
    assert is_speech(message(rb'{"type":"input_\u0061udio_buffer.append"}'))
    assert not is_speech(message(b'{"type":"response.create"}'))
    assert not is_speech(message(rb'{"type":"conversation.item.create","text":"caf\u00e9"}'))


@given(st.dictionaries(st.text(), st.text()), st.sampled_from(["response.create", "session.update"]))
def test_it_is_the_type_that_counts(fields, kind):
    assert asks_for_response(message(encode_json({**fields, "type": kind}))) is (kind == "response.create")


@given(st.binary(max_size=200))
def test_no_bytes_are_too_strange(text):
    assert asks_for_response(message(text)) in {True, False}
    assert is_speech(message(text)) in {True, False}
