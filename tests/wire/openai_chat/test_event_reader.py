from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.events import Ended, Failed, Finished, FinishReason, KeepAlive, Started, UsageReported
from weighbridge.wire.fold import fold
from weighbridge.wire.openai_chat.event_reader import ChatEventReader
from weighbridge.wire.openai_chat.reply_reader import read_reply

DONE = b"data: [DONE]\n\n"
COUNTS = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def frame(**fields):
    return b"data: " + encode_json({"id": "id", "model": "m", "created": 5} | fields) + b"\n\n"


def delta(finish=None, index=0, **fields):
    return frame(choices=[{"index": index, "delta": fields, "finish_reason": finish}])


def read(*frames):
    reader = ChatEventReader()
    events = [event for data in frames for event in reader.feed(data)]
    return [*events, *reader.finish()], reader


def test_a_stream_is_the_whole_reply_in_pieces():
    events, reader = read(
        delta(role="assistant", content=""),
        delta(reasoning_content="th"),
        delta(reasoning_content="ought"),
        delta(content="He"),
        delta(content="llo"),
        delta("stop"),
        frame(choices=[], usage=COUNTS, service_tier="flex"),
        DONE,
    )
    message = {"content": "Hello", "reasoning_content": "thought"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    whole = {"id": "id", "model": "m", "created": 5, "choices": choices, "usage": COUNTS, "service_tier": "flex"}
    assert fold(events) == read_reply(encode_json(whole))
    assert reader.is_ended


def test_a_stream_without_done_still_ends_but_one_without_a_finish_reason_broke_off():
    events, reader = read(delta(content="Hi"), delta("stop"))
    assert (events[-1], reader.is_ended) == (Ended(), True)
    events, reader = read(delta(content="Hi"))
    assert not reader.is_ended
    assert not any(isinstance(event, (Ended, Finished)) for event in events)


def test_one_of_two_choices_without_a_finish_reason_is_no_end():
    _, reader = read(delta(content="a"), delta(index=1, content="b"), delta("stop"))
    assert not reader.is_ended


def test_done_without_a_finish_reason_invents_none():
    events, _ = read(delta(content="Hi"), DONE)
    assert [event for event in events if isinstance(event, Finished)] == [Finished(0, FinishReason.OTHER)]


def test_a_last_event_without_a_blank_line_is_read():
    _, reader = read(delta("stop"), b"data: [DONE]")
    assert reader.is_ended
    _, reader = read(delta(content="a"), b'data: {"choices":[{"finish_reason":"st')
    assert not reader.is_ended


def test_azures_first_chunk_is_no_start():
    filters = b'data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[]}\n\n'
    events, _ = read(filters, delta("stop", content="Hi"))
    assert [event for event in events if isinstance(event, Started)] == [Started("id", "m", 5)]


def test_comments_and_pings_are_signs_of_life():
    events, _ = read(b": OPENROUTER PROCESSING\n\n", b"event: ping\n\n", delta(content="Hi"))
    assert events[:2] == [KeepAlive(), KeepAlive()]


@pytest.mark.parametrize(
    "usage",
    [
        {"usage": COUNTS},
        {"x_groq": {"id": "r", "usage": COUNTS}},
        {"usage": COUNTS, "x_groq": {"usage": COUNTS}},
    ],
)
def test_usage_is_read_wherever_it_stands(usage):
    last = frame(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}], **usage)
    events, _ = read(delta(content="Hi"), last, DONE)
    (reported,) = [event for event in events if isinstance(event, UsageReported)]
    assert (reported.usage.input, reported.usage.output) == (3, 2)


def test_empty_usage_does_not_replace_what_is_known():
    events, _ = read(frame(choices=[], usage=COUNTS), frame(choices=[], usage={}), delta("stop"), DONE)
    assert fold(events).usage.input == 3


@pytest.mark.parametrize(
    ("data", "failed"),
    [
        (
            b'event: error\ndata: {"error":{"message":"no","type":"server_error","code":"busy"}}\n\n',
            Failed("no", "server_error", "busy"),
        ),
        (frame(error={"message": "no", "code": 502}), Failed("no", status=502)),
        (b'data: {"error":"no"}\n\n', Failed("no")),
        (
            b'data: {"object":"error","message":"no","type":"BadRequestError","code":400}\n\n',
            Failed("no", "BadRequestError", "", 400),
        ),
        (b'data: {"detail":"no"}\n\n', Failed("no")),
        (frame(choices=[], x_groq={"error": "no"}), Failed("no")),
        (
            frame(choices=[{"index": 0, "error": {"message": "no", "code": 429}, "finish_reason": "error"}]),
            Failed("no", status=429),
        ),
    ],
)
def test_an_error_within_the_stream_ends_it(data, failed):
    events, reader = read(delta(content="Hi"), data, delta(content="more"), DONE)
    assert events[-1] == failed
    assert reader.is_ended
    assert not any(isinstance(event, (Ended, Finished)) for event in events)


def test_an_event_that_says_nothing_is_no_error():
    events, _ = read(b"data: {}\n\n", delta("stop", content="Hi"), DONE)
    assert events[-1] == Ended()


def test_what_is_no_json_is_malformed():
    with pytest.raises(GatewayError) as refused:
        ChatEventReader().feed(b"data: <html>\n\n")
    assert refused.value.kind is ErrorKind.PROVIDER_MALFORMED


def test_sources_beside_the_choices_belong_to_the_text():
    events, _ = read(frame(choices=[{"delta": {"content": "a"}}], citations=["https://a.example"]), delta("stop"), DONE)
    (text,) = fold(events).choices[0].parts
    assert [citation.url for citation in text.citations] == ["https://a.example"]


def test_log_probabilities_are_kept_in_order():
    token = {"token": "a", "logprob": -1.0}
    chunk = frame(choices=[{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [token]}}])
    events, _ = read(chunk, chunk, delta("stop"), DONE)
    assert fold(events).choices[0].logprobs == (token, token)


def test_texts_of_legacy_completions_are_texts():
    events, _ = read(frame(choices=[{"index": 0, "text": "a"}]), frame(choices=[{"text": "b", "finish_reason": "length"}]), DONE)
    choice = fold(events).choices[0]
    assert (choice.parts[0].text, choice.reason) == ("ab", FinishReason.LENGTH)


STREAM = b"".join(
    (
        b"\xef\xbb\xbf: hello\n\n",
        delta(role="assistant", content=""),
        delta(content="Gr\u00fc\u00dfe \U0001f600").replace(b"\n\n", b"\r\n\r\n"),
        delta(tool_calls=[{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]),
        delta("tool_calls"),
        frame(choices=[], usage=COUNTS),
        DONE,
    )
)


@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=12))
def test_any_split_of_the_bytes_gives_the_same_events(cuts):
    at = [0, *sorted(set(cuts)), len(STREAM)]
    pieces, reader = read(*(STREAM[a:b] for a, b in pairwise(at)))
    assert pieces == read(STREAM)[0]
    assert reader.is_ended


@given(st.integers(0, STREAM.index(b'"finish_reason":"tool_calls"')))
def test_a_stream_that_is_cut_before_its_finish_reason_never_ends(cut):
    events, reader = read(STREAM[:cut])
    assert not reader.is_ended
    assert not any(isinstance(event, (Ended, Finished)) for event in events)
