"""The simulated Bedrock, driven by botocore (signed) and by hand (API key)."""

from __future__ import annotations

from base64 import b64decode
from contextlib import contextmanager

import httpx
import pytest

from weighbridge.core.codec import decode_json
from weighbridge.core.terms import Usage
from weighbridge.testing import Fault
from weighbridge.testing.bedrock import SimulatedBedrock
from weighbridge.testing.upstreams import running
from weighbridge.wire.aws_events import AwsEventDecoder
from weighbridge.wire.bedrock_converse import OUTBOUND
from weighbridge.wire.codecs import TargetContext
from weighbridge.wire.conversation import (
    CacheBreakpoint,
    Conversation,
    Document,
    FunctionTool,
    Image,
    MediaBytes,
    Reasoning,
    ReasoningWish,
    Role,
    Seal,
    SealKind,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from weighbridge.wire.fold import fold
from weighbridge.wire.receipt import Receipt

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-2-lite-v1:0"
TOOL = {
    "toolSpec": {"name": "get_weather", "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}}}
}


@pytest.fixture
async def provider():
    async with SimulatedBedrock() as provider:
        yield provider


@pytest.fixture
async def client(provider):
    headers = {"authorization": f"Bearer {provider.keys[0]}"}
    async with httpx.AsyncClient(base_url=provider.base_url, headers=headers) as client:
        yield client


def ask(text, **fields):
    return {"messages": [{"role": "user", "content": [{"text": text}]}]} | fields


async def converse(client, body, model=CLAUDE, verb="converse"):
    return await client.post(f"/model/{model}/{verb}", json=body)


def frames(data):
    return AwsEventDecoder().feed(data)


async def settled(provider):
    await provider.journal.until(lambda journal: journal.finished == len(journal))
    return provider.invoice().items


async def test_a_message_echoes_and_is_billed(provider, client):
    reply = (await converse(client, ask("hello out there"))).json()
    assert reply["output"]["message"]["content"] == [{"text": "hello out there"}]
    assert reply["stopReason"] == "end_turn"
    [item] = await settled(provider)
    assert (item.endpoint, item.usage) == ("converse", Usage(input=4, output=4))
    assert (reply["usage"]["inputTokens"], reply["usage"]["outputTokens"], reply["usage"]["totalTokens"]) == (4, 4, 8)
    assert provider.journal.violations == []


async def test_a_stream_is_frames_that_add_up(provider, client):
    reply = await converse(client, ask("one two three"), verb="converse-stream")
    assert reply.headers["content-type"] == "application/vnd.amazon.eventstream"
    events = [(frame.header(":event-type"), decode_json(frame.payload)) for frame in frames(reply.content)]
    assert [kind for kind, _ in events] == [
        "messageStart",
        *["contentBlockDelta"] * 3,
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]
    assert "".join(event["delta"]["text"] for kind, event in events if kind == "contentBlockDelta") == "one two three"
    [item] = await settled(provider)
    assert item.usage.output == events[-1][1]["usage"]["outputTokens"] == 4


async def test_tools_whole_and_streamed(client):
    body = ask("call get_weather", toolConfig={"tools": [TOOL]})
    whole = (await converse(client, body)).json()
    use = whole["output"]["message"]["content"][0]["toolUse"]
    assert (whole["stopReason"], use["input"]) == ("tool_use", {"city": "call get_weather"})
    streamed = frames((await converse(client, body, verb="converse-stream")).content)
    deltas = [decode_json(frame.payload) for frame in streamed if frame.header(":event-type") == "contentBlockDelta"]
    assert decode_json("".join(delta["delta"]["toolUse"]["input"] for delta in deltas).encode()) == use["input"]


async def test_thinking_is_signed_and_has_to_come_back_so(client):
    fields = {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}
    content = (await converse(client, ask("hm", **fields))).json()["output"]["message"]["content"]
    assert [next(iter(block)) for block in content] == ["reasoningContent", "text"]
    again = ask("hm", **fields)
    again["messages"] += [{"role": "assistant", "content": content}, {"role": "user", "content": [{"text": "go on"}]}]
    assert (await converse(client, again)).status_code == 200
    del content[0]["reasoningContent"]["reasoningText"]["signature"]
    assert "signature: Field required" in (await converse(client, again)).json()["message"]


async def test_the_second_equal_prefix_is_read_from_the_cache(provider, client):
    body = ask("four", system=[{"text": "s" * 400}, {"cachePoint": {"type": "default", "ttl": "1h"}}])
    usages = [(await converse(client, body)).json()["usage"] for _ in range(2)]
    seen = [(usage["inputTokens"], usage["cacheWriteInputTokens"], usage["cacheReadInputTokens"]) for usage in usages]
    assert seen == [(1, 100, 0), (1, 0, 100)]
    assert usages[0]["cacheDetails"] == [{"ttl": "1h", "inputTokens": 100}]
    assert [item.usage.cache_write_1h for item in await settled(provider)] == [100, 0]


async def test_schemas_stop_sequences_bounds_and_tiers(provider, client):
    definition = {"schema": '{"type":"object","properties":{"n":{"type":"integer"}}}'}
    output = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}}
    reply = (await converse(client, ask("x", outputConfig=output, serviceTier={"type": "flex"}))).json()
    assert reply["output"]["message"]["content"] == [{"text": '{"n":1}'}]
    assert reply["serviceTier"] == {"type": "flex"}
    stopped = (await converse(client, ask("go STOP now", inferenceConfig={"stopSequences": [" STOP"]}))).json()
    assert stopped["stopReason"] == "stop_sequence"
    cut = (await converse(client, ask("a rather long text", inferenceConfig={"maxTokens": 2}))).json()
    assert (cut["output"]["message"]["content"][0]["text"], cut["stopReason"]) == ("a rather", "max_tokens")
    assert [item.tier for item in await settled(provider)] == ["flex", "default", "default"]


