"""The Google GenAI SDK through the gateway, with nothing but its base URL and key changed."""

from __future__ import annotations

import io

import pytest
from google import genai
from google.genai import errors, types

from weighbridge.core.codec import decode_json
from weighbridge.testing import Fault

# aiohttp warns about what the SDK does inside.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession")

MODEL = "gemini-2.5-flash"


@pytest.fixture
async def connect(gateway, gemini_provider, keys):
    """Clients of the gateway; each has to be closed twice, for its two halves."""
    made = []

    def client(key=keys.app):
        made.append(genai.Client(api_key=key, http_options=types.HttpOptions(base_url=gateway.base_url)))
        return made[-1]

    yield client
    for each in made:
        await each.aio.aclose()
        each.close()


@pytest.fixture
def models(connect):
    return connect().aio.models


# --- content


@pytest.mark.parametrize("model", [MODEL, f"gemini/{MODEL}", f"models/{MODEL}", "swift"])
async def test_content_is_generated_by_a_models_name_with_its_provider_and_by_a_route(models, gemini_provider, model):
    reply = await models.generate_content(model=model, contents="hello out there")
    assert reply.text == "hello out there"
    assert reply.usage_metadata.total_token_count == 8
    assert gemini_provider.journal.last.request.path.endswith(f"/models/{MODEL}:generateContent")


@pytest.mark.parametrize("model", [MODEL, "swift"])
async def test_content_streams(models, model):
    chunks = [chunk async for chunk in await models.generate_content_stream(model=model, contents="one two")]
    assert [chunk.text for chunk in chunks] == ["one", " two"]
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP


async def test_functions_are_called_in_parallel(models):
    declared = [
        types.FunctionDeclaration(name=name, parameters=types.Schema(type="OBJECT")) for name in ("get_weather", "get_time")
    ]
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=declared)])
    reply = await models.generate_content(model=MODEL, contents="call get_weather and call get_time", config=config)
    assert [call.name for call in reply.function_calls] == ["get_weather", "get_time"]


async def test_structured_output_satisfies_the_schema(models):
    schema = types.Schema(type="OBJECT", properties={"ok": types.Schema(type="BOOLEAN")})
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=schema)
    assert (await models.generate_content(model=MODEL, contents="x", config=config)).parsed == {"ok": True}


async def test_thoughts_and_several_candidates(models):
    config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True), candidate_count=2)
    reply = await models.generate_content(model=MODEL, contents="hm", config=config)
    assert reply.candidates[0].content.parts[0].thought
    assert len(reply.candidates) == 2


def test_the_synchronous_client_works_alike(connect):
    models = connect().models
    assert models.generate_content(model=MODEL, contents="hello").text == "hello"
    assert "".join(chunk.text for chunk in models.generate_content_stream(model=MODEL, contents="one two")) == "one two"


async def test_the_demo_provider_serves_the_same_sdk(models):
    assert "hello" in (await models.generate_content(model="demo/echo", contents="hello")).text


# --- other endpoints


@pytest.mark.parametrize("model", [MODEL, "swift"])
async def test_tokens_are_counted(models, model):
    assert (await models.count_tokens(model=model, contents="hello out there")).total_tokens == 4


@pytest.mark.parametrize("model", ["gemini-embedding-001", "gemini/gemini-embedding-001"])
async def test_contents_are_embedded_one_and_several(models, model):
    several = await models.embed_content(model=model, contents=["a", "b"])
    single = await models.embed_content(model=model, contents="a")
    assert len(several.embeddings) == 2
    assert single.embeddings[0].values == several.embeddings[0].values


async def test_models_are_listed_and_retrieved_in_googles_shape(models):
    names = [model.name async for model in await models.list()]
    assert f"models/gemini/{MODEL}" in names
    assert (await models.get(model="swift")).name == "models/swift"


async def test_a_key_in_the_query_works_and_goes_no_further(gateway, keys, gemini_provider):
    body = {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}
    reply = gateway.request("POST", f"/v1beta/models/{MODEL}:generateContent?key={keys.app}&alt=json", body, key=None)
    assert reply.status == 200
    assert gemini_provider.journal.last.request.target.endswith(b":generateContent?alt=json")
    assert keys.app not in gateway.stdout.text


# --- errors


