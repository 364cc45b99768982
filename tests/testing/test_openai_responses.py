"""The simulated responses API, driven by the real SDK."""

from __future__ import annotations

import openai
import pytest

from weighbridge.testing import SimulatedOpenAI


@pytest.fixture
async def provider():
    async with SimulatedOpenAI() as provider:
        yield provider


@pytest.fixture
async def client(provider):
    async with openai.AsyncOpenAI(api_key="sk-sim-1", base_url=provider.base_url, max_retries=0) as client:
        yield client


async def test_a_stream_has_the_full_sequence_of_events(client):
    stream = await client.responses.create(model="gpt-4.1", input="one two", stream=True)
    events = [event async for event in stream]
    assert [event.type.removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event.sequence_number for event in events] == list(range(10))
    assert events[-1].response.output_text == "one two"
    assert events[-1].response.usage.output_tokens == 2


async def test_a_function_call_streams_its_arguments(client):
    tool = {"type": "function", "name": "look_up", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}}
    stream = await client.responses.create(model="gpt-4.1", input="call look_up", tools=[tool], stream=True)
    events = [event async for event in stream]
    deltas = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    assert "".join(deltas) == '{"q":"call look_up"}'
    assert events[-1].response.output[0].type == "function_call"


async def test_responses_are_stored_until_deleted(client):
    made = await client.responses.create(model="gpt-4.1", input="hello")
    assert (await client.responses.retrieve(made.id)).output_text == "hello"
    items = [item async for item in client.responses.input_items.list(made.id)]
    assert items[0].content[0].text == "hello"
    with pytest.raises(openai.BadRequestError):
        await client.responses.cancel(made.id)
    await client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(made.id)


async def test_a_conversation_goes_on_from_a_previous_response(client):
    first = await client.responses.create(model="gpt-4.1", input="hello")
    second = await client.responses.create(model="gpt-4.1", input="more", previous_response_id=first.id)
    assert second.usage.input_tokens > first.usage.input_tokens
    with pytest.raises(openai.BadRequestError) as raised:
        await client.responses.create(model="gpt-4.1", input="x", previous_response_id="resp_none")
    assert raised.value.code == "previous_response_not_found"


async def test_a_background_response_can_be_cancelled_before_it_is_asked_for(client):
    made = await client.responses.create(model="gpt-4.1", input="hello", background=True)
    assert made.status == "queued"
    assert (await client.responses.cancel(made.id)).status == "cancelled"
    other = await client.responses.create(model="gpt-4.1", input="again", background=True)
    assert (await client.responses.retrieve(other.id)).status == "completed"


async def test_structured_output_and_length(client):
    form = {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object", "properties": {"ok": {"type": "boolean"}}}}}
    reply = await client.responses.create(model="gpt-4.1", input="x", text=form)
    assert reply.output_text == '{"ok":true}'
    cut = await client.responses.create(model="gpt-4.1", input="word " * 100, max_output_tokens=16)
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")
