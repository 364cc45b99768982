from __future__ import annotations

import importlib
import json

import anthropic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Usage
from weighbridge.wire.anthropic_messages.event_reader import MessageEventReader
from weighbridge.wire.anthropic_messages.event_writer import MessageEventWriter
from weighbridge.wire.anthropic_messages.reply_reader import read_reply
from weighbridge.wire.anthropic_messages.reply_writer import write_reply
from weighbridge.wire.codecs import ReplyContext
from weighbridge.wire.conversation import (
    Audio,
    Citation,
    Conversation,
    Image,
    MediaBytes,
    Reasoning,
    Refusal,
    Seal,
    SealKind,
    ServerTool,
    Text,
    ToolCall,
)
from weighbridge.wire.events import (
    ArgumentsDelta,
    Choice,
    Ended,
    Failed,
    Finished,
    FinishReason,
    KeepAlive,
    LogprobsAdded,
    PartEnded,
    PartKind,
    PartStarted,
    Reply,
    Started,
    SummaryDelta,
    TextDelta,
    UsageReported,
)
from weighbridge.wire.fold import fold, unfold
from weighbridge.wire.sealing import wrap

# The Anthropic SDK moved to httpx2, the successor of HTTPX.
HTTPX = importlib.import_module(anthropic.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0])
CONTEXT = ReplyContext("req_7", "asked-for", 0, Conversation("asked-for", ()))
ENCRYPTED = Seal("openai", SealKind.ENCRYPTED, "E")
SIGNED = Seal("gemini", SealKind.SIGNATURE, "G")


def events_of(stream):
    return [json.loads(frame.split("data: ", 1)[1]) for frame in stream.decode().split("\n\n") if "data: " in frame]


def write(*events):
    return events_of(MessageEventWriter(CONTEXT).write(events))


def opened(*events):
    """What is written for events behind the start."""
    writer = MessageEventWriter(CONTEXT)
    writer.write([Started("msg_1", "m")])
    return events_of(writer.write(events))


def test_a_stream_begins_and_ends_as_the_protocol_wants():
    start, *_, delta, stop = write(
        Started("chatcmpl-1", "gpt-x"),
        PartStarted(0, 0, PartKind.TEXT),
        TextDelta(0, 0, "hi"),
        PartEnded(0, 0),
        Finished(0, FinishReason.STOP_SEQUENCE, "stop", "END"),
        UsageReported(Usage(5, 2, output=4), "priority"),
        Ended(),
    )
    assert (start["message"]["id"], start["message"]["model"], start["message"]["content"]) == ("msg_chatcmpl-1", "gpt-x", [])
    assert (start["message"]["usage"]["input_tokens"], start["message"]["usage"]["output_tokens"]) == (0, 0)
    assert delta["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "END"}
    assert (delta["usage"]["input_tokens"], delta["usage"]["cache_read_input_tokens"], delta["usage"]["output_tokens"]) == (5, 2, 4)
    assert delta["usage"]["service_tier"] == "priority"
    assert stop == {"type": "message_stop"}


def test_the_bytes_of_a_token():
    writer = MessageEventWriter(CONTEXT)
    writer.write([Started(), PartStarted(0, 0, PartKind.TEXT)])
    assert writer.write([TextDelta(0, 0, 'a"\n')]) == (
        b"event: content_block_delta\n"
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\\"\\n"}}\n\n'
    )


def test_overlapping_parts_come_one_after_another():
    written = opened(
        PartStarted(0, 0, PartKind.TOOL_CALL, "t", "f"),
        PartStarted(0, 1, PartKind.TOOL_CALL, "u", "g"),
        ArgumentsDelta(0, 1, '{"b"'),
        ArgumentsDelta(0, 0, "{}"),
        PartStarted(0, 2, PartKind.TEXT),
        TextDelta(0, 2, "x"),
        ArgumentsDelta(0, 1, ":1}"),
        PartEnded(0, 1),
        PartEnded(0, 0),
        TextDelta(0, 2, "y"),
        PartEnded(0, 2),
    )
    shown = [(event["type"].removeprefix("content_block_"), event["index"]) for event in written]
    assert shown == [
        ("start", 0), ("delta", 0), ("stop", 0),
        ("start", 1), ("delta", 1), ("delta", 1), ("stop", 1),
        ("start", 2), ("delta", 2), ("delta", 2), ("stop", 2),
    ]  # fmt: skip
    assert written[3]["content_block"]["id"] == "u"


def test_paragraphs_of_a_summary_are_set_apart():
    written = opened(
        PartStarted(0, 0, PartKind.REASONING, item_id="rs_1"),
        SummaryDelta(0, 0, 0, "a"),
        SummaryDelta(0, 0, 1, "b"),
        PartEnded(0, 0, ENCRYPTED),
    )
    assert [event["delta"].get("thinking") for event in written[1:3]] == ["a", "\n\nb"]
    assert written[3]["delta"] == {"type": "signature_delta", "signature": wrap(ENCRYPTED, "anthropic")}


def test_thinking_that_cannot_be_read_is_a_redacted_block():
    start, stop = opened(PartStarted(0, 0, PartKind.REASONING), PartEnded(0, 0, ENCRYPTED))
    assert start["content_block"] == {"type": "redacted_thinking", "data": wrap(ENCRYPTED, "anthropic")}
    assert stop["index"] == 0


