"""Simulated files and batches, driven by the real SDK."""

from __future__ import annotations

import openai
import pytest

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.testing import SimulatedOpenAI


@pytest.fixture
async def provider():
    async with SimulatedOpenAI() as provider:
        yield provider


@pytest.fixture
async def client(provider):
    async with openai.AsyncOpenAI(api_key="sk-sim-1", base_url=provider.base_url, max_retries=0) as client:
        yield client


async def test_a_file_comes_back_byte_for_byte(client):
    content = bytes(range(256)) * 50 + b"\r\n--not-the-boundary\r\n"
    made = await client.files.create(file=("data.bin", content), purpose="user_data")
    assert made.bytes == len(content)
    assert (await client.files.content(made.id)).content == content
    assert [file.id async for file in client.files.list()] == [made.id]
    await client.files.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve(made.id)


async def test_a_batch_runs_its_lines_at_half_price(provider, client):
    bodies = [{"model": model, "messages": [{"role": "user", "content": "four"}]} for model in ("gpt-4.1", "gpt-nope")]
    lines = [
        {"custom_id": str(place), "method": "POST", "url": "/v1/chat/completions", "body": body}
        for place, body in enumerate(bodies)
    ]
    upload = b"\n".join(encode_json(line) for line in lines)
    file = await client.files.create(file=("batch.jsonl", upload), purpose="batch")
    made = await client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert made.status == "validating"
    done = await client.batches.retrieve(made.id)
    assert (done.status, done.request_counts.completed, done.request_counts.failed) == ("completed", 1, 1)
    output = (await client.files.content(done.output_file_id)).content.splitlines()
    assert [decode_json(line)["response"]["status_code"] for line in output] == [200, 404]
    (item,) = provider.invoice().items
    assert (item.tier, item.amount) == ("batch", (1_000 + 4_000) // 2)
    assert (await client.batches.cancel(made.id)).status == "cancelling"
