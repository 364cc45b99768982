"""The simulated Ollama, driven by hand and by the gateway's own reader and writer."""

from __future__ import annotations

import httpx
import pytest

from weighbridge.core.codec import decode_json
from weighbridge.core.terms import Usage
from weighbridge.testing import Fault
from weighbridge.testing.ollama import SimulatedOllama
from weighbridge.wire.codecs import TargetContext
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
from weighbridge.wire.ollama_chat import OUTBOUND
from weighbridge.wire.receipt import Receipt

MODEL = "llama3.2"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}


@pytest.fixture
async def provider():
    async with SimulatedOllama() as provider:
        yield provider


@pytest.fixture
async def client(provider):
    async with httpx.AsyncClient(base_url=provider.base_url, headers={"authorization": f"Bearer {provider.keys[0]}"}) as client:
        yield client


def ask(text, **fields):
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], "stream": False} | fields


def lines(body):
    return [decode_json(line) for line in body.split(b"\n") if line]


async def settled(provider):
    await provider.journal.until(lambda journal: journal.finished == len(journal))
    return provider.invoice().items


async def test_a_message_echoes_and_is_billed(provider, client):
    reply = (await client.post("/api/chat", json=ask("hello out there"))).json()
    assert (reply["message"]["content"], reply["done"], reply["done_reason"]) == ("hello out there", True, "stop")
    assert (reply["prompt_eval_count"], reply["eval_count"]) == (4, 4)
    [item] = await settled(provider)
    assert (item.endpoint, item.usage) == ("chat", Usage(4, output=4))
    assert provider.journal.violations == []


async def test_it_streams_unless_told_not_to(provider, client):
    reply = await client.post("/api/chat", json=ask("one two three", stream=None))
    assert reply.headers["content-type"] == "application/x-ndjson"
    told = lines(reply.content)
    assert "".join(line["message"]["content"] for line in told) == "one two three"
    assert [line["done"] for line in told] == [False, False, False, True]
    assert [item.usage.output for item in await settled(provider)] == [4]


async def test_tools_thinking_schemas_stops_and_bounds(client):
    called = (await client.post("/api/chat", json=ask("call get_weather", tools=[TOOL]))).json()
    assert called["message"]["tool_calls"][0]["function"]["arguments"] == {"city": "call get_weather"}
    assert called["done_reason"] == "stop"
    told = lines((await client.post("/api/chat", json=ask("call get_weather", tools=[TOOL], stream=True))).content)
    assert told[0]["message"]["tool_calls"] == called["message"]["tool_calls"]
    assert (await client.post("/api/chat", json=ask("hm", think=True))).json()["message"]["thinking"]
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    assert (await client.post("/api/chat", json=ask("x", format=schema))).json()["message"]["content"] == '{"n":1}'
    assert (await client.post("/api/chat", json=ask("x", format="json"))).json()["message"]["content"] == "{}"
    stopped = (await client.post("/api/chat", json=ask("go STOP now", options={"stop": [" STOP"]}))).json()
    assert stopped["message"]["content"] == "go"
    assert (await client.post("/api/chat", json=ask("a rather long text", options={"num_predict": 2}))).json()[
        "done_reason"
    ] == "length"


async def test_embeddings(provider, client):
    made = (await client.post("/api/embed", json={"model": "nomic-embed-text", "input": ["four", "four"], "dimensions": 4})).json()
    assert ([len(numbers) for numbers in made["embeddings"]], made["prompt_eval_count"]) == ([4, 4], 2)
    single = (await client.post("/api/embed", json={"model": "nomic-embed-text", "input": "four"})).json()
    assert len(single["embeddings"]) == 1
    assert [item.usage for item in await settled(provider)] == [Usage(2), Usage(1)]


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"foo": 1}, 400, "unknown field"),
        ({"model": None}, 400, "cannot unmarshal"),
        ({"model": "none"}, 404, "model 'none' not found"),
        ({"format": "yaml"}, 400, "invalid format"),
        ({"think": "much"}, 400, "think"),
        ({"tools": [{"name": "f"}]}, 400, "must be functions"),
        ({"messages": [{"role": "developer"}]}, 400, "role"),
        ({"messages": [{"role": "user", "images": ["!"]}]}, 400, "illegal base64"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": "{}"}}]}]}, 400, "cannot unmarshal string"),
    ],
)
async def test_a_wrong_request_is_refused_as_ollama_does(provider, client, change, status, words):
    reply = await client.post("/api/chat", json=ask("x") | change)
    assert reply.status_code == status
    assert words in reply.json()["error"]
    assert await settled(provider) == ()


async def test_keys_paths_methods_and_content_types(provider, client):
    assert (await client.post("/api/chat", json=ask("x"), headers={"authorization": "Bearer no"})).status_code == 401
    assert (await client.post("/api/none", json={})).status_code == 404
    assert (await client.get("/api/chat")).status_code == 405
    assert (await client.post("/api/chat", content=b"{}")).status_code == 400
    assert (await client.post("/api/chat", content=b"{", headers={"content-type": "application/json"})).status_code == 400
    assert [model["name"] for model in (await client.get("/api/tags")).json()["models"]] == list(provider.models)


async def test_a_server_of_ones_own_asks_for_no_key():
    async with SimulatedOllama(keys=()) as provider, httpx.AsyncClient(base_url=provider.base_url) as client:
        assert (await client.post("/api/chat", json=ask("x"))).status_code == 200


async def test_faults(provider, client):
    provider.faults.add(Fault.status(503), times=1)
    assert (await client.post("/api/chat", json=ask("x"))).status_code == 503
    provider.faults.add(Fault.error_event(at=2), times=1)
    assert "error" in lines((await client.post("/api/chat", json=ask("one two three", stream=True))).content)[-1]
    provider.faults.add(Fault.cut_after(chunks=1), times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post("/api/chat", json=ask("one two three", stream=True))
    assert [item.usage.output for item in await settled(provider)] == [2, 1]


TURNS = (
    Turn(Role.SYSTEM, (Text("be brief"),)),
    Turn(Role.USER, (Text("look"), Image(MediaBytes("iVBORw0KGgo=", "image/png")))),
    Turn(Role.ASSISTANT, (Reasoning("hm"), ToolCall("c", "get_weather", '{"city":"Rome"}'))),
    Turn(Role.USER, (ToolResult("c", (Text("sunny"),)), Text("call get_weather"))),
)


async def test_the_gateways_writer_and_readers_understand_it(client):
    replies = []
    for stream in (False, True):
        tools = (FunctionTool("get_weather", schema=PARAMETERS),)
        asked = Conversation("m", TURNS, stream, tools=tools, reasoning=ReasoningWish(effort="low"))
        body = OUTBOUND.write_request(asked, TargetContext(MODEL), Receipt())
        reply = await client.post("/api/chat", content=body, headers={"content-type": "application/json"})
        assert reply.status_code == 200, reply.text
        reader = OUTBOUND.event_reader()
        replies.append(fold(reader.feed(reply.content)) if stream else OUTBOUND.read_reply(reply.content))
    whole, streamed = replies
    assert whole == streamed
    assert [type(part) for part in whole.choices[0].parts] == [Reasoning, ToolCall]
