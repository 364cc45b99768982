"""Simulated files and caches of Gemini, driven by the real SDK."""

from __future__ import annotations

import io

import httpx
import pytest
from google import genai
from google.genai import errors, types

from weighbridge.core.terms import Usage
from weighbridge.testing import SimulatedGemini

# aiohttp warns about what the SDK does inside.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession")


@pytest.fixture
async def provider():
    async with SimulatedGemini() as provider:
        yield provider


@pytest.fixture
async def client(provider):
    made = genai.Client(api_key="sim-gemini-key-1", http_options=types.HttpOptions(base_url=provider.base_url))
    yield made.aio
    await made.aio.aclose()
    made.close()


async def test_a_file_is_uploaded_in_two_steps(client):
    made = await client.files.upload(file=io.BytesIO(b"weigh this"), config=types.UploadFileConfig(mime_type="text/plain"))
    assert (made.size_bytes, made.mime_type) == (10, "text/plain")
    assert [file.name async for file in await client.files.list()] == [made.name]
    await client.files.delete(name=made.name)
    with pytest.raises(errors.ClientError):
        await client.files.get(name=made.name)


async def test_bytes_are_taken_once_and_only_at_the_address_that_was_given(provider, client):
    await client.files.upload(file=io.BytesIO(b"x"), config=types.UploadFileConfig(mime_type="text/plain"))
    used = provider.journal.entries[-1].request.target.decode()
    headers = {"x-goog-upload-command": "upload, finalize", "x-goog-api-key": "sim-gemini-key-1"}
    async with httpx.AsyncClient(base_url=provider.base_url) as plain:
        assert (await plain.post(used, content=b"y", headers=headers)).status_code == 400
        assert (await plain.post(used, content=b"y")).status_code == 403


async def test_a_cache_bills_its_tokens_when_it_is_made(provider, client):
    config = types.CreateCachedContentConfig(contents=["a long story"], ttl="300s")
    made = await client.caches.create(model="gemini-2.5-flash", config=config)
    assert [item.usage for item in provider.invoice().items] == [Usage(input=3)]
    assert [each.name async for each in await client.caches.list()] == [made.name]
    await client.caches.delete(name=made.name)
    with pytest.raises(errors.ClientError):
        await client.caches.get(name=made.name)
    with pytest.raises(errors.ClientError, match="not found"):
        await client.caches.create(model="no-such-model", config=config)
