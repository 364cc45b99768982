from __future__ import annotations

from weighbridge.core.codec import decode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Usage
from weighbridge.wire.codecs import ReplyContext
from weighbridge.wire.conversation import Conversation, Reasoning, Refusal, Text
from weighbridge.wire.events import (
    Choice,
    Ended,
    Failed,
    Finished,
    FinishReason,
    KeepAlive,
    LogprobsAdded,
    PartKind,
    PartStarted,
    Reply,
    Started,
    TextDelta,
    UsageReported,
)
from weighbridge.wire.openai_completions.reply_writer import CompletionEventWriter, write_reply

TOKENS = tuple(
    {"token": text, "logprob": -1.0, "top_logprobs": [{"token": text, "logprob": -1.0}, {"token": "?", "logprob": -2.0}]}
    for text in ("He", "llo")
)
LEGACY = {
    "tokens": ["He", "llo"],
    "token_logprobs": [-1.0, -1.0],
    "top_logprobs": [{"He": -1.0, "?": -2.0}, {"llo": -1.0, "?": -2.0}],
    "text_offset": [0, 2],
}


def context(**facts):
    return ReplyContext("req1", "asked", 7, Conversation("asked", (), **facts))


def whole(*parts, reason=FinishReason.STOP, **facts):
    return decode_json(write_reply(Reply((Choice(parts, reason, **facts),), usage=Usage(3, output=2)), context()))


def chunks(*events, **facts):
    data = CompletionEventWriter(context(**facts)).write(events)
    return [decode_json(line[6:]) for line in data.split(b"\n\n") if line.startswith(b"data: {")], data


def test_an_answer_is_its_text():
    body = whole(Reasoning("hm"), Text("Hello"), Refusal("!"))
    assert body["choices"] == [{"text": "Hello!", "index": 0, "logprobs": None, "finish_reason": "stop"}]
    assert (body["id"], body["object"], body["created"], body["model"]) == ("cmpl-req1", "text_completion", 7, "asked")
    assert body["usage"]["total_tokens"] == 5


def test_log_probabilities_have_the_older_shape():
    assert whole(Text("Hello"), logprobs=TOKENS)["choices"][0]["logprobs"] == LEGACY


def test_a_stream_is_chunks_and_done():
    told, data = chunks(
        Started("id", "m", 5),
        PartStarted(0, 0, PartKind.TEXT),
        TextDelta(0, 0, "Hi"),
        Finished(0, FinishReason.LENGTH),
        UsageReported(Usage(3, output=2)),
        Ended(),
    )
    assert told[0] == {
        "id": "id",
        "object": "text_completion",
        "created": 5,
        "model": "m",
        "choices": [{"text": "Hi", "index": 0, "logprobs": None, "finish_reason": None}],
    }
    assert told[1]["choices"][0]["finish_reason"] == "length"
    assert data.endswith(b"data: [DONE]\n\n")
    assert len(told) == 2


def test_usage_comes_last_for_those_who_asked():
    told, _ = chunks(TextDelta(0, 0, "Hi"), UsageReported(Usage(3, output=2)), Ended(), include_usage=True)
    assert (told[0]["usage"], told[1]["choices"], told[1]["usage"]["total_tokens"]) == (None, [], 5)


def test_offsets_of_tokens_go_on_from_chunk_to_chunk():
    told, _ = chunks(*(LogprobsAdded(0, (token,)) for token in TOKENS))
    assert [chunk["choices"][0]["logprobs"]["text_offset"] for chunk in told] == [[0], [2]]


def test_a_stream_that_fails_has_an_error_and_no_end():
    error = CompletionEventWriter(context()).fail(GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "It broke off."))
    assert decode_json(error.removeprefix(b"data: "))["error"]["message"] == "It broke off."
    _, data = chunks(KeepAlive(), Failed("busy"))
    assert data.startswith(b": keep-alive\n\n")
    assert b'"error":{' in data
    assert b"[DONE]" not in data
