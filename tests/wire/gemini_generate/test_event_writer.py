"""Streams for a caller."""

from __future__ import annotations

import httpx
import pytest
from google import genai
from google.genai import errors, types
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.core.codec import decode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Usage
from weighbridge.wire.codecs import ReplyContext, RequestContext
from weighbridge.wire.conversation import (
    Audio,
    AudioWish,
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
    AudioDelta,
    Choice,
    Ended,
    Finished,
    FinishReason,
    KeepAlive,
    PartEnded,
    PartKind,
    PartStarted,
    Reply,
    Started,
    SummaryDelta,
    TextDelta,
)
from weighbridge.wire.fold import fold, unfold
from weighbridge.wire.gemini_generate import (
    INBOUND,
    OUTBOUND,
    ArrayEventReader,
    GenerateEventReader,
    GenerateEventWriter,
    array_event_writer,
)
from weighbridge.wire.receipt import Receipt

OWN = Seal("gemini", SealKind.SIGNATURE, "QUJD")
FOREIGN = Seal("anthropic", SealKind.SIGNATURE, "abc+/def~~~???")
CONTEXT = ReplyContext("req_1", "asked", 1, Conversation("asked", (), audio=AudioWish("alloy", "mp3")))
GONE = GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "gone")
ANSWER = Reply(
    (
        Choice(
            (Reasoning("I think", seal=FOREIGN), Text("Grüße", seal=OWN), ToolCall("toolu_1", "f", '{"a":1}', seal=OWN)),
            FinishReason.TOOL_CALLS,
            "tool_use",
        ),
    ),
    "id",
    "served",
    0,
    Usage(10, output=5, reasoning=2),
)


def chunks(data):
    return [decode_json(frame.removeprefix(b"data: ")) for frame in data.split(b"\r\n\r\n") if frame]


def write(*events, context=CONTEXT):
    return chunks(GenerateEventWriter(context).write(events))


def parts(*events):
    return [part for chunk in write(*events) for part in chunk["candidates"][0]["content"]["parts"]]


def test_a_text_is_a_response_for_each_piece():
    first, last = write(Started("id", "served"), PartStarted(0, 0, PartKind.TEXT), TextDelta(0, 0, "a"), PartEnded(0, 0),
                        Finished(0, FinishReason.STOP), Ended())  # fmt: skip
    content = {"parts": [{"text": "a"}], "role": "model"}
    assert first == {"candidates": [{"content": content, "index": 0}], "modelVersion": "served", "responseId": "id"}
    assert last["candidates"] == [{"content": {"parts": [{"text": ""}], "role": "model"}, "index": 0, "finishReason": "STOP"}]


def test_without_the_providers_end_there_is_no_finish_reason():
    events = list(unfold(ANSWER))
    assert b"finishReason" not in GenerateEventWriter(CONTEXT).write(events[:-1])
    assert GenerateEventWriter(CONTEXT).write([Ended()]) == b""


def test_a_call_comes_as_a_whole():
    events = [
        PartStarted(0, 0, PartKind.TOOL_CALL, "c", "f"),
        ArgumentsDelta(0, 0, '{"a"'),
        PartStarted(0, 1, PartKind.TOOL_CALL, "d", "sql", is_custom=True),
        ArgumentsDelta(0, 1, "SELECT"),
        ArgumentsDelta(0, 0, ":1}"),
        PartEnded(0, 0, OWN),
        PartEnded(0, 1),
    ]
    assert parts(*events) == [
        {"functionCall": {"id": "c", "name": "f", "args": {"a": 1}}, "thoughtSignature": "QUJD"},
        {"functionCall": {"id": "d", "name": "sql", "args": {"input": "SELECT"}}},
    ]


def test_arguments_on_several_lines_stay_within_their_event():
    """Cohere's models indent them, and a line's end is an event's (or half of one)."""
    events = [PartStarted(0, 0, PartKind.TOOL_CALL, "call_1", "f"), ArgumentsDelta(0, 0, '{\n  "a":\r\n 1.50\n}'), PartEnded(0, 0)]
    written = GenerateEventWriter(CONTEXT).write(events)
    assert written.endswith(b"\r\n\r\n")
    assert b"\n" not in written[:-4]
    assert b"1.50" in written


def test_paragraphs_of_a_summary_are_thoughts_with_a_gap():
    events = [
        PartStarted(0, 0, PartKind.REASONING),
        SummaryDelta(0, 0, 0, "a"),
        SummaryDelta(0, 0, 1, "b"),
        SummaryDelta(0, 0, 1, "c"),
    ]
    assert [part["text"] for part in parts(*events)] == ["a", "\n\nb", "c"]


def test_sound_is_a_blob_and_what_it_says_a_text():
    events = [PartStarted(0, 0, PartKind.AUDIO), AudioDelta(0, 0, "QQ==", "hello")]
    assert parts(*events) == [{"inlineData": {"mimeType": "audio/mpeg", "data": "QQ=="}}, {"text": "hello"}]


def test_citations_stand_in_the_last_response():
    text = Text("Grüße", citations=(Citation("anthropic", {}, "https://a.b", "A", None, 0, 3),))
    *_, last = write(*unfold(Reply((Choice((text,), FinishReason.STOP),))))
    assert last["candidates"][0]["groundingMetadata"]["groundingSupports"][0]["segment"] == {
        "startIndex": 0,
        "endIndex": 4,
        "text": "Grü",
    }


