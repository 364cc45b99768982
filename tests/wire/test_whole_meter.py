from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.codec import JsonError
from weighbridge.core.terms import NO_USAGE, Provenance, Usage
from weighbridge.wire.content_coding import decoder_for
from weighbridge.wire.reply_facts import ReplyFacts, read_openai
from weighbridge.wire.usage_tail import TAIL_BYTES
from weighbridge.wire.whole_meter import MAX_WHOLE_BYTES, GeminiArrayMeter, Meter, WholeMeter

REPLY = json.dumps(
    {
        "id": "chatcmpl-1",
        "model": "m",
        "choices": [{"index": 0, "message": {"content": "grüß dich"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29},
    },
    ensure_ascii=False,
).encode()
CHUNKS = [{"usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": count}} for count in (1, 3)]
LAST = {"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 6}}


def finished(meter: Meter, *pieces: bytes) -> Meter:
    for piece in pieces:
        meter.feed(piece)
    meter.finish()
    return meter


def values(meter: Meter) -> dict[str, object]:
    return {name: getattr(meter, name) for name in ReplyFacts.__slots__}


def test_a_reply_without_counts_is_complete_when_http_says_so() -> None:
    meter = Meter()
    meter.feed(REPLY)
    assert not meter.is_complete
    meter.finish()
    assert (meter.is_complete, meter.usage) == (True, NO_USAGE)


@given(st.lists(st.integers(0, len(REPLY)), max_size=10).map(sorted))
def test_every_split_of_a_document_tells_the_same(cuts) -> None:
    pieces = [REPLY[a:b] for a, b in zip([0, *cuts], [*cuts, len(REPLY)], strict=True)]
    assert values(finished(WholeMeter(read_openai), *pieces)) == values(finished(WholeMeter(read_openai), REPLY))


@given(st.integers(0, len(REPLY) - 1))
def test_a_document_that_broke_off_is_not_complete_and_counts_nothing(cut) -> None:
    meter = finished(WholeMeter(read_openai), REPLY[:cut])
    assert (meter.is_complete, meter.usage, meter.finish_reason) == (False, NO_USAGE, None)


@given(st.lists(st.binary(max_size=60), max_size=5), st.sampled_from([b"", b"gzip", b"br", b"zstd"]), st.booleans())
def test_bytes_of_any_kind_never_raise(pieces, coding, is_array) -> None:
    decoder = decoder_for(coding)
    meter = GeminiArrayMeter(decoder) if is_array else WholeMeter(read_openai, decoder)
    assert finished(meter, *pieces).usage is NO_USAGE


def test_the_facts_of_one_reply_never_show_in_the_next() -> None:
    finished(WholeMeter(read_openai), REPLY)
    assert values(WholeMeter(read_openai)) == values(Meter()) == values(ReplyFacts())


def test_a_document_is_decoded_once_at_its_end() -> None:
    seen: list[bytes] = []
    meter = WholeMeter(lambda _, document: seen.append(document))
    for piece in (b"{", b"", b"}"):
        meter.feed(piece)
        assert seen == []
    meter.finish()
    assert seen == [b"{}"]


def test_usage_at_the_end_of_a_reply_too_long_to_hold_is_found() -> None:
    numbers = b'{"embedding":[' + b"0.123456789," * 80_000 + b"1]},"
    head, tail = b'{"object":"list","data":[', b'{}],"model":"e","usage":{"prompt_tokens":8,"total_tokens":8}}\n'
    body = [head, *([numbers] * (MAX_WHOLE_BYTES // len(numbers) + 1)), tail]
    meter = finished(WholeMeter(read_openai), *body)
    assert (meter.usage, meter.is_complete) == (Usage(8, provenance=Provenance.DERIVED), True)
    assert not finished(WholeMeter(read_openai), *body[:-1]).is_complete


def test_a_reply_too_long_to_hold_is_not_held() -> None:
    meter = WholeMeter(read_openai)
    for _ in range(40):
        meter.feed(b"0" * (MAX_WHOLE_BYTES // 32))
        assert sum(map(len, meter._parts)) <= MAX_WHOLE_BYTES
    assert sum(map(len, meter._parts)) <= MAX_WHOLE_BYTES // 32 + 2 * TAIL_BYTES
    meter.finish()
    assert meter._parts == []


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_is_complete_when_the_model_finished(indent) -> None:
    whole = finished(GeminiArrayMeter(), json.dumps([*CHUNKS, LAST], indent=indent).encode())
    assert (whole.usage, whole.is_complete, whole.finish_reason) == (Usage(4, output=6), True, "STOP")
    ended = finished(GeminiArrayMeter(), json.dumps(CHUNKS, indent=indent).encode())
    assert (ended.usage, ended.is_complete) == (Usage(4, output=3, provenance=Provenance.DERIVED), False)


@given(st.data())
def test_an_array_that_broke_off_counts_as_far_as_its_last_whole_counts(data) -> None:
    body = json.dumps(CHUNKS, separators=(",", ":")).encode()
    cut = data.draw(st.integers(0, len(body) - 1))
    meter = finished(GeminiArrayMeter(), body[:cut])
    seen = body[:cut].count(b"}}")  # a count object is whole before its chunk is
    expected = {NO_USAGE, *(Usage(4, output=count, provenance=Provenance.DERIVED) for count in (1, 3)[: seen + 1])}
    assert meter.usage in expected
    assert seen == 0 or meter.usage.output >= (1, 3)[seen - 1]
    assert not meter.is_complete


def test_a_reader_that_refuses_leaves_the_reply_incomplete() -> None:
    def refuse(facts: ReplyFacts, document: bytes) -> None:
        raise JsonError("no")

    assert not finished(WholeMeter(refuse), b"{}").is_complete


@pytest.mark.parametrize("body", [b"[" * 100_000, b'[{"a":' * 100_000, b'[{"usageMetadata":' * 10_000])
def test_an_array_nested_too_deeply_leaves_the_usage_unknown(body) -> None:
    meter = finished(GeminiArrayMeter(), body)
    assert (meter.usage, meter.is_complete) == (NO_USAGE, False)