def test_thinking_of_nothing_takes_no_block():
    written = opened(PartStarted(0, 0, PartKind.REASONING), PartEnded(0, 0), PartStarted(0, 1, PartKind.TEXT))
    assert [(event["type"], event["index"]) for event in written] == [("content_block_start", 0)]


def test_only_the_first_choice_has_a_place():
    assert opened(PartStarted(1, 0, PartKind.TEXT), TextDelta(1, 0, "x"), PartEnded(1, 0), Finished(1, FinishReason.STOP)) == []
    assert opened(LogprobsAdded(0, ({"token": "x"},))) == []


def test_a_ping_waits_for_the_start():
    writer = MessageEventWriter(CONTEXT)
    assert writer.write([KeepAlive()]).startswith(b":")
    writer.write([Started()])
    assert events_of(writer.write([KeepAlive()])) == [{"type": "ping"}]


def test_a_failure_is_an_error_and_no_end():
    writer = MessageEventWriter(CONTEXT)
    writer.write([Started(), PartStarted(0, 0, PartKind.TEXT)])
    assert writer.write([Failed("x")]) == b""
    failure = writer.fail(GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "It broke off."))
    assert failure.startswith(b"event: error\n")
    assert events_of(failure)[0]["error"] == {"type": "api_error", "message": "It broke off."}


def test_there_is_no_end_without_a_finish():
    assert opened(Ended()) == []


def client_for(stream):
    def answer(_request):
        return HTTPX.Response(200, headers={"content-type": "text/event-stream"}, content=stream)

    transport = HTTPX.MockTransport(answer)
    return anthropic.Anthropic(api_key="none", base_url="http://test", max_retries=0, http_client=HTTPX.Client(transport=transport))


def streamed(stream):
    question = {"role": "user", "content": "x"}
    with client_for(stream) as client, client.messages.stream(model="m", max_tokens=9, messages=[question]) as stream_of:
        return stream_of.get_final_message()


PARTS = [
    Text("hello"),
    Text("signed", seal=SIGNED),
    Text("cited", citations=(Citation("openai", {}, "https://a.example", "A", "x"),)),
    Text(""),
    Refusal("no"),
    Reasoning("hm", seal=Seal("anthropic", SealKind.SIGNATURE, "S")),
    Reasoning("hm"),
    Reasoning("", ("a", "b"), ENCRYPTED),
    Reasoning(seal=ENCRYPTED),
    Reasoning(seal=Seal("anthropic", SealKind.SIGNATURE, "S")),
    Reasoning(seal=Seal("anthropic", SealKind.REDACTED, "D")),
    ToolCall("t1", "f", '{"a":[1,2,{"b":null}]}'),
    ToolCall("t2", "f", "{}", seal=SIGNED),
    ToolCall("t3", "patch", "*** free\ntext", is_custom=True),
    ServerTool(
        "anthropic", "web_search", {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}, "s", "x"
    ),
    ServerTool("anthropic", "web_search", {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}, "s"),
    ServerTool("openai", "web_search", {"type": "web_search_call"}),
    Audio(transcript="said"),
    Audio(MediaBytes("QQ==", "audio/*")),
    Image(MediaBytes("QQ==", "image/png")),
]


@st.composite
def replies(draw):
    choice = Choice(tuple(draw(st.lists(st.sampled_from(PARTS), max_size=5))), draw(st.sampled_from(FinishReason)))
    usage = draw(st.sampled_from([Usage(), Usage(5, 2, 1, 1, 4, 3), Usage(1, output=1, tool_calls=2)]))
    names = draw(st.sampled_from([("", ""), ("msg_1", "gpt-x"), ("resp_1", "")]))
    return Reply((choice,), *names, usage=usage, service_tier=draw(st.sampled_from([None, "default"])))


@given(replies())
def test_the_stream_and_the_whole_reply_say_the_same(reply):
    reader = MessageEventReader()
    found = reader.feed(MessageEventWriter(CONTEXT).write(list(unfold(reply))))
    assert reader.is_ended
    assert fold(found) == read_reply(write_reply(reply, CONTEXT))


@given(replies())
def test_events_one_by_one_or_together_are_the_same_bytes(reply):
    events = list(unfold(reply))
    writer = MessageEventWriter(CONTEXT)
    assert b"".join(writer.write([event]) for event in events) == MessageEventWriter(CONTEXT).write(events)


@pytest.mark.parametrize("part", PARTS)
def test_the_vendors_client_adds_up_the_stream_to_the_whole_message(part):
    reply = Reply(
        (Choice((part, Text("end")), FinishReason.STOP),), "msg_1", "m", usage=Usage(5, 2, 1, 1, 4, 3), service_tier="default"
    )
    whole = json.loads(write_reply(reply, CONTEXT))
    message = streamed(MessageEventWriter(CONTEXT).write(list(unfold(reply)))).to_dict()
    added_up = [{name: value for name, value in block.items() if value is not None} for block in message["content"]]
    assert added_up == whole["content"]
    assert (message["stop_reason"], message["usage"]["output_tokens"]) == (whole["stop_reason"], 4)
    assert message["usage"]["input_tokens"] == 5


def test_the_vendors_client_raises_for_a_failure():
    writer = MessageEventWriter(CONTEXT)
    stream = writer.write([Started("msg_1", "m"), PartStarted(0, 0, PartKind.TEXT), TextDelta(0, 0, "x")])
    with pytest.raises(anthropic.APIStatusError):
        streamed(stream + writer.fail(GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "It broke off.")))
