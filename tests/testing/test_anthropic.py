"""The simulated Anthropic, driven by the real SDK."""

from __future__ import annotations

import anthropic
import pytest

from weighbridge.core.terms import Usage
from weighbridge.testing import Fault, SimulatedAnthropic

TOOL = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


@pytest.fixture
async def provider():
    async with SimulatedAnthropic() as provider:
        yield provider


@pytest.fixture
async def client(provider):
    async with anthropic.AsyncAnthropic(api_key="sk-ant-sim-1", base_url=provider.base_url, max_retries=0) as client:
        yield client


def ask(text, **fields):
    return {"model": "claude-sonnet-5", "max_tokens": 2048, "messages": [{"role": "user", "content": text}]} | fields


async def test_a_message_echoes_and_is_billed(provider, client):
    reply = await client.messages.create(**ask("hello out there"))
    assert reply.content[0].text == "hello out there"
    assert (reply.stop_reason, reply.usage.input_tokens, reply.usage.output_tokens) == ("end_turn", 4, 4)
    await provider.journal.until(lambda journal: journal.finished == 1)
    assert provider.invoice().items[0].usage == Usage(input=4, output=4)
    assert provider.journal.violations == []


async def test_a_stream_pings_and_adds_up(provider, client):
    async with client.messages.stream(**ask("one two three")) as stream:
        message = await stream.get_final_message()
    assert message.content[0].text == "one two three"
    assert message.usage.output_tokens == 4
    await provider.journal.until(lambda journal: journal.finished == 1)
    assert b'event: ping\ndata: {"type": "ping"}\n\n' in provider.journal.last.reply.body


async def test_tools_whole_and_streamed(client):
    whole = await client.messages.create(**ask("call get_weather", tools=[TOOL]))
    assert (whole.stop_reason, whole.content[0].input) == ("tool_use", {"city": "call get_weather"})
    async with client.messages.stream(**ask("call get_weather", tools=[TOOL])) as stream:
        assert (await stream.get_final_message()).content[0].input == whole.content[0].input


async def test_thinking_comes_before_the_answer_and_is_output(provider, client):
    thinking = {"type": "enabled", "budget_tokens": 1024}
    async with client.messages.stream(**ask("hm", thinking=thinking)) as stream:
        message = await stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].signature
    await provider.journal.until(lambda journal: journal.finished == 1)
    usage = provider.invoice().items[0].usage
    assert usage.output == usage.reasoning + 1 == message.usage.output_tokens


async def test_the_second_equal_prefix_is_read_from_the_cache(client):
    system = [{"type": "text", "text": "s" * 400, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    usages = [(await client.messages.create(**ask("four", system=system))).usage for _ in range(2)]
    seen = [(usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens) for usage in usages]
    assert seen == [(1, 100, 0), (1, 0, 100)]
    assert usages[0].cache_creation.ephemeral_1h_input_tokens == 100


async def test_stop_sequence_and_max_tokens(client):
    stopped = await client.messages.create(**ask("go STOP now", stop_sequences=[" STOP"]))
    assert (stopped.content[0].text, stopped.stop_reason, stopped.stop_sequence) == ("go", "stop_sequence", " STOP")
    cut = await client.messages.create(**ask("a rather long text", max_tokens=2))
    assert (cut.content[0].text, cut.stop_reason) == ("a rather", "max_tokens")


async def test_count_tokens_counts_what_would_be_billed(client):
    fields = ask("hello", system="be brief")
    counted = await client.messages.count_tokens(**{name: fields[name] for name in ("model", "messages", "system")})
    assert counted.input_tokens == (await client.messages.create(**fields)).usage.input_tokens


async def test_models(provider, client):
    assert [model.id async for model in client.models.list()] == list(provider.models)


async def test_a_batch_gives_a_result_for_each_request_at_half_price(provider, client):
    requests = [
        {"custom_id": "good", "params": ask("four")},
        {"custom_id": "bad", "params": ask("x", model="claude-none")},
    ]
    made = await client.messages.batches.create(requests=requests)
    assert made.processing_status == "in_progress"
    assert (await client.messages.batches.retrieve(made.id)).processing_status == "ended"
    results = {result.custom_id: result.result async for result in await client.messages.batches.results(made.id)}
    assert results["good"].message.content[0].text == "four"
    assert results["bad"].error.error.type == "not_found_error"
    assert [(item.tier, item.amount) for item in provider.invoice().items] == [("batch", 2_500)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra_body": {"foo": 1}}, "foo: Extra inputs are not permitted"),
        ({"extra_body": {"temperature": "hot"}}, "temperature: Input should be a valid number"),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, "`max_tokens` must be greater than"),
        ({"tools": [{"name": "f", "input_schema": {"type": "array"}}]}, "tools.0.custom.input_schema.type"),
    ],
)
async def test_a_wrong_request_is_refused_as_anthropic_does(client, change, message):
    with pytest.raises(anthropic.BadRequestError) as raised:
        await client.messages.create(**(ask("x") | change))
    assert raised.value.body["error"]["message"].startswith(message)


async def test_max_tokens_and_version_are_required(provider, client):
    body = ask("x")
    del body["max_tokens"]
    with pytest.raises(anthropic.BadRequestError, match="max_tokens: Field required"):
        await client.post("/v1/messages", body=body, cast_to=object)
    without = {"anthropic-version": anthropic.Omit()}
    with pytest.raises(anthropic.BadRequestError, match="anthropic-version: header is required"):
        await client.messages.create(**ask("x"), extra_headers=without)
    with pytest.raises(anthropic.NotFoundError, match="model: claude-none"):
        await client.messages.create(**ask("x", model="claude-none"))


async def test_a_wrong_key_is_401(provider):
    async with anthropic.AsyncAnthropic(api_key="sk-wrong", base_url=provider.base_url) as client:
        with pytest.raises(anthropic.AuthenticationError, match="invalid x-api-key"):
            await client.messages.create(**ask("x"))


async def test_an_overload_within_a_stream_is_an_error_event(provider, client):
    provider.faults.add(Fault.error_event(at=4))
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        async with client.messages.stream(**ask("one two three")) as stream:
            await stream.get_final_message()


async def test_529_and_rate_limit_headers(provider, client):
    with provider.faults.on(Fault.status(529)), pytest.raises(anthropic.APIStatusError) as raised:
        await client.messages.create(**ask("x"))
    assert (raised.value.status_code, raised.value.body["error"]["type"]) == (529, "overloaded_error")
    raw = await client.messages.with_raw_response.create(**ask("x"))
    assert raw.headers["anthropic-ratelimit-requests-remaining"] == "3998"
    assert raw.headers["request-id"].startswith("req_")
