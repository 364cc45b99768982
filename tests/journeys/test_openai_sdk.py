"""The OpenAI SDK through the gateway, with nothing but its base URL and key changed."""

from __future__ import annotations

import base64

import openai
import pydantic
import pytest
import websockets

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.testing import Fault

WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
TIME = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture
async def client(gateway, openai_provider, keys):
    async with openai.AsyncOpenAI(api_key=keys.app, base_url=f"{gateway.base_url}/v1", max_retries=0) as client:
        yield client


def ask(text, **fields):
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]} | fields


# --- chat


@pytest.mark.parametrize("model", ["gpt-4o-mini", "openai/gpt-4o-mini", "smart"])
async def test_a_chat_reaches_the_model_by_its_name_with_its_provider_and_by_a_route(client, openai_provider, model):
    reply = await client.chat.completions.create(**ask("hello out there", model=model))
    assert reply.choices[0].message.content == "hello out there"
    assert (reply.model, reply.usage.prompt_tokens) == ("gpt-4o-mini", 4)
    assert decode_json(openai_provider.journal.last.request.body)["model"] == "gpt-4o-mini"


async def test_a_chat_streams_and_the_usage_chunk_comes_only_when_asked_for(client):
    plain = [chunk async for chunk in await client.chat.completions.create(**ask("one two"), stream=True)]
    assert [chunk.choices[0].delta.content for chunk in plain] == ["", "one", " two", None]
    asked = ask("one two", stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in await client.chat.completions.create(**asked)]
    assert (chunks[-1].choices, chunks[-1].usage.completion_tokens) == ([], 2)


async def test_tools_are_called_in_parallel_whole_and_streamed(client):
    asked = ask("call get_weather and call get_time", tools=[WEATHER, TIME])
    whole = (await client.chat.completions.create(**asked)).choices[0]
    assert [call.function.name for call in whole.message.tool_calls] == ["get_weather", "get_time"]
    assert whole.finish_reason == "tool_calls"
    async with client.chat.completions.stream(**asked) as stream:
        streamed = (await stream.get_final_completion()).choices[0]
    assert [call.function.arguments for call in streamed.message.tool_calls] == [
        call.function.arguments for call in whole.message.tool_calls
    ]


async def test_structured_output_is_parsed_into_the_callers_class(client):
    class Person(pydantic.BaseModel):
        name: str
        ages: list[int]

    reply = await client.chat.completions.parse(**ask("Ada"), response_format=Person)
    assert reply.choices[0].message.parsed == Person(name="Ada", ages=[1])


