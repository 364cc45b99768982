"""The simulated Cohere, driven by hand and by the gateway's own reader and writer."""

from __future__ import annotations

import httpx
import pytest

from weighbridge.core.codec import decode_json
from weighbridge.core.terms import Usage
from weighbridge.testing import Fault
from weighbridge.testing.cohere import SimulatedCohere
from weighbridge.wire.codecs import TargetContext
from weighbridge.wire.cohere_chat import OUTBOUND
from weighbridge.wire.conversation import (
    Conversation,
    FunctionTool,
    Image,
    MediaBytes,
    Reasoning,
    ReasoningWish,
    Role,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from weighbridge.wire.fold import fold
from weighbridge.wire.receipt import Receipt

MODEL, THINKER = "command-a-03-2025", "command-a-reasoning-08-2025"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}


@pytest.fixture
async def provider():
    async with SimulatedCohere() as provider:
        yield provider


@pytest.fixture
async def client(provider):
    async with httpx.AsyncClient(base_url=provider.base_url, headers={"authorization": f"Bearer {provider.keys[0]}"}) as client:
        yield client


def ask(text, **fields):
    return {"model": MODEL, "messages": [{"role": "user", "content": text}]} | fields


async def settled(provider):
    await provider.journal.until(lambda journal: journal.finished == len(journal))
    return provider.invoice().items


def events(body):
    return [decode_json(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: {")]


async def test_a_message_echoes_and_is_billed(provider, client):
    reply = (await client.post("/v2/chat", json=ask("hello out there"))).json()
    assert reply["message"]["content"] == [{"type": "text", "text": "hello out there"}]
    assert (reply["finish_reason"], reply["usage"]["tokens"]) == ("COMPLETE", {"input_tokens": 4, "output_tokens": 4})
    [item] = await settled(provider)
    assert (item.endpoint, item.usage) == ("chat", Usage(4, output=4))
    assert provider.journal.violations == []


async def test_a_stream_adds_up(provider, client):
    reply = await client.post("/v2/chat", json=ask("one two three", stream=True))
    told = events(reply.content)
    assert [event["type"] for event in told] == [
        "message-start",
        "content-start",
        *["content-delta"] * 3,
        "content-end",
        "message-end",
    ]
    assert "".join(e["delta"]["message"]["content"]["text"] for e in told if e["type"] == "content-delta") == "one two three"
    assert reply.content.endswith(b"data: [DONE]\n\n")
    assert [item.usage.output for item in await settled(provider)] == [4]


async def test_tools_whole_and_streamed_with_a_plan(client):
    whole = (await client.post("/v2/chat", json=ask("call get_weather", tools=[TOOL]))).json()
    call = whole["message"]["tool_calls"][0]
    assert (whole["finish_reason"], whole["message"]["tool_plan"]) == ("TOOL_CALL", "I will call the tools.")
    told = events((await client.post("/v2/chat", json=ask("call get_weather", tools=[TOOL], stream=True))).content)
    pieces = [e["delta"]["message"]["tool_calls"]["function"]["arguments"] for e in told if e["type"] == "tool-call-delta"]
    assert "".join(pieces) == call["function"]["arguments"]


async def test_thinking_schemas_stops_and_bounds(provider, client):
    thought = (await client.post("/v2/chat", json=ask("hm", model=THINKER))).json()
    assert [block["type"] for block in thought["message"]["content"]] == ["thinking", "text"]
    off = (await client.post("/v2/chat", json=ask("hm", model=THINKER, thinking={"type": "disabled"}))).json()
    assert [block["type"] for block in off["message"]["content"]] == ["text"]
    form = {"type": "json_object", "json_schema": {"type": "object", "properties": {"n": {"type": "integer"}}}}
    assert (await client.post("/v2/chat", json=ask("x", response_format=form))).json()["message"]["content"][0]["text"] == '{"n":1}'
    stopped = (await client.post("/v2/chat", json=ask("go STOP now", stop_sequences=[" STOP"]))).json()
    assert stopped["finish_reason"] == "STOP_SEQUENCE"
    assert (await client.post("/v2/chat", json=ask("a rather long text", max_tokens=2))).json()["finish_reason"] == "MAX_TOKENS"
    assert (await settled(provider))[0].usage.reasoning > 0


async def test_embeddings_and_ranks(provider, client):
    body = {"model": "embed-v4.0", "input_type": "search_query", "texts": ["four", "four"], "output_dimension": 4}
    made = (await client.post("/v2/embed", json=body)).json()
    assert [len(numbers) for numbers in made["embeddings"]["float"]] == [4, 4]
    query = {
        "model": "rerank-v3.5",
        "query": "capital of France",
        "documents": ["a dog", "Paris is the capital of France", "the capital"],
    }
    ranked = (await client.post("/v2/rerank", json=query | {"top_n": 2})).json()
    assert [result["index"] for result in ranked["results"]] == [1, 2]
    assert [item.usage for item in await settled(provider)] == [Usage(2), Usage(tool_calls=1)]
    assert (await client.post("/v2/embed", json=body | {"texts": []})).status_code == 400


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"foo": 1}, 422, "unknown field: parameter 'foo'"),
        ({"temperature": "hot"}, 400, "temperature must be of type"),
        ({"messages": []}, 400, "messages"),
        ({"messages": None, "model": None}, 400, "must be of type"),
        ({"model": "command-z"}, 404, "model 'command-z' not found"),
        ({"tool_choice": "AUTO"}, 400, "tool_choice"),
        ({"frequency_penalty": -1}, 400, "frequency_penalty"),
        ({"stop_sequences": list("abcdef")}, 400, "stop_sequences"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, 400, "parameters is required"),
        ({"tools": [{"name": "f"}]}, 400, "must be a function"),
        ({"tools": [TOOL], "response_format": {"type": "json_object"}}, 400, "cannot specify response_format"),
        ({"thinking": {"type": "enabled"}}, 400, "does not support thinking"),
        ({"messages": [{"role": "user"}]}, 400, "must have content"),
        ({"messages": [{"role": "assistant"}]}, 400, "either content or tool_calls"),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400, "must have a tool_call_id"),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "y"}]}, 400, "not found in previous tool calls"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "a", "function": {"arguments": "{"}}]}]},
            400,
            "arguments in JSON",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "input_text"}]}]}, 400, "not allowed"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, 400, "url is required"),
        ({"messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": "x"}]}]}, 400, "thinking content"),
    ],
)
async def test_a_wrong_request_is_refused_as_cohere_does(provider, client, change, status, words):
    reply = await client.post("/v2/chat", json=ask("x") | change)
    assert reply.status_code == status
    assert words in reply.json()["message"]
    assert await settled(provider) == ()


