from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Usage
from weighbridge.wire.codecs import ReplyContext, RequestContext
from weighbridge.wire.conversation import Citation, Conversation, Reasoning, ReasoningWish, Refusal, Seal, SealKind, Text, ToolCall
from weighbridge.wire.events import (
    Choice,
    CitationAdded,
    Ended,
    Failed,
    Finished,
    FinishReason,
    KeepAlive,
    PartEnded,
    PartKind,
    PartStarted,
    ReasoningDelta,
    Reply,
    Started,
    SummaryDelta,
    TextDelta,
    UsageReported,
)
from weighbridge.wire.fold import fold, unfold
from weighbridge.wire.openai_chat.event_reader import ChatEventReader
from weighbridge.wire.openai_chat.event_writer import ChatEventWriter
from weighbridge.wire.openai_chat.reply_reader import read_reply
from weighbridge.wire.openai_chat.reply_writer import write_reply
from weighbridge.wire.openai_chat.request_reader import read_request
from weighbridge.wire.receipt import Receipt

SIGNED = Seal("anthropic", SealKind.SIGNATURE, "sig")
TEXT = (PartStarted(0, 0, PartKind.TEXT), TextDelta(0, 0, "Hi"), PartEnded(0, 0))
END = (Finished(0, FinishReason.STOP), UsageReported(Usage(3, output=2), "flex"), Ended())


def context(**facts):
    return ReplyContext("req1", "asked", 7, Conversation("asked", (), stream=True, **facts))


def write(*events, **facts):
    return ChatEventWriter(context(**facts)).write(events)


def chunks(*events, **facts):
    lines = [line[6:] for line in write(*events, **facts).split(b"\n\n") if line.startswith(b"data: {")]
    return [decode_json(line) for line in lines]


def deltas(*events, **facts):
    return [choice["delta"] for chunk in chunks(*events, **facts) for choice in chunk["choices"]]


def reasoning(*events, **facts):
    return deltas(PartStarted(0, 0, PartKind.REASONING), *events, **facts)


def test_a_stream_is_chunks_and_done():
    first, last = chunks(Started("id", "m", 5), *TEXT, *END)
    assert first == {
        "id": "id",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": "m",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": None}],
    }
    assert last["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    assert write(*TEXT, *END).endswith(b"data: [DONE]\n\n")


def test_usage_is_a_chunk_of_its_own_for_those_who_asked():
    *others, last = chunks(*TEXT, *END, include_usage=True)
    assert (last["choices"], last["usage"]["total_tokens"], last["service_tier"]) == ([], 5, "flex")
    assert all(chunk["usage"] is None for chunk in others)
    assert b"usage" not in write(*TEXT, *END)


def test_nothing_ends_well_that_did_not():
    writer = ChatEventWriter(context())
    begun = writer.write(TEXT)
    failed = writer.fail(GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "The provider broke off its answer."))
    assert decode_json(failed.removeprefix(b"data: "))["error"]["code"] == "provider_broke_off"
    assert b"[DONE]" not in begun + failed
    assert b'"finish_reason":"' not in begun + failed
    told = ChatEventWriter(context()).write((*TEXT, Failed("busy", "server_error")))
    assert b'"error":{' in told
    assert b"[DONE]" not in told


def test_a_sign_of_life_is_a_comment():
    assert write(KeepAlive()) == b": keep-alive\n\n"


def test_thoughts_and_paragraphs_are_told_apart_by_a_blank_line():
    told = reasoning(
        SummaryDelta(0, 0, 0, "a"),
        SummaryDelta(0, 0, 1, "b"),
        SummaryDelta(0, 0, 1, "c"),
        PartEnded(0, 0),
        PartStarted(0, 1, PartKind.REASONING),
        ReasoningDelta(0, 1, "d"),
    )
    assert [delta["reasoning_content"] for delta in told] == ["a", "\n\nb", "c", "\n\nd"]
    assert [delta["reasoning_details"][0].get("summary") for delta in told] == ["a", "\n\nb", "c", None]
    assert told[3]["reasoning_details"] == [{"type": "reasoning.text", "text": "d", "index": 1}]


def test_a_seal_comes_with_its_format_once():
    *_, last = reasoning(ReasoningDelta(0, 0, "a"), PartEnded(0, 0, SIGNED))
    assert last["reasoning_details"] == [
        {"type": "reasoning.text", "text": "", "index": 0, "format": "anthropic-claude-v1", "signature": "sig"}
    ]


def test_reasoning_that_nobody_wants_to_see_is_not_told():
    hidden = ReasoningWish(summary="omitted")
    assert reasoning(ReasoningDelta(0, 0, "a"), PartEnded(0, 0, SIGNED), reasoning=hidden) == []
    (sealed,) = reasoning(PartEnded(0, 0, SIGNED), reasoning=hidden)
    assert sealed["reasoning_details"][0]["signature"] == "sig"


def test_citations_come_when_their_text_has_ended_with_its_place():
    cited = Citation("anthropic", {}, url="https://a.example", title="A")
    told = deltas(
        *TEXT,
        PartStarted(0, 1, PartKind.TEXT),
        CitationAdded(0, 1, cited),
        TextDelta(0, 1, "so"),
        PartEnded(0, 1),
    )
    assert told[-1]["annotations"][0]["url_citation"] == {
        "url": "https://a.example",
        "title": "A",
        "start_index": 2,
        "end_index": 4,
    }