def user(*content):
    return {"role": "user", "content": list(content)}


def assistant(*content):
    return {"role": "assistant", "content": list(content)}


USE = {"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}
RESULT = {"toolResult": {"toolUseId": "t", "content": [{"text": "x"}]}}
DOCUMENT = {"document": {"format": "txt", "name": "a", "source": {"bytes": "eA=="}}}
TEXT = {"text": "x"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"messages": []}, "failed to satisfy constraint"),
        ({}, "Value null at 'messages'"),
        (ask("x", foo=1), "extraneous key [foo]"),
        (ask("x", inferenceConfig={"temperature": 1.5}), "inferenceConfig.temperature"),
        (ask("x", inferenceConfig={"topK": 1}), "failed to satisfy constraint"),
        (ask(""), "messages.0.content.0 is blank"),
        ({"messages": [assistant(TEXT)]}, "must start with a user message"),
        ({"messages": [user(TEXT), user(TEXT)]}, "must alternate"),
        ({"messages": [user()]}, "is empty"),
        ({"messages": [user({"holo": 1})]}, "exactly one of the members"),
        ({"messages": [user({"text": "a", "image": {}})]}, "exactly one of the members"),
        ({"messages": [user(TEXT), assistant(USE), user(RESULT)]}, "toolConfig field must be defined"),
        ({"messages": [user(TEXT), assistant(USE), user(TEXT)], "toolConfig": {"tools": [TOOL]}}, "Expected toolResult blocks"),
        ({"messages": [user(RESULT)], "toolConfig": {"tools": [TOOL]}}, "exceeds that of toolUse blocks"),
        ({"messages": [user(TEXT), assistant(USE), user(TEXT, RESULT)], "toolConfig": {"tools": [TOOL]}}, "come before all others"),
        ({"messages": [user(DOCUMENT)]}, "text block must be included"),
        ({"messages": [user(TEXT, DOCUMENT, DOCUMENT)]}, "duplicate document names"),
        (
            {"messages": [user(TEXT, {"document": {"format": "txt", "name": "a.txt", "source": {"bytes": ""}}})]},
            "file name can only",
        ),
        ({"messages": [user(TEXT, {"document": {"format": "zip", "name": "a", "source": {"bytes": ""}}})]}, "enum value set"),
        ({"messages": [user({"image": {"format": "tiff", "source": {"bytes": ""}}})]}, "enum value set"),
        ({"messages": [user({"image": {"format": "png", "source": {"url": "x"}}})]}, "exactly one of the members"),
        ({"messages": [user({"image": {"format": "png", "source": {"bytes": "!"}}})]}, "not base64"),
        ({"messages": [user({"cachePoint": {"type": "new"}})]}, "type default"),
        (ask("x", system=[{"image": {}}]), "exactly one of the members"),
        (ask("x", toolConfig={"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {}}}}]}), "inputSchema.json.type"),
        (ask("x", toolConfig={"tools": [TOOL], "toolChoice": {"none": {}}}), "exactly one of the members"),
        (ask("x", additionalModelRequestFields={"thinking": {"type": "enabled", "budget_tokens": 5}}), "budget_tokens"),
        (
            ask(
                "x",
                additionalModelRequestFields={"thinking": {"type": "enabled", "budget_tokens": 2000}},
                inferenceConfig={"maxTokens": 1500},
            ),
            "must be greater than",
        ),
    ],
)
async def test_a_wrong_request_is_refused_as_bedrock_does(provider, client, body, words):
    reply = await converse(client, body)
    assert reply.status_code == 400
    assert words in reply.json()["message"]
    assert reply.headers["x-amzn-errortype"].startswith("ValidationException:")
    assert await settled(provider) == ()


async def test_a_type_that_is_wrong_cannot_be_read(client):
    reply = await converse(client, {"messages": 5})
    assert reply.headers["x-amzn-errortype"].startswith("SerializationException")
    reply = await client.post(f"/model/{CLAUDE}/converse", content=b"{", headers={"content-type": "application/json"})
    assert reply.status_code == 400


async def test_unknown_models_paths_methods_and_content_types(client):
    assert (await converse(client, ask("x"), model="does-not-exist")).json()[
        "message"
    ] == "The provided model identifier is invalid."
    assert (await client.post("/nowhere")).status_code == 404
    assert (await client.get(f"/model/{CLAUDE}/converse")).status_code == 405
    assert (await client.post(f"/model/{CLAUDE}/converse", content=b"x")).status_code == 400


async def test_a_model_may_be_encoded(client):
    assert (await converse(client, ask("x"), model=CLAUDE.replace(":", "%3A"))).status_code == 200


@pytest.mark.parametrize(
    ("authorization", "name"),
    [
        (None, "MissingAuthenticationTokenException"),
        ("Bearer wrong", "AccessDeniedException"),
        ("AWS4-HMAC-SHA256 Credential=x", "IncompleteSignatureException"),
        (
            f"AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature={'0' * 64}",
            "UnrecognizedClientException",
        ),
        (
            f"AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature={'0' * 64}",
            "InvalidSignatureException",
        ),
    ],
)
async def test_who_is_not_known_is_refused(provider, authorization, name):
    async with httpx.AsyncClient(base_url=provider.base_url) as client:
        headers = {} if authorization is None else {"authorization": authorization}
        reply = await client.post(f"/model/{CLAUDE}/converse", json=ask("x"), headers=headers)
    assert reply.status_code == 403
    assert reply.headers["x-amzn-errortype"].startswith(name)


async def test_claude_is_invoked_in_its_own_words(provider, client):
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "hello out there"}],
    }
    reply = await converse(client, body, verb="invoke")
    assert reply.json()["content"] == [{"type": "text", "text": "hello out there"}]
    assert (reply.headers["x-amzn-bedrock-input-token-count"], reply.headers["x-amzn-bedrock-output-token-count"]) == ("4", "4")
    [item] = await settled(provider)
    assert (item.endpoint, item.model, item.usage) == ("invoke", CLAUDE, Usage(input=4, output=4))


