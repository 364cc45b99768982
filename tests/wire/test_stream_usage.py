from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.wire.stream_usage import MAX_HELD_BYTES, UsageChunkFilter

HEAD = b'{"id":"c","object":"chat.completion.chunk","model":"m",'
WORDS = b"data: " + HEAD + b'"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}],"usage":null}'
USAGE = b"data: " + HEAD + b'"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}'
AZURE = b"data: " + HEAD + b'"choices":[],"prompt_filter_results":[]}'
QUOTED = b"data: " + HEAD + b'"choices":[{"index":0,"delta":{"content":"\\"choices\\":[] \\"usage\\":{"}}],"usage":null}'
BESIDE = b"data: " + HEAD + b'"choices":[{"index":0,"delta":{}}],"usage":{"prompt_tokens":3}}'
SPACED = b'data: {"choices" : [ ], "usage": {"prompt_tokens": 3}}'
DONE = b"data: [DONE]"


def filtered(pieces: list[bytes]) -> bytes:
    usage_filter = UsageChunkFilter()
    return b"".join([usage_filter.feed(piece) for piece in pieces]) + usage_filter.finish()


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
@pytest.mark.parametrize("usage", [USAGE, SPACED])
def test_only_the_usage_chunk_and_its_terminator_are_taken_out(end, usage) -> None:
    others = [AZURE, WORDS, QUOTED, BESIDE, b": keep-alive"]
    stream = end.join([*others, usage, DONE, b""])
    assert filtered([stream]) == end.join([*others, DONE, b""])
    assert filtered([stream[: -len(end)]]) == end.join([*others, DONE])


def test_usage_on_a_chunk_with_choices_is_the_providers_own_and_stays() -> None:
    assert filtered([BESIDE + b"\n\n"]) == BESIDE + b"\n\n"


def test_whole_frames_are_forwarded_at_once_and_an_incomplete_one_is_held() -> None:
    usage_filter = UsageChunkFilter()
    assert usage_filter.feed(WORDS + b"\n\n") == WORDS + b"\n\n"
    assert usage_filter.feed(WORDS + b"\n\n" + WORDS[:20]) == WORDS + b"\n\n"
    assert usage_filter.feed(WORDS[20:] + b"\n\n") == WORDS + b"\n\n"
    assert usage_filter.feed(USAGE) == b""
    assert usage_filter.finish() == b""


def test_a_stream_that_breaks_off_inside_a_frame_gives_out_all_its_bytes() -> None:
    assert filtered([WORDS + b"\n\n" + WORDS[:50]]) == WORDS + b"\n\n" + WORDS[:50]
    assert filtered([USAGE[:-5]]) == USAGE[:-5]


def test_a_frame_too_long_to_hold_is_passed_on_rather_than_stalled() -> None:
    usage_filter = UsageChunkFilter()
    head = b"data: " + b"x" * (MAX_HELD_BYTES - 10)
    assert usage_filter.feed(head) == b""
    assert usage_filter.feed(b"y" * 20) == head + b"y" * 20
    assert usage_filter.feed(b"\n\n" + USAGE) == b"\n\n" + USAGE
    assert usage_filter.finish() == b""


FRAMES = st.sampled_from([WORDS, USAGE, AZURE, QUOTED, BESIDE, SPACED, DONE, b": hi", b"data: {broken", b"event: x\ndata: 1"])


@given(st.lists(FRAMES, max_size=8), st.sampled_from([b"\n\n", b"\r\n\r\n"]), st.data())
def test_every_split_gives_the_stream_without_its_usage_chunks(frames, end, data) -> None:
    stream = b"".join(frame + end for frame in frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert filtered(pieces) == b"".join(frame + end for frame in frames if frame not in {USAGE, SPACED})


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_arbitrary_bytes_pass_unchanged(pieces) -> None:
    assert filtered(pieces) == b"".join(pieces)