@pytest.mark.parametrize("seal", [None, Seal("gemini", SealKind.SIGNATURE, "c2ln"), SIGNED])
def test_a_calls_signature_follows_it_by_its_number(seal):
    told = deltas(PartStarted(0, 0, PartKind.TOOL_CALL, "", "f"), PartEnded(0, 0, seal))
    assert told[0]["tool_calls"][0]["id"] == "call_req1_0"
    assert len(told) == (1 if seal is None else 2)


def test_callers_of_the_older_functions_get_the_one_call_in_their_way():
    calls = Choice((ToolCall("c", "f", "{}"), ToolCall("d", "g", "{}")), FinishReason.TOOL_CALLS)
    told = deltas(*unfold(Reply((calls,))), wants_function_call=True)
    assert [delta.get("function_call") for delta in told] == [{"name": "f", "arguments": ""}, {"arguments": "{}"}, None]
    last = chunks(*unfold(Reply((calls,))), wants_function_call=True)[-1]
    assert last["choices"][0]["finish_reason"] == "function_call"


def test_a_client_that_adds_up_a_stream_can_send_the_message_back():
    parts = (
        Reasoning("think", seal=SIGNED),
        Reasoning(summary=("sum",), seal=Seal("openai", SealKind.ENCRYPTED, "enc"), id="rs_1"),
        Text("Hello"),
        ToolCall("c1", "f", '{"a":1}', seal=Seal("gemini", SealKind.SIGNATURE, "c2ln")),
        ToolCall("c2", "g", "{}"),
    )
    data = write(*unfold(Reply((Choice(parts, FinishReason.TOOL_CALLS),))))
    state = ChatCompletionStreamState()
    for line in data.split(b"\n\n"):
        if line.startswith(b"data: {"):
            state.handle_chunk(ChatCompletionChunk.model_validate_json(line[6:]))
    message = state.get_final_completion().choices[0].message.model_dump(exclude_none=True)
    body = encode_json({"model": "m", "messages": [{"role": "user", "content": "x"}, message]})
    receipt = Receipt()
    assert read_request(body, RequestContext("m"), receipt).turns[1].parts == parts
    assert receipt.losses == []


WORDS = st.text(min_size=1, max_size=6)
SEALS = st.none() | st.sampled_from(
    [
        SIGNED,
        Seal("anthropic", SealKind.REDACTED, "r"),
        Seal("openai", SealKind.ENCRYPTED, "e"),
        Seal("gemini", SealKind.SIGNATURE, "c2ln"),
        Seal("xai", SealKind.ENCRYPTED, "x"),
        Seal("bedrock", SealKind.SIGNATURE, "b"),
    ]
)


@st.composite
def thoughts(draw):
    text, summary, seal = draw(st.text(max_size=4)), draw(st.lists(WORDS, max_size=1)), draw(SEALS)
    if not text and not summary and seal is None:
        text = "hm"
    return Reasoning(text, tuple(summary), seal, draw(st.none() | WORDS) if seal is not None else None)


@st.composite
def choices(draw):
    parts = draw(st.lists(thoughts(), max_size=2))
    if draw(st.booleans()):
        parts.append(Text(draw(WORDS), seal=draw(st.sampled_from([None, Seal("gemini", SealKind.SIGNATURE, "c2ln")]))))
    if draw(st.booleans()):
        parts.append(Refusal(draw(WORDS)))
    is_signed = any(isinstance(part, Text) and part.seal is not None for part in parts)
    seals = st.none() if is_signed else SEALS.filter(lambda seal: seal is None or seal.kind is SealKind.SIGNATURE)
    for i in range(0 if is_signed else draw(st.integers(0, 2))):
        parts.append(ToolCall(f"c{i}", draw(WORDS), draw(WORDS), draw(st.booleans()), draw(seals)))
    calls = any(isinstance(part, ToolCall) for part in parts)
    reason, native = (FinishReason.TOOL_CALLS, "tool_calls") if calls else draw(st.sampled_from(ENDS))
    return Choice(tuple(parts), reason, native)


ENDS = [(FinishReason.STOP, "stop"), (FinishReason.LENGTH, "length"), (FinishReason.ERROR, "error")]
REPLIES = st.builds(
    Reply,
    st.lists(choices(), min_size=1, max_size=2).map(tuple),
    id=WORDS,
    model=WORDS,
    created_s=st.integers(1, 2**31),
    usage=st.builds(Usage, *[st.integers(0, 99)] * 3, output=st.integers(5, 99), reasoning=st.integers(0, 5)),
    service_tier=st.sampled_from([None, "default", "flex", "priority"]),
)


@given(REPLIES)
def test_what_this_format_can_say_survives_writing_and_reading(reply):
    assert read_reply(write_reply(reply, context())) == reply


@given(REPLIES, st.integers(50, 5000))
def test_the_stream_of_a_reply_adds_up_to_the_reply(reply, size):
    data = write(*unfold(reply), include_usage=True)
    reader = ChatEventReader()
    events = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    told = fold([*events, *reader.finish()])
    assert reader.is_ended
    assert told == reply