@pytest.mark.parametrize("key", ["wb-nobody-knows-this-one", "AIza-nobody"])
async def test_a_wrong_gateway_key_is_unauthenticated(connect, key, gemini_provider):
    before = len(gemini_provider.journal)
    with pytest.raises(errors.ClientError) as raised:
        await connect(key).aio.models.generate_content(model=MODEL, contents="x")
    assert (raised.value.code, raised.value.status) == (401, "UNAUTHENTICATED")
    assert key not in str(raised.value)
    assert len(gemini_provider.journal) == before


async def test_a_model_that_the_key_may_not_use_is_permission_denied(connect, keys):
    with pytest.raises(errors.ClientError) as raised:
        await connect(keys.narrow).aio.models.generate_content(model=MODEL, contents="x")
    assert (raised.value.code, raised.value.status) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize("model", ["gemini-none", "gemini/gemini-none"])
async def test_an_unknown_model_is_not_found(models, model):
    with pytest.raises(errors.ClientError) as raised:
        await models.generate_content(model=model, contents="x")
    assert (raised.value.code, raised.value.status) == (404, "NOT_FOUND")


async def test_a_refusal_of_the_provider_arrives_word_for_word(models, gemini_provider):
    config = types.GenerateContentConfig(http_options=types.HttpOptions(extra_body={"foo": 1}))
    with pytest.raises(errors.ClientError, match='Unknown name "foo"') as raised:
        await models.generate_content(model=MODEL, contents="x", config=config)
    await gemini_provider.journal.until(lambda journal: journal.finished == len(journal))
    assert raised.value.details == decode_json(gemini_provider.journal.last.reply.body)


async def test_a_quota_says_when_to_come_back(models, gemini_provider):
    gemini_provider.faults.add(Fault.status(429, retry_after=17))
    with pytest.raises(errors.ClientError) as raised:
        await models.generate_content(model=MODEL, contents="x")
    assert (raised.value.code, raised.value.status) == (429, "RESOURCE_EXHAUSTED")
    assert raised.value.details["error"]["details"][0]["retryDelay"] == "17s"
    assert raised.value.response.headers["retry-after"] == "17"


@pytest.mark.parametrize(("status", "name"), [(500, "INTERNAL"), (503, "UNAVAILABLE"), (504, "DEADLINE_EXCEEDED")])
async def test_a_failing_provider_is_a_server_error(models, gemini_provider, status, name):
    gemini_provider.faults.add(Fault.status(status))
    with pytest.raises(errors.ServerError) as raised:
        await models.generate_content(model=MODEL, contents="x")
    assert (raised.value.code, raised.value.status) == (status, name)


async def test_refusals_of_the_gateway_are_in_googles_words(models):
    with pytest.raises(errors.ClientError) as raised:
        await models.generate_content(model="nobody/nothing", contents="x")
    assert (raised.value.code, raised.value.status) == (404, "NOT_FOUND")
    assert raised.value.details["error"]["details"][0]["domain"] == "weighbridge"


# --- what Google keeps


async def test_a_file_is_uploaded_listed_and_deleted(connect):
    files = connect().aio.files
    made = await files.upload(file=io.BytesIO(b"weigh this"), config=types.UploadFileConfig(mime_type="text/plain"))
    assert (made.state, made.size_bytes, made.mime_type) == (types.FileState.ACTIVE, 10, "text/plain")
    assert (await files.get(name=made.name)).uri == made.uri
    assert made.name in [file.name async for file in await files.list()]
    await files.delete(name=made.name)
    with pytest.raises(errors.ClientError, match="not found"):
        await files.get(name=made.name)


async def test_cached_content_is_made_used_and_deleted(connect, gemini_provider):
    client = connect().aio
    config = types.CreateCachedContentConfig(contents=["a long story"], ttl="300s")
    made = await client.caches.create(model=MODEL, config=config)
    assert made.usage_metadata.total_token_count == 3
    cached = types.GenerateContentConfig(cached_content=made.name)
    await client.models.generate_content(model=MODEL, contents="and then?", config=cached)
    assert decode_json(gemini_provider.journal.last.request.body)["cachedContent"] == made.name
    assert (await client.caches.get(name=made.name)).name == made.name
    await client.caches.delete(name=made.name)
    with pytest.raises(errors.ClientError, match="not found"):
        await client.caches.get(name=made.name)