async def test_keys_paths_methods_and_content_types(provider, client):
    assert (await client.post("/v2/chat", json=ask("x"), headers={"authorization": "Bearer no"})).status_code == 401
    assert (await client.post("/v2/chat", json=ask("x"), headers={"authorization": ""})).json()["message"] == "no api key supplied"
    assert (await client.post("/v9/chat", json={})).status_code == 404
    assert (await client.get("/v2/chat")).status_code == 405
    assert (await client.post("/v2/chat", content=b"{}")).status_code == 400
    assert (await client.post("/v2/chat", content=b"{", headers={"content-type": "application/json"})).status_code == 400
    assert [model["name"] for model in (await client.get("/v1/models")).json()["models"]] == list(provider.models)


async def test_faults(provider, client):
    provider.faults.add(Fault.status(429), times=1)
    assert (await client.post("/v2/chat", json=ask("x"))).status_code == 429
    provider.faults.add(Fault.error_event(at=3), times=1)
    told = events((await client.post("/v2/chat", json=ask("one two three", stream=True))).content)
    assert told[-1]["delta"]["finish_reason"] == "ERROR"
    provider.faults.add(Fault.cut_after(chunks=3), times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post("/v2/chat", json=ask("one two three", stream=True))
    assert [item.usage.output for item in await settled(provider)] == [1, 1]


TURNS = (
    Turn(Role.SYSTEM, (Text("be brief"),)),
    Turn(Role.USER, (Text("look"), Image(MediaBytes("iVBORw0KGgo=", "image/png")))),
    Turn(Role.ASSISTANT, (Reasoning("hm"), ToolCall("c", "get_weather", '{"city":"Rome"}'))),
    Turn(Role.USER, (ToolResult("c", (Text("sunny"),)), Text("call get_weather"))),
)


@pytest.mark.parametrize("model", [MODEL, THINKER])
async def test_the_gateways_writer_and_readers_understand_it(client, model):
    conversation = Conversation(
        "m", TURNS, tools=(FunctionTool("get_weather", schema=PARAMETERS),), reasoning=ReasoningWish(effort="low")
    )
    replies = []
    for stream in (False, True):
        asked = Conversation("m", TURNS, stream, tools=conversation.tools, reasoning=conversation.reasoning)
        body = OUTBOUND.write_request(asked, TargetContext(model), Receipt())
        reply = await client.post("/v2/chat", content=body, headers={"content-type": "application/json"})
        assert reply.status_code == 200, reply.text
        reader = OUTBOUND.event_reader()
        replies.append(fold(reader.feed(reply.content)) if stream else OUTBOUND.read_reply(reply.content))
    whole, streamed = replies
    assert whole.choices == streamed.choices
    assert whole.usage == streamed.usage
    assert isinstance(whole.choices[0].parts[-1], ToolCall)
