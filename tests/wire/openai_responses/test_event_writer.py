"""Events -> the caller's stream of a response."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import openai
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from weighbridge.core.codec import decode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.wire.codecs import ReplyContext
from weighbridge.wire.conversation import (
    Citation,
    Conversation,
    CustomTool,
    Image,
    MediaBytes,
    Part,
    Reasoning,
    ReasoningWish,
    Refusal,
    Role,
    Seal,
    SealKind,
    ServerTool,
    Text,
    ToolCall,
    Turn,
)
from weighbridge.wire.events import (
    ArgumentsDelta,
    AudioDelta,
    Choice,
    Ended,
    Event,
    Finished,
    FinishReason,
    KeepAlive,
    LogprobsAdded,
    PartEnded,
    PartKind,
    PartStarted,
    ReasoningDelta,
    RefusalDelta,
    Reply,
    Started,
    SummaryDelta,
    TextDelta,
    UsageReported,
)
from weighbridge.wire.fold import fold, unfold
from weighbridge.wire.openai_responses.event_reader import ResponseEventReader
from weighbridge.wire.openai_responses.event_writer import ResponseEventWriter
from weighbridge.wire.openai_responses.input_reader import read_input
from weighbridge.wire.openai_responses.reply_writer import response_of
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.sealing import wrap

SUMMARISING = ReplyContext("r", "m", 5, Conversation("m", (), reasoning=ReasoningWish(summary="auto")))
HI = (Turn(Role.USER, (Text("Hi"),)),)
CONTEXT = ReplyContext("r", "gpt-5", 5, Conversation("gpt-5", HI))
GEMINI = Seal("gemini", SealKind.SIGNATURE, "sig")
STOP = Finished(0, FinishReason.STOP, "stop")


def stream_of(events: Iterable[Event], context: ReplyContext = CONTEXT) -> bytes:
    writer = ResponseEventWriter(context)
    return b"".join(writer.write([event]) for event in events)


def events_of(stream: bytes) -> list[dict[str, Any]]:
    """The events of a stream, whose numbers and names are checked."""
    events: list[dict[str, Any]] = []
    for frame in stream.decode().split("\n\n")[:-1]:
        if frame.startswith(":"):
            continue
        name, data = frame.split("\n")
        event = decode_json(data.removeprefix("data: ").encode())
        assert name == f"event: {event['type']}"
        assert event["sequence_number"] == len(events)
        events.append(event)
    return events


def names_of(stream: bytes) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events_of(stream)]


HELLO = (
    Started("chatcmpl-1", "served", 7),
    PartStarted(0, 0, PartKind.TEXT),
    TextDelta(0, 0, "Hel"),
    TextDelta(0, 0, "lo"),
    PartEnded(0, 0),
)


def test_a_text_is_told_in_the_sequence_of_the_api() -> None:
    stream = stream_of([*HELLO, STOP, UsageReported(Usage(3, output=2), "default"), Ended()])
    events = events_of(stream)
    assert names_of(stream) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert events[0]["response"]["id"] == "resp_r"
    assert events[0]["response"]["status"] == "in_progress"
    assert events[2]["item"] == {"id": "msg_wb_r_0", "type": "message", "status": "in_progress", "role": "assistant", "content": []}
    assert events[4] == {
        "type": "response.output_text.delta",
        "sequence_number": 4,
        "item_id": "msg_wb_r_0",
        "output_index": 0,
        "content_index": 0,
        "delta": "Hel",
        "logprobs": [],
    }
    assert events[6]["text"] == "Hello"
    assert events[-1]["response"]["output"] == [events[-2]["item"]]
    assert events[-1]["response"]["usage"]["total_tokens"] == 5
    assert events[-1]["response"]["model"] == "served"


def test_every_kind_of_part_has_its_events() -> None:
    search = ServerTool("openai", "web_search", {"type": "web_search_call", "id": "ws_1", "status": "completed"})
    stream = stream_of(
        [
            Started(),
            PartStarted(0, 0, PartKind.REASONING),
            SummaryDelta(0, 0, 0, "a"),
            SummaryDelta(0, 0, 1, "b"),
            ReasoningDelta(0, 0, "t"),
            PartEnded(0, 0, GEMINI),
            PartStarted(0, 1, PartKind.SERVER_TOOL, whole=search),
            PartEnded(0, 1),
            PartStarted(0, 2, PartKind.TOOL_CALL, "c1", "f"),
            ArgumentsDelta(0, 2, "{}"),
            PartEnded(0, 2),
            PartStarted(0, 3, PartKind.TOOL_CALL, "c2", "g", is_custom=True),
            ArgumentsDelta(0, 3, "ls"),
            PartEnded(0, 3),
            PartStarted(0, 4, PartKind.REFUSAL),
            RefusalDelta(0, 4, "no"),
            PartEnded(0, 4),
            PartStarted(0, 5, PartKind.AUDIO),
            AudioDelta(0, 5, "AAAA", "said"),
            PartEnded(0, 5),
            KeepAlive(),
            STOP,
            Ended(),
        ]
    )
    assert b": keep-alive\n\n" in stream
    assert names_of(stream)[2:] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "web_search_call.in_progress",
        "web_search_call.searching",
        "web_search_call.completed",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]


def test_parts_that_overlap_are_items_that_overlap() -> None:
    stream = stream_of(
        [
            Started(),
            PartStarted(0, 0, PartKind.TOOL_CALL, "c1", "f"),
            PartStarted(0, 1, PartKind.TOOL_CALL, "c2", "f"),
            ArgumentsDelta(0, 1, "{2}"),
            ArgumentsDelta(0, 0, "{1}"),
            PartEnded(0, 0),
            PartEnded(0, 1),
            Finished(0, FinishReason.TOOL_CALLS),
            Ended(),
        ]
    )
    output = events_of(stream)[-1]["response"]["output"]
    assert [(item["call_id"], item["arguments"], item["status"]) for item in output] == [
        ("c1", "{1}", "completed"),
        ("c2", "{2}", "completed"),
    ]


def test_a_text_may_stay_open_while_a_call_begins() -> None:
    stream = stream_of(
        [
            *HELLO[:3],
            PartStarted(0, 1, PartKind.TOOL_CALL, "c1", "f"),
            TextDelta(0, 0, "lo"),
            PartEnded(0, 0),
            PartEnded(0, 1),
            Finished(0, FinishReason.TOOL_CALLS),
            Ended(),
        ]
    )
    first, second = events_of(stream)[-1]["response"]["output"]
    assert first["content"][0]["text"] == "Hello"
    assert second["type"] == "function_call"


def test_half_a_call_is_incomplete() -> None:
    events = events_of(
        stream_of(
            [
                *HELLO,
                PartStarted(0, 1, PartKind.TOOL_CALL, "c1", "f"),
                ArgumentsDelta(0, 1, '{"a'),
                PartEnded(0, 1, GEMINI),
                Finished(0, FinishReason.LENGTH),
                Ended(),
            ]
        )
    )
    assert events[-1]["type"] == "response.incomplete"
    assert events[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    message, call, seal = events[-1]["response"]["output"]
    assert (message["status"], call["status"]) == ("completed", "incomplete")
    assert seal["encrypted_content"] == wrap(GEMINI, "openai")


def test_a_custom_tool_is_called_as_one_by_a_model_that_knows_none() -> None:
    context = ReplyContext("r", "m", 5, Conversation("m", HI, tools=(CustomTool("patch"),)))
    events = (
        Started(),
        PartStarted(0, 0, PartKind.TOOL_CALL, "c1", "patch"),
        ArgumentsDelta(0, 0, '{"input":"*** Be'),
        ArgumentsDelta(0, 0, 'gin"}'),
        PartEnded(0, 0),
        Finished(0, FinishReason.TOOL_CALLS),
        Ended(),
    )
    sent = events_of(stream_of(events, context))
    assert [event["type"] for event in sent[2:6]] == [
        "response.output_item.added",
        "response.custom_tool_call_input.delta",
        "response.custom_tool_call_input.done",
        "response.output_item.done",
    ]
    item = sent[-1]["response"]["output"][0]
    assert (item["type"], item["input"], sent[3]["delta"]) == ("custom_tool_call", "*** Begin", "*** Begin")
    assert sent[-1]["response"] == msgspec.to_builtins(response_of(fold(events), context))


def test_a_broken_stream_ends_in_a_failed_response_and_nothing_else() -> None:
    writer = ResponseEventWriter(CONTEXT)
    stream = writer.write(HELLO) + writer.fail(GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "The provider broke off its answer."))
    last = events_of(stream)[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["status"] == "failed"
    assert last["response"]["error"] == {"code": "server_error", "message": "The provider broke off its answer."}
    assert b"response.completed" not in stream
    assert writer.write([STOP, Ended()]).count(b"response.completed") == 0
    assert writer.fail(GatewayError(ErrorKind.INTERNAL, "x")) == b""


def test_a_failure_before_the_beginning_is_an_error_event() -> None:
    stream = ResponseEventWriter(CONTEXT).fail(GatewayError(ErrorKind.RATE_LIMIT_EXCEEDED, "Slow down."))
    event = events_of(stream)[0]
    assert (event["type"], event["code"], event["message"]) == ("error", "rate_limit_exceeded", "Slow down.")


def test_without_a_reason_to_end_there_is_no_end() -> None:
    assert names_of(stream_of([*HELLO, Ended()]))[-1] == "content_part.done"


def test_an_answer_that_the_provider_gave_up_is_failed() -> None:
    assert names_of(stream_of([Started(), Finished(0, FinishReason.ERROR), Ended()]))[-1] == "failed"


def test_only_the_first_choice_is_told() -> None:
    other = [PartStarted(1, 0, PartKind.TEXT), TextDelta(1, 0, "x"), PartEnded(1, 0), Finished(1, FinishReason.LENGTH)]
    assert stream_of([*HELLO, *other, STOP, Ended()]) == stream_of([*HELLO, STOP, Ended()])


def test_log_probabilities_go_out_with_their_text() -> None:
    context = ReplyContext("r", "m", 5, Conversation("m", HI, logprobs=True))
    writer = ResponseEventWriter(context)
    stream = writer.write([Started(), PartStarted(0, 0, PartKind.TEXT)])
    stream += writer.write([TextDelta(0, 0, "Hi"), LogprobsAdded(0, ({"token": "Hi", "logprob": -0.5},))])
    stream += writer.write([PartEnded(0, 0), STOP, Ended()])
    events = events_of(stream)
    tokens = [{"token": "Hi", "logprob": -0.5}]
    assert events[4]["logprobs"] == tokens
    assert events[5]["logprobs"] == tokens
    assert events[-1]["response"]["output"][0]["content"][0]["logprobs"] == tokens


def test_a_text_of_any_letters_is_valid_json() -> None:
    text = 'a"\\\n\u2028\U0001f600%d%%'
    events = events_of(
        stream_of([Started(), PartStarted(0, 0, PartKind.TEXT), TextDelta(0, 0, text), PartEnded(0, 0), STOP, Ended()])
    )
    assert events[4]["delta"] == text


# --- laws

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
foreign = st.sampled_from([None, GEMINI])
citations = st.just(Citation("openai", {"type": "file_citation", "file_id": "f", "filename": "a", "index": 1}, title="a"))
parts = st.one_of(
    st.builds(lambda text, cited: Text(text, citations=tuple(cited)), texts, st.lists(citations, max_size=2)),
    st.builds(lambda text, seal: Text(text, seal=seal), texts, foreign),
    st.builds(Refusal, texts),
    st.builds(Reasoning, texts | st.just(""), st.lists(texts, max_size=2).map(tuple), foreign, st.just("rs_1")),
    st.builds(ToolCall, texts, texts, texts, st.booleans(), foreign, st.just("fc_1")),
    st.just(ServerTool("openai", "web_search", {"type": "web_search_call", "id": "ws_1"}, "ws_1")),
    st.just(ServerTool("anthropic", "web_search", {}, "srv", "tides")),
    st.just(Image(MediaBytes("AAAA", "image/png"))),
)
replies = st.builds(
    lambda made, reason, usage, tier: Reply((Choice(tuple(made), reason, "x"),), "resp_1", "gpt-5", 5, usage, tier),
    st.lists(parts, max_size=6),
    st.sampled_from([FinishReason.STOP, FinishReason.LENGTH, FinishReason.CONTENT_FILTER, FinishReason.ERROR]),
    st.sampled_from([NO_USAGE, Usage(3, 1, 2, 0, 4, 1)]),
    st.sampled_from([None, "default"]),
)


@given(replies)
def test_the_last_event_carries_the_response_that_a_whole_reply_is(reply: Reply) -> None:
    for context in (CONTEXT, SUMMARISING):
        last = events_of(stream_of(unfold(reply), context))[-1]
        assert last["response"] == msgspec.to_builtins(response_of(reply, context))


@given(replies)
def test_what_the_caller_sends_back_in_the_next_turn_is_what_was_said(reply: Reply) -> None:
    """All seals are there again, and the ids that we made are gone."""
    sent = [part for part in reply.choices[0].parts if isinstance(part, (Text, Refusal, Reasoning, ToolCall))]
    for context in (CONTEXT, SUMMARISING):
        output = msgspec.to_builtins(response_of(reply, context))["output"]
        turns = read_input(output, "input", Receipt())
        back = [part for turn in turns for part in turn.parts if isinstance(part, (Text, Refusal, Reasoning, ToolCall))]
        assert list(map(_thought, back)) == list(map(_thought, sent))


def _thought(part: Part) -> object:
    """Thinking may come back as a summary."""
    if isinstance(part, Reasoning):
        said = [text for text in (part.text, *part.summary) if text]
        return ("reasoning", said, part.seal, part.id)
    return part


@given(replies, st.booleans())
def test_what_is_written_reads_back_as_what_it_was(reply: Reply, at_once: bool) -> None:  # noqa: FBT001
    events = list(unfold(reply))
    writer = ResponseEventWriter(CONTEXT)
    stream = writer.write(events) if at_once else b"".join(writer.write([event]) for event in events)
    if reply.choices[0].reason is FinishReason.ERROR:
        return
    reader = ResponseEventReader()
    read = fold(reader.feed(stream))
    assert reader.is_ended
    said = [part for part in read.choices[0].parts if isinstance(part, (Text, Refusal, ToolCall))]
    sent = [part for part in reply.choices[0].parts if isinstance(part, (Text, Refusal, ToolCall))]
    assert said == [part if isinstance(part, Refusal) else msgspec.structs.replace(part, seal=None) for part in sent]
    # Searches and pictures are counted by those that the output shows.
    pictures = sum(part.usage.output_image for part in read.apart)
    without = {"tool_calls": 0, "output_image": read.usage.output_image - pictures, "provenance": reply.usage.provenance}
    assert msgspec.structs.replace(read.usage, **without) == reply.usage


# --- the vendor's SDK


def client_for(stream: bytes) -> openai.OpenAI:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=stream)

    return openai.OpenAI(api_key="none", base_url="http://x/v1", http_client=httpx.Client(transport=httpx.MockTransport(answer)))


class Weather(BaseModel):
    """What the answer shall be."""

    city: str


@pytest.mark.slow
def test_the_vendors_sdk_accumulates_the_stream() -> None:
    reply = Reply(
        (
            Choice(
                (
                    Reasoning("t", ("s", "u"), GEMINI),
                    ServerTool("anthropic", "web_search", {}, "srv", "tides"),
                    Text('{"city":'),
                    Text('"Rome"}', seal=GEMINI),
                    ToolCall("c1", "f", '{"a":1}'),
                    ToolCall("c2", "g", "ls", is_custom=True),
                ),
                FinishReason.TOOL_CALLS,
            ),
        ),
        usage=Usage(3, output=2),
    )
    with client_for(stream_of(unfold(reply))).responses.stream(model="m", input="Hi") as stream:
        seen = [event.type for event in stream]
        final = stream.get_final_response()
    assert seen[0] == "response.created"
    assert final.output_text == '{"city":"Rome"}'
    assert [item.type for item in final.output] == [
        "reasoning",
        "web_search_call",
        "message",
        "reasoning",
        "function_call",
        "custom_tool_call",
    ]


def test_the_vendors_sdk_parses_structured_output_of_the_stream() -> None:
    reply = Reply((Choice((Reasoning("t"), Text('{"city":"Rome"}')), FinishReason.STOP),))
    with client_for(stream_of(unfold(reply))).responses.stream(model="m", input="Hi", text_format=Weather) as stream:
        stream.until_done()
        assert stream.get_final_response().output_parsed == Weather(city="Rome")


def test_the_vendors_sdk_sees_a_failure_as_one() -> None:
    writer = ResponseEventWriter(CONTEXT)
    data = writer.write(HELLO) + writer.fail(GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "Gone."))
    events = list(client_for(data).responses.create(model="m", input="Hi", stream=True))
    last = events[-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.message == "Gone."


# --- the vendor's own description

SPEC = Path(__file__).resolve().parents[4] / "shared" / "recordings" / "specs" / "openai.openapi.yaml"


def _loosened(schema: Any) -> Any:
    """As in `test_request_writer.py`. Besides, the API sends null for a user and a usage that it has not, whatever it says."""
    if isinstance(schema, dict):
        return {"anyOf" if name == "oneOf" else name: _loosened(value) for name, value in schema.items()}
    return [_loosened(entry) for entry in schema] if isinstance(schema, list) else schema


@pytest.mark.slow
@pytest.mark.skipif(not SPEC.is_file(), reason="the vendor's description is not part of the project and is not here")
def test_every_event_is_valid_by_the_vendors_description() -> None:
    described = yaml.load(SPEC.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    schemas = _loosened(described["components"]["schemas"])
    names = [entry["$ref"].rpartition("/")[2] for entry in schemas["ResponseStreamEvent"]["anyOf"]]
    by_type = {kind: name for name in names for kind in schemas[name]["properties"].get("type", {}).get("enum", ())}
    said = (
        Reasoning("t", ("s", "u"), GEMINI),
        ServerTool("anthropic", "web_search", {}, "srv", "tides"),
        Text("x", citations=(Citation("anthropic", {}, "https://a.example"),)),
        Refusal("no"),
        Text("x", seal=GEMINI),
        ToolCall("c1", "f", "{}"),
        ToolCall("c2", "g", "ls", is_custom=True),
        Image(MediaBytes("AAAA", "image/png")),
    )
    invalid = []
    for reason in (FinishReason.STOP, FinishReason.LENGTH, FinishReason.ERROR):
        for event in events_of(stream_of(unfold(Reply((Choice(said, reason),), usage=Usage(3, output=2))))):
            schema = {"$ref": f"#/components/schemas/{by_type[event['type']]}", "components": {"schemas": schemas}}
            errors = Draft202012Validator(schema).iter_errors(event)
            nulls = ("$.response.user", "$.response.usage")
            invalid += [(event["type"], error.json_path) for error in errors if error.json_path not in nulls]
    assert invalid == []
