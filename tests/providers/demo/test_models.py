"""The pace of replies."""

import pytest

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.terms import Dialect
from weighbridge.providers.demo import DemoRequest, respond

MS = 1_000_000


def ask(*, headers=(), **body):
    raw = encode_json({"model": "echo", "messages": [{"role": "user", "content": "Hello, demo!"}], **body})
    request = DemoRequest("POST", "/chat/completions", "", headers, raw, Dialect.OPENAI)
    return respond(request, now_s=1, request_number=1)


def waits_ms(reply):
    return [chunk.delay_ns // MS for chunk in reply.chunks]


@pytest.mark.parametrize(
    ("model", "waits"),
    [
        ("echo", [20, 20, 20, 20, 0, 0]),
        ("echo-fast", [0, 0, 0, 0, 0, 0]),
        ("slow", [2000, 500, 500, 500, 0, 0]),
    ],
)
def test_stream_waits_before_its_first_chunk_and_before_each_token(model, waits):
    assert waits_ms(ask(model=model, stream=True)) == waits


@pytest.mark.parametrize("model", ["echo", "slow", "think"])
def test_whole_reply_takes_as_long_as_its_stream(model):
    assert waits_ms(ask(model=model)) == [sum(waits_ms(ask(model=model, stream=True)))]


def test_header_wins_over_metadata_and_both_over_the_model():
    header = [(b"x-demo-pace-ms", b"5")]
    assert waits_ms(ask(stream=True, headers=header, metadata={"pace_ms": "7"}))[:2] == [5, 5]
    assert waits_ms(ask(stream=True, metadata={"pace_ms": "7"}))[:2] == [7, 7]


@pytest.mark.parametrize("value", [b"", b"-1", b"1.5", b"60001", b"fast"])
def test_pace_that_is_no_whole_number_within_a_minute_is_refused(value):
    reply = ask(headers=[(b"x-demo-pace-ms", value)])
    assert reply.status == 400
    assert "milliseconds" in decode_json(reply.chunks[0].data)["error"]["message"]


def test_no_whole_reply_waits_longer_than_ten_minutes():
    slow = [(b"x-demo-pace-ms", b"60000")]
    assert waits_ms(ask(model="lorem", headers=slow)) == [600_000]