def test_the_synchronous_client_works_alike(gateway, keys, openai_provider):
    with openai.OpenAI(api_key=keys.app, base_url=f"{gateway.base_url}/v1", max_retries=0) as client:
        assert client.chat.completions.create(**ask("hello")).choices[0].message.content == "hello"
        chunks = list(client.chat.completions.create(**ask("one two"), stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "one two"


async def test_the_demo_provider_serves_the_same_sdk(client):
    reply = await client.chat.completions.create(**ask("hello", model="demo/echo"))
    assert "hello" in reply.choices[0].message.content
    assert len((await client.embeddings.create(model="demo/embed", input=["a", "b"])).data) == 2


# --- other endpoints


async def test_legacy_completions(client):
    reply = await client.completions.create(model="gpt-3.5-turbo-instruct", prompt="one two")
    assert reply.choices[0].text == "one two"
    stream = await client.completions.create(model="gpt-3.5-turbo-instruct", prompt="one two", stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == "one two"


async def test_embeddings_are_the_same_as_floats_and_in_base64(client):
    floats = await client.embeddings.create(model="text-embedding-3-small", input=["a", "b"], encoding_format="float")
    packed = await client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    assert packed.data[0].embedding == floats.data[0].embedding
    assert floats.data[0].embedding != floats.data[1].embedding


async def test_responses_stream(client):
    stream = await client.responses.create(model="gpt-4.1", input="one two", stream=True)
    events = [event async for event in stream]
    assert [event.sequence_number for event in events] == list(range(10))
    assert (events[-1].type, events[-1].response.output_text) == ("response.completed", "one two")


async def test_stored_responses_are_retrieved_listed_cancelled_and_deleted(client):
    made = await client.responses.create(model="gpt-4.1", input="hello stored")
    assert (await client.responses.retrieve(made.id)).output_text == "hello stored"
    assert [item.content[0].text async for item in client.responses.input_items.list(made.id)] == ["hello stored"]
    await client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(made.id)
    background = await client.responses.create(model="gpt-4.1", input="later", background=True)
    assert (await client.responses.cancel(background.id)).status == "cancelled"


async def test_models_are_listed_and_retrieved(client):
    names = [model.id async for model in client.models.list()]
    assert "openai/gpt-4o-mini" in names
    assert "smart" in names
    assert (await client.models.retrieve("smart")).id == "smart"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("openai/gpt-none")


async def test_what_a_provider_lists_itself_is_listed_and_answers(client, openai_provider):
    names = [model.id async for model in client.models.list()]
    # No models are written in the configuration of this one.
    assert {f"hasty-openai/{name}" for name in openai_provider.models} <= set(names)
    reply = await client.chat.completions.create(model="hasty-openai/gpt-4.1", messages=[{"role": "user", "content": "hi"}])
    assert reply.choices[0].message.content == "hi"


async def test_moderations_images_and_speech(client):
    judged = await client.moderations.create(model="omni-moderation-latest", input=["hello", "kill it"])
    assert [result.flagged for result in judged.results] == [False, True]
    image = await client.images.generate(model="gpt-image-1", prompt="a gate")
    assert base64.b64decode(image.data[0].b64_json).startswith(b"\x89PNG")
    speech = await client.audio.speech.create(model="gpt-4o-mini-tts", input="some words to say", voice="alloy")
    assert len(speech.content) == 5 * 20 * 100


@pytest.mark.parametrize("model", ["whisper-1", "openai/whisper-1"])
async def test_a_transcription_is_uploaded_as_a_form(client, model):
    heard = await client.audio.transcriptions.create(model=model, file=("speech.mp3", bytes(range(256)) * 40))
    assert heard.text.startswith("speech.mp3 ")


async def test_a_file_comes_back_byte_for_byte(client):
    content = bytes(range(256)) * 500 + b"\r\n--not-the-boundary\r\n"
    made = await client.files.create(file=("data.bin", content), purpose="user_data")
    assert made.bytes == len(content)
    assert (await client.files.content(made.id)).content == content
    assert made.id in [file.id async for file in client.files.list()]
    await client.files.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve(made.id)


async def test_a_batch_runs_to_its_output_file(client):
    line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": ask("four")}
    file = await client.files.create(file=("batch.jsonl", encode_json(line)), purpose="batch")
    made = await client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    done = await client.batches.retrieve(made.id)
    assert done.status == "completed"
    output = decode_json((await client.files.content(done.output_file_id)).content)
    assert output["response"]["body"]["choices"][0]["message"]["content"] == "four"


async def test_conversations_and_vector_stores_are_kept_at_the_provider(client):
    conversation = await client.conversations.create(metadata={"topic": "scales"})
    assert (await client.conversations.retrieve(conversation.id)).metadata == {"topic": "scales"}
    store = await client.vector_stores.create(name="manuals")
    assert (await client.vector_stores.retrieve(store.id)).name == "manuals"
    assert (await client.vector_stores.delete(store.id)).deleted
    assert (await client.conversations.delete(conversation.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await client.conversations.retrieve(conversation.id)


async def test_what_has_no_name_here_passes_raw_under_the_providers_name(gateway, keys, openai_provider):
    async with openai.AsyncOpenAI(api_key=keys.app, base_url=f"{gateway.base_url}/openai/v1", max_retries=0) as client:
        assert (await client.models.retrieve("gpt-4.1")).id == "gpt-4.1"
        assert (await client.chat.completions.create(**ask("x"))).choices[0].message.content == "x"
        with pytest.raises(openai.NotFoundError, match="Invalid URL"):
            await client.get("/no/such/thing", cast_to=object)


def test_the_azure_client_works_with_a_route_for_a_deployment(gateway, keys, openai_provider):
    azure = openai.AzureOpenAI(azure_endpoint=gateway.base_url, api_key=keys.app, api_version="2025-04-01-preview", max_retries=0)
    with azure as client:
        assert client.chat.completions.create(**ask("hello", model="smart")).choices[0].message.content == "hello"
        assert client.embeddings.create(model="text-embedding-3-small", input="a").data[0].embedding
    request = openai_provider.journal.last.request
    assert request.path == "/v1/embeddings"
    assert request.header("api-key") is None


# --- realtime


async def test_a_realtime_session_is_held_by_the_sdk_and_metered(gateway, client):
    async with client.realtime.connect(model="gpt-realtime") as session:
        content = [{"type": "input_text", "text": "hello out there"}]
        await session.conversation.item.create(item={"type": "message", "role": "user", "content": content})
        await session.response.create()
        kinds = []
        async for event in session:
            kinds.append(event.type)
            if event.type == "response.done":
                break
    assert (kinds[0], event.response.usage.output_tokens) == ("session.created", 4)
    line = gateway.stdout.wait_for(lambda lines: next((line for line in lines if '"operation":"realtime"' in line), None))
    record = decode_json(line.encode())
    assert (record["usage"]["input"], record["usage"]["output"]) == (4, 4)


async def test_a_realtime_session_with_a_wrong_key_does_not_open(gateway):
    url = gateway.base_url.replace("http", "ws") + "/v1/realtime?model=gpt-realtime"
    with pytest.raises(websockets.InvalidStatus) as raised:
        async with websockets.connect(url, additional_headers={"authorization": "Bearer wb-nobody"}, proxy=None):
            pass
    assert raised.value.response.status_code == 401


async def test_a_browsers_realtime_key_opens_a_session_and_goes_no_further(gateway, keys, openai_provider):
    url = gateway.base_url.replace("http", "ws") + "/v1/realtime?model=openai/gpt-realtime"
    protocols = ["realtime", f"openai-insecure-api-key.{keys.app}"]
    async with websockets.connect(url, subprotocols=protocols, proxy=None) as socket:
        assert decode_json(await socket.recv())["type"] == "session.created"
    request = openai_provider.journal.last.request
    assert request.target == b"/v1/realtime?model=gpt-realtime"
    assert request.header("sec-websocket-protocol") == "realtime"


# --- headers


async def test_headers_of_the_provider_and_of_the_gateway_are_seen(client):
    raw = await client.chat.completions.with_raw_response.create(**ask("x", model="smart"))
    assert raw.request_id.startswith("req_")
    assert int(raw.headers["x-ratelimit-remaining-requests"]) < 10_000
    assert raw.headers["openai-processing-ms"] == "12"
    own = {name: raw.headers[f"x-weighbridge-{name}"] for name in ("provider", "model", "edits")}
    assert own == {"provider": "openai", "model": "gpt-4o-mini", "edits": "model"}
    assert int(raw.headers["x-weighbridge-overhead-us"]) >= 0
    assert int(raw.headers["x-weighbridge-config-version"]) >= 1
    assert raw.headers["x-weighbridge-request-id"]


# --- errors


def with_key(client, key):
    return client.with_options(api_key=key)


async def test_a_wrong_a_missing_and_an_expired_gateway_key_are_authentication_errors(client, keys, openai_provider):
    before = len(openai_provider.journal)
    for key in ("wb-nobody-knows-this-one", keys.expired):
        with pytest.raises(openai.AuthenticationError) as raised:
            await with_key(client, key).chat.completions.create(**ask("x"))
        assert key not in str(raised.value)
    assert len(openai_provider.journal) == before


async def test_a_model_that_the_key_may_not_use_is_a_permission_error(client, keys):
    narrow = with_key(client, keys.narrow)
    assert (await narrow.chat.completions.create(**ask("x"))).choices
    with pytest.raises(openai.PermissionDeniedError):
        await narrow.chat.completions.create(**ask("x", model="gpt-4.1"))
    assert [model.id async for model in narrow.models.list()] == ["openai/gpt-4o-mini"]


@pytest.mark.parametrize("model", ["no-such-model", "openai/gpt-none"])
async def test_an_unknown_model_is_not_found_whoever_says_so(client, model):
    with pytest.raises(openai.NotFoundError) as raised:
        await client.chat.completions.create(**ask("x", model=model))
    assert raised.value.code == "model_not_found"


async def test_a_refusal_of_the_provider_arrives_word_for_word(client, openai_provider):
    with pytest.raises(openai.BadRequestError) as raised:
        await client.chat.completions.create(**ask("x", temperature=3))
    assert raised.value.param == "temperature"
    await openai_provider.journal.until(lambda journal: journal.finished == len(journal))
    assert raised.value.response.content == openai_provider.journal.last.reply.body


async def test_a_provider_that_does_not_know_the_gateways_key_is_an_authentication_error(client):
    with pytest.raises(openai.AuthenticationError):
        await client.chat.completions.create(**ask("x", model="wrongly-keyed/gpt-4.1"))


async def test_a_rate_limit_says_when_to_come_back(client, openai_provider):
    openai_provider.faults.add(Fault.status(429, retry_after=2, retry_after_ms=1500), times=1)
    with pytest.raises(openai.RateLimitError) as raised:
        await client.chat.completions.create(**ask("x"))
    assert raised.value.response.headers["retry-after"] == "2"
    assert raised.value.response.headers["retry-after-ms"] == "1500"


async def test_the_sdks_own_retries_work_through_the_gateway(client, openai_provider):
    openai_provider.faults.add(Fault.status(429, retry_after_ms=1), times=2)
    before = len(openai_provider.journal)
    reply = await client.with_options(max_retries=2).chat.completions.create(**ask("x"))
    assert reply.choices[0].message.content == "x"
    assert len(openai_provider.journal) == before + 3


@pytest.mark.parametrize("status", [500, 503])
async def test_a_failing_provider_is_an_internal_server_error(client, openai_provider, status):
    openai_provider.faults.add(Fault.status(status), times=1)
    with pytest.raises(openai.InternalServerError) as raised:
        await client.chat.completions.create(**ask("x"))
    assert raised.value.status_code == status
    assert raised.value.response.headers["x-weighbridge-provider"] == "openai"


async def test_an_unreachable_provider_is_502_and_does_not_tell_its_address(client):
    with pytest.raises(openai.InternalServerError) as raised:
        await client.chat.completions.create(**ask("x", model="unreachable/m"))
    assert (raised.value.status_code, raised.value.code) == (502, "provider_unreachable")
    assert "127.0.0.1" not in str(raised.value)


async def test_refusals_of_the_gateway_are_in_openais_words(client):
    json_headers = {"content-type": "application/json"}
    with pytest.raises(openai.BadRequestError) as raised:
        await client.post("/chat/completions", content=b'{"model": ', cast_to=object, options={"headers": json_headers})
    assert raised.value.type == "invalid_request_error"
    with pytest.raises(openai.NotFoundError):
        await client.get("/no/such/path", cast_to=object)
    with pytest.raises(openai.APIStatusError) as raised:
        await client.get("/embeddings", cast_to=object)
    assert raised.value.status_code == 405