async def test_claudes_events_come_in_frames(client):
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "hello out there"}],
    }
    reply = await converse(client, body, verb="invoke-with-response-stream")
    events = [decode_json(b64decode(decode_json(frame.payload)["bytes"])) for frame in frames(reply.content)]
    assert events[0]["type"] == "message_start"
    assert events[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] == 4


@pytest.mark.parametrize(
    "field", [{"model": "claude"}, {"stream": True}, {"anthropic_version": "2023-06-01"}, {"max_tokens": None}]
)
async def test_an_invocation_has_neither_model_nor_stream_but_a_version(client, field):
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "messages": [{"role": "user", "content": "x"}]} | field
    assert (await converse(client, body, verb="invoke")).status_code == 400


async def test_embeddings_of_titan_and_cohere(provider, client):
    titan = (await converse(client, {"inputText": "four", "dimensions": 8}, "amazon.titan-embed-text-v2:0", "invoke")).json()
    assert (len(titan["embedding"]), titan["inputTextTokenCount"]) == (8, 1)
    body = {"texts": ["a", "b"], "input_type": "search_query"}
    cohere = (await converse(client, body, "cohere.embed-english-v3", "invoke")).json()
    assert (len(cohere["embeddings"]), cohere["response_type"]) == (2, "embeddings_floats")
    typed = (
        await converse(client, body | {"embedding_types": ["float"], "output_dimension": 4}, "cohere.embed-v4:0", "invoke")
    ).json()
    assert [len(vector) for vector in typed["embeddings"]["float"]] == [4, 4]
    assert [item.usage.input for item in await settled(provider)] == [1, 2, 2]
    assert (await converse(client, {"input_type": "search_query"}, "cohere.embed-v4:0", "invoke")).status_code == 400


