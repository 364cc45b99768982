"""The simulated Gemini, driven by the real SDK and, where that hides the wire, by httpx2."""

from __future__ import annotations

import httpx2
import pytest
from google import genai
from google.genai import errors, types

from weighbridge.core.codec import decode_json
from weighbridge.core.terms import Usage
from weighbridge.testing import Fault, SimulatedGemini

# aiohttp warns about what the SDK does inside.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession")

KEY = {"x-goog-api-key": "sim-gemini-key-1"}
MODEL = "gemini-2.5-flash"
BODY = {"contents": [{"role": "user", "parts": [{"text": "one two"}]}]}


@pytest.fixture
async def provider():
    async with SimulatedGemini() as provider:
        yield provider


@pytest.fixture
async def models(provider):
    client = genai.Client(api_key="sim-gemini-key-1", http_options=types.HttpOptions(base_url=provider.base_url))
    yield client.aio.models
    await client.aio.aclose()
    client.close()


@pytest.fixture
async def http(provider):
    async with httpx2.AsyncClient(base_url=provider.base_url, headers=KEY) as http:
        yield http


async def test_content_echoes_and_is_billed(provider, models):
    reply = await models.generate_content(model=MODEL, contents="hello out there")
    assert reply.text == "hello out there"
    assert reply.usage_metadata.total_token_count == 8
    await provider.journal.until(lambda journal: journal.finished == 1)
    assert provider.invoice().items[0].usage == Usage(input=4, output=4)
    assert provider.journal.violations == []


async def test_a_stream_reports_cumulative_usage(models):
    chunks = [chunk async for chunk in await models.generate_content_stream(model=MODEL, contents="one two")]
    assert [chunk.text for chunk in chunks] == ["one", " two"]
    assert [chunk.usage_metadata.candidates_token_count for chunk in chunks] == [1, 2]
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP


async def test_without_alt_sse_a_stream_is_one_json_array(http):
    reply = await http.post(f"/v1beta/models/{MODEL}:streamGenerateContent", json=BODY)
    texts = [item["candidates"][0]["content"]["parts"][0]["text"] for item in decode_json(reply.content)]
    assert texts == ["one", " two"]


async def test_function_calls_and_forced_ones(models):
    declaration = types.FunctionDeclaration(
        name="get_weather", parameters=types.Schema(type="OBJECT", properties={"city": types.Schema(type="STRING")})
    )
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declaration])])
    asked = await models.generate_content(model=MODEL, contents="call get_weather", config=config)
    assert asked.function_calls[0].args == {"city": "call get_weather"}
    plain = await models.generate_content(model=MODEL, contents="no call", config=config)
    assert plain.text == "no call"


async def test_structured_output_thoughts_and_candidates(models):
    schema = types.Schema(type="OBJECT", properties={"ok": types.Schema(type="BOOLEAN")})
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=schema)
    assert (await models.generate_content(model=MODEL, contents="x", config=config)).text == '{"ok":true}'
    thinking = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True), candidate_count=2)
    reply = await models.generate_content(model=MODEL, contents="hm", config=thinking)
    assert reply.candidates[0].content.parts[0].thought
    assert len(reply.candidates) == 2
    usage = reply.usage_metadata
    assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count + usage.thoughts_token_count


async def test_embeddings_counts_and_models(provider, models, http):
    embedded = await models.embed_content(model="gemini-embedding-001", contents=["a", "b"])
    assert len(embedded.embeddings) == 2
    single = await http.post("/v1beta/models/gemini-embedding-001:embedContent", json={"content": {"parts": [{"text": "a"}]}})
    assert single.json()["embedding"]["values"] == embedded.embeddings[0].values
    assert (await models.count_tokens(model=MODEL, contents="hello out there")).total_tokens == 4
    assert [model.name async for model in await models.list()] == [f"models/{name}" for name in provider.models]
    assert (await models.get(model=MODEL)).name == f"models/{MODEL}"


async def test_snake_case_is_taken_too(http):
    body = BODY | {"system_instruction": {"parts": [{"text": "x"}]}, "generation_config": {"max_output_tokens": 1}}
    reply = (await http.post(f"/v1beta/models/{MODEL}:generateContent", json=body)).json()
    assert reply["candidates"][0]["finishReason"] == "MAX_TOKENS"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"foo": 1}, 'Unknown name "foo"'),
        ({"contents": []}, "contents"),
        ({"contents": [{"role": "wizard", "parts": []}]}, "contents[0].role"),
        ({"generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
    ],
)
async def test_a_wrong_request_is_refused_as_google_does(http, change, words):
    reply = await http.post(f"/v1beta/models/{MODEL}:generateContent", json=BODY | change)
    assert reply.status_code == 400
    assert reply.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert words in reply.json()["error"]["message"]


async def test_unknown_models_and_quotas_raise_the_sdks_errors(provider, models):
    with pytest.raises(errors.ClientError) as raised:
        await models.generate_content(model="gemini-none", contents="x")
    assert (raised.value.code, raised.value.status) == (404, "NOT_FOUND")
    provider.faults.add(Fault.status(429, retry_after=17))
    with pytest.raises(errors.ClientError) as raised:
        await models.generate_content(model=MODEL, contents="x")
    assert raised.value.details["error"]["details"][0]["retryDelay"] == "17s"


async def test_a_key_in_the_url_works_but_is_a_violation(provider):
    url = f"{provider.base_url}/v1beta/models/{MODEL}:generateContent"
    async with httpx2.AsyncClient() as http:
        assert (await http.post(url, json=BODY, params={"key": "sim-gemini-key-1"})).status_code == 200
        assert (await http.post(url, json=BODY)).status_code == 403
        assert (await http.post(url, json=BODY, headers={"x-goog-api-key": "no"})).status_code == 400
    assert [(violation.request, violation.rule) for violation in provider.journal.violations] == [(1, "credential in URL")]