def test_log_probabilities_stand_in_the_last_response():
    token = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
    *_, last = write(*unfold(Reply((Choice((Text("a"),), FinishReason.STOP, logprobs=(token,)),))))
    assert last["candidates"][0]["logprobsResult"]["chosenCandidates"] == [{"token": "a", "logProbability": -0.5}]


def test_all_choices_end_in_the_last_response():
    two = Reply((Choice((Text("a"),), FinishReason.STOP), Choice((Text("b"),), FinishReason.LENGTH)))
    *_, last = write(*unfold(two))
    assert [(c["index"], c["finishReason"]) for c in last["candidates"]] == [(0, "STOP"), (1, "MAX_TOKENS")]


def test_a_failure_is_an_error_and_no_end():
    writer = GenerateEventWriter(CONTEXT)
    (error,) = chunks(writer.fail(GONE))
    assert (error["error"]["code"], error["error"]["message"]) == (502, "gone")
    array = array_event_writer(CONTEXT)
    data = array.write(list(unfold(ANSWER))[:3]) + array.fail(GONE)
    assert decode_json(data)[-1]["error"]["message"] == "gone"
    assert decode_json(array_event_writer(CONTEXT).fail(GONE))[0]["error"]["code"] == 502


def test_a_sign_of_life_is_blank():
    assert GenerateEventWriter(CONTEXT).write([KeepAlive()]) == b"\r\n"
    array = array_event_writer(CONTEXT)
    data = b"".join(array.write([KeepAlive(), event]) for event in unfold(ANSWER))
    assert decode_json(data)[-1]["candidates"][0]["finishReason"] == "STOP"


SEALS = st.sampled_from([None, OWN, FOREIGN])
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
PARTS = st.one_of(
    st.builds(lambda text, seal: Text(text, seal=seal), TEXTS, SEALS),
    st.builds(lambda text, seal: Reasoning(text, seal=seal), TEXTS, SEALS),
    st.builds(lambda text, seal: ToolCall(f"c{len(text)}", text, '{"a":1}', seal=seal), TEXTS, SEALS),
    st.just(Image(MediaBytes("QQ==", "image/png"))),
    st.just(ServerTool("gemini", "code_execution", {"executableCode": {"code": "1"}})),
)


def apart(given):
    """Without neighbours that the dialect cannot tell apart."""
    kept = []
    for part in given:
        if kept and type(part) is type(kept[-1]) and isinstance(part, (Text, Reasoning)):
            continue
        kept.append(part)
    return tuple(kept)


@settings(max_examples=80)
@given(given_parts=st.lists(PARTS, max_size=5).map(apart))
def test_what_the_dialect_can_say_is_read_as_it_was_written(given_parts):
    has_calls = any(isinstance(part, ToolCall) for part in given_parts)
    reason = FinishReason.TOOL_CALLS if has_calls else FinishReason.STOP
    whole = Reply((Choice(given_parts, reason, "STOP"),), "id", "m", 0, Usage(3, output=4))
    events = list(unfold(whole))
    for writer, reader in (
        (GenerateEventWriter(CONTEXT), GenerateEventReader()),
        (array_event_writer(CONTEXT), ArrayEventReader()),
    ):
        data = b"".join(writer.write([event]) for event in events)
        again = reader.feed(data) + reader.finish()
        assert reader.is_ended
        assert fold(again) == whole
    assert OUTBOUND.read_reply(INBOUND.write_reply(whole, CONTEXT)) == whole


def test_every_other_part_has_a_form():
    others = (Refusal("no"), Audio(MediaBytes("QQ==", "audio/*"), "i", "t"), ServerTool("openai", "web_search", {}))
    written = parts(*unfold(Reply((Choice(others, FinishReason.STOP),))))
    assert [part.get("text") for part in written] == ["no", None, "t", ""]


def client_for(data, seen):
    def answer(request):
        seen.append(request.content)
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=data)

    return httpx.Client(transport=httpx.MockTransport(answer))


def test_the_vendors_sdk_sends_a_streamed_answer_back_as_it_was():
    events = list(unfold(ANSWER))
    writer, seen = GenerateEventWriter(CONTEXT), []
    data = writer.write([KeepAlive(), *events[:3], KeepAlive(), *events[3:]])
    with client_for(data, seen) as http:
        chat = genai.Client(api_key="k", http_options=types.HttpOptions(httpx_client=http)).chats.create(model="m")
        received = list(chat.send_message_stream("hi"))
        list(chat.send_message_stream("and"))
    assert received[-1].candidates[0].finish_reason is types.FinishReason.STOP
    assert received[-1].usage_metadata.thoughts_token_count == 2
    conversation = INBOUND.read_request(seen[1], RequestContext("m"), Receipt())
    assert conversation.turns[1].parts == ANSWER.choices[0].parts


def test_the_vendors_sdk_raises_a_failure_within_the_stream():
    writer = GenerateEventWriter(CONTEXT)
    data = writer.write(list(unfold(ANSWER))[:3]) + writer.fail(GONE)
    with client_for(data, []) as http:
        client = genai.Client(api_key="k", http_options=types.HttpOptions(httpx_client=http))
        with pytest.raises(errors.ServerError, match="gone"):
            list(client.models.generate_content_stream(model="m", contents="hi"))