async def test_what_cannot_be_invoked(client):
    assert (await converse(client, {}, NOVA, "invoke")).status_code == 400
    assert (await converse(client, {}, NOVA, "invoke-with-response-stream")).status_code == 400


async def test_faults(provider, client):
    provider.faults.add(Fault.status(429), times=1)
    reply = await converse(client, ask("x"))
    assert (reply.status_code, reply.headers["x-amzn-errortype"].partition(":")[0]) == (429, "ThrottlingException")
    provider.faults.add(Fault.error_event(at=2), times=1)
    events = frames((await converse(client, ask("one two three"), verb="converse-stream")).content)
    assert events[-1].header(":exception-type") == "modelStreamErrorException"
    provider.faults.add(Fault.cut_after(chunks=2), times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        await converse(client, ask("one two three"), verb="converse-stream")
    assert [item.usage.output for item in await settled(provider)] == [1, 1]


# --- botocore


@contextmanager
def signed(provider, secret="simulated-secret-1"):
    session = pytest.importorskip("botocore.session", reason="the AWS extra is not installed").get_session()
    from botocore.config import Config

    session.set_credentials("AKIASIMULATED0000001", secret)
    config = Config(retries={"max_attempts": 0}, parameter_validation=True)
    client = session.create_client("bedrock-runtime", "us-east-1", endpoint_url=provider.base_url, config=config)
    try:
        yield client
    finally:
        client.close()


def test_a_signed_request_is_taken_and_a_wrong_signature_is_not():
    with running(SimulatedBedrock()) as provider:
        with signed(provider) as client:
            reply = client.converse(modelId=CLAUDE, messages=[{"role": "user", "content": [{"text": "hello"}]}])
            assert reply["output"]["message"]["content"] == [{"text": "hello"}]
            stream = client.converse_stream(modelId=CLAUDE, messages=[{"role": "user", "content": [{"text": "hello"}]}])["stream"]
            assert [next(iter(event)) for event in stream][-1] == "metadata"
            stream.close()
        with signed(provider, "another secret") as client, pytest.raises(Exception, match="signature we calculated does not match"):
            client.converse(modelId=CLAUDE, messages=[{"role": "user", "content": [{"text": "hello"}]}])
        assert provider.journal.violations == []


def test_an_exception_within_a_stream_is_one_for_botocore():
    with running(SimulatedBedrock()) as provider, signed(provider) as client:
        provider.faults.add(Fault.error_event(at=2))
        stream = client.converse_stream(modelId=CLAUDE, messages=[{"role": "user", "content": [{"text": "one two three"}]}])[
            "stream"
        ]
        with pytest.raises(Exception, match="unexpected error"):
            list(stream)
        stream.close()


# --- the gateway's own writer and readers

TURNS = (
    Turn(Role.SYSTEM, (Text("be brief", cache=CacheBreakpoint("1h")),)),
    Turn(Role.USER, (Text("look"), Image(MediaBytes("iVBORw0KGgo=", "image/png")), Document(plain_text="x", name="a.b_c"))),
    Turn(
        Role.ASSISTANT, (Reasoning("hm", seal=Seal("anthropic", SealKind.SIGNATURE, "Er==")), ToolCall("c|1", "get_weather", "{}"))
    ),
    Turn(Role.USER, (Text(" call get_weather"), ToolResult("c|1", (Text("sunny"),), is_error=False))),
)


@pytest.mark.parametrize("model", [CLAUDE, NOVA, "us.meta.llama4-maverick-17b-instruct-v1:0", "openai.gpt-oss-120b-1:0"])
async def test_the_gateways_writer_and_readers_understand_it(client, model):
    tools = (FunctionTool("get_weather", schema=TOOL["toolSpec"]["inputSchema"]["json"]),)
    conversation = Conversation("m", TURNS, tools=tools, reasoning=ReasoningWish(effort="low"), max_output_tokens=4000)
    body = OUTBOUND.write_request(conversation, TargetContext(model), Receipt())
    replies = []
    for verb in ("converse", "converse-stream"):
        reply = await client.post(f"/model/{model}/{verb}", content=body, headers={"content-type": "application/json"})
        assert reply.status_code == 200, reply.text
        reader = OUTBOUND.event_reader()
        replies.append(OUTBOUND.read_reply(reply.content) if verb == "converse" else fold(reader.feed(reply.content)))
    whole, streamed = replies
    assert whole.choices == streamed.choices
    assert whole.usage.total_input == streamed.usage.total_input
    assert isinstance(whole.choices[0].parts[-1], ToolCall)
