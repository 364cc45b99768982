"""Simulated conversations and vector stores, driven by the real SDK."""

from __future__ import annotations

import openai
import pytest

from weighbridge.testing import SimulatedOpenAI


@pytest.fixture
async def client():
    async with (
        SimulatedOpenAI() as provider,
        openai.AsyncOpenAI(api_key="sk-sim-1", base_url=provider.base_url, max_retries=0) as client,
    ):
        yield client


async def test_a_conversation_is_kept_until_it_is_deleted(client):
    made = await client.conversations.create(metadata={"topic": "scales"})
    assert await client.conversations.retrieve(made.id) == made
    assert (await client.conversations.delete(made.id)).object == "conversation.deleted"
    with pytest.raises(openai.NotFoundError):
        await client.conversations.retrieve(made.id)


async def test_a_vector_store_is_kept_until_it_is_deleted(client):
    made = await client.vector_stores.create(name="manuals", file_ids=["file-1", "file-2"])
    assert (made.file_counts.completed, made.file_counts.total) == (2, 2)
    assert await client.vector_stores.retrieve(made.id) == made
    assert (await client.vector_stores.delete(made.id)).object == "vector_store.deleted"
    with pytest.raises(openai.NotFoundError):
        await client.vector_stores.retrieve(made.id)


async def test_what_is_not_documented_is_refused(client):
    with pytest.raises(openai.BadRequestError):
        await client.conversations.create(extra_body={"weight": 1})
