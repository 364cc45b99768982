"""The Anthropic SDK through the gateway, with nothing but its base URL and key changed."""

from __future__ import annotations

import anthropic
import pydantic
import pytest

from weighbridge.core.codec import decode_json
from weighbridge.testing import Fault

WEATHER = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
TIME = {"name": "get_time", "input_schema": {"type": "object", "properties": {}}}


@pytest.fixture
async def client(gateway, anthropic_provider, keys):
    async with anthropic.AsyncAnthropic(api_key=keys.app, base_url=gateway.base_url, max_retries=0) as client:
        yield client


def ask(text, **fields):
    return {"model": "claude-sonnet-5", "max_tokens": 2048, "messages": [{"role": "user", "content": text}]} | fields


# --- messages


@pytest.mark.parametrize("model", ["claude-sonnet-5", "anthropic/claude-sonnet-5", "clever"])
async def test_a_message_reaches_the_model_by_its_name_with_its_provider_and_by_a_route(client, anthropic_provider, model):
    reply = await client.messages.create(**ask("hello out there", model=model))
    assert reply.content[0].text == "hello out there"
    assert (reply.stop_reason, reply.usage.input_tokens, reply.usage.output_tokens) == ("end_turn", 4, 4)
    assert decode_json(anthropic_provider.journal.last.request.body)["model"] == "claude-sonnet-5"


async def test_a_message_streams(client):
    async with client.messages.stream(**ask("one two three")) as stream:
        pieces = [text async for text in stream.text_stream]
        message = await stream.get_final_message()
    assert len(pieces) > 1
    assert "".join(pieces) == message.content[0].text == "one two three"
    assert message.usage.output_tokens == 4


async def test_raw_events_stream_in_the_vendors_order(client):
    events = [event.type async for event in await client.messages.create(**ask("one two"), stream=True)]
    assert (events[0], events[-1]) == ("message_start", "message_stop")
    assert events.index("content_block_start") < events.index("content_block_delta") < events.index("content_block_stop")


async def test_tools_are_called_in_parallel_whole_and_streamed(client):
    asked = ask("call get_weather and call get_time", tools=[WEATHER, TIME])
    whole = await client.messages.create(**asked)
    assert [block.name for block in whole.content if block.type == "tool_use"] == ["get_weather", "get_time"]
    assert whole.stop_reason == "tool_use"
    async with client.messages.stream(**asked) as stream:
        streamed = await stream.get_final_message()
    assert [block.input for block in streamed.content if block.type == "tool_use"] == [
        block.input for block in whole.content if block.type == "tool_use"
    ]


async def test_structured_output_is_parsed_into_the_callers_class(client):
    class Person(pydantic.BaseModel):
        name: str

    reply = await client.messages.parse(**ask("Ada"), output_format=Person)
    assert reply.parsed_output == Person(name="Ada")


async def test_thinking_comes_before_the_answer(client):
    async with client.messages.stream(**ask("hm", thinking={"type": "enabled", "budget_tokens": 1024})) as stream:
        message = await stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].signature


async def test_a_cached_prefix_is_read_the_second_time(client):
    system = [{"type": "text", "text": "journey " * 50, "cache_control": {"type": "ephemeral"}}]
    usages = [(await client.messages.create(**ask("four", system=system))).usage for _ in range(2)]
    assert [(usage.cache_creation_input_tokens, usage.cache_read_input_tokens) for usage in usages] == [(100, 0), (0, 100)]


def test_the_synchronous_client_works_alike(gateway, keys, anthropic_provider):
    with anthropic.Anthropic(api_key=keys.app, base_url=gateway.base_url, max_retries=0) as client:
        assert client.messages.create(**ask("hello")).content[0].text == "hello"
        with client.messages.stream(**ask("one two")) as stream:
            assert "".join(stream.text_stream) == "one two"


async def test_the_demo_provider_serves_the_same_sdk(client):
    reply = await client.messages.create(**ask("hello", model="demo/echo"))
    assert "hello" in reply.content[0].text


# --- other endpoints


@pytest.mark.parametrize("model", ["claude-sonnet-5", "clever"])
async def test_count_tokens_counts_what_would_be_billed(client, model):
    fields = ask("hello", system="be brief", model=model)
    counted = await client.messages.count_tokens(**{name: fields[name] for name in ("model", "messages", "system")})
    assert counted.input_tokens == (await client.messages.create(**fields)).usage.input_tokens


async def test_a_message_batch_runs_to_its_results(client):
    requests = [{"custom_id": "good", "params": ask("four")}, {"custom_id": "bad", "params": ask("x", model="claude-none")}]
    made = await client.messages.batches.create(requests=requests)
    assert (await client.messages.batches.retrieve(made.id)).processing_status == "ended"
    # The SDK follows the `results_url` of the batch, with the key it was given: to the gateway, not past it.
    lines = [line async for line in await client.messages.batches.results(made.id)]
    results = {line.custom_id: line.result.to_dict() for line in lines}
    assert results["good"]["message"]["content"][0]["text"] == "four"
    assert results["bad"]["error"]["error"]["type"] == "not_found_error"
    assert made.id in [batch.id async for batch in client.messages.batches.list()]
    assert (await client.messages.batches.delete(made.id)).id == made.id


async def test_models_are_listed_and_retrieved_in_anthropics_shape(client):
    models = {model.id: model async for model in client.models.list()}
    assert models["anthropic/claude-sonnet-5"].type == "model"
    assert (await client.models.retrieve("clever")).id == "clever"


async def test_both_of_the_ways_in_which_the_sdk_has_sent_its_key_work(gateway, keys, anthropic_provider):
    async with anthropic.AsyncAnthropic(auth_token=keys.app, base_url=gateway.base_url, max_retries=0) as client:
        assert (await client.messages.create(**ask("x"))).content[0].text == "x"
    version = {"anthropic-version": "2023-06-01", "x-api-key": keys.app}
    reply = gateway.request("POST", "/v1/messages", ask("x"), key=None, headers=version)
    assert (reply.status, decode_json(reply.body)["content"][0]["text"]) == (200, "x")


async def test_the_base_url_may_name_the_provider(gateway, keys, anthropic_provider):
    async with anthropic.AsyncAnthropic(api_key=keys.app, base_url=f"{gateway.base_url}/anthropic", max_retries=0) as client:
        assert (await client.messages.create(**ask("x"))).content[0].text == "x"
        assert [model.id async for model in client.models.list()] == list(anthropic_provider.models)


# --- headers


async def test_version_and_beta_reach_the_provider_and_its_headers_come_back(client, anthropic_provider):
    betas = {"anthropic-beta": "context-1m-2025-08-07,fine-grained-tool-streaming-2025-05-14"}
    raw = await client.messages.with_raw_response.create(**ask("x"), extra_headers=betas)
    received = anthropic_provider.journal.last.request
    assert received.header("anthropic-beta") == betas["anthropic-beta"]
    assert received.header("anthropic-version") == raw.http_request.headers["anthropic-version"]
    assert raw.headers["request-id"].startswith("req_")
    assert raw.headers["anthropic-organization-id"]
    assert int(raw.headers["anthropic-ratelimit-requests-remaining"]) < 4000
    assert raw.headers["x-weighbridge-provider"] == "anthropic"
    assert raw.headers["x-weighbridge-edits"] == "none"


# --- errors


async def test_a_wrong_and_an_expired_gateway_key_are_authentication_errors(client, keys, anthropic_provider):
    before = len(anthropic_provider.journal)
    for key in ("wb-nobody-knows-this-one", keys.expired):
        with pytest.raises(anthropic.AuthenticationError) as raised:
            await client.with_options(api_key=key).messages.create(**ask("x"))
        assert raised.value.body["error"]["type"] == "authentication_error"
        assert key not in str(raised.value)
    assert len(anthropic_provider.journal) == before


async def test_a_model_that_the_key_may_not_use_is_a_permission_error(client, keys):
    with pytest.raises(anthropic.PermissionDeniedError) as raised:
        await client.with_options(api_key=keys.narrow).messages.create(**ask("x"))
    assert raised.value.body["error"]["type"] == "permission_error"


@pytest.mark.parametrize("model", ["anthropic/claude-none", "claude-none", "nobody/claude-none"])
async def test_an_unknown_model_is_not_found_whoever_says_so(client, model):
    with pytest.raises(anthropic.NotFoundError) as raised:
        await client.messages.create(**ask("x", model=model))
    assert raised.value.body["error"]["type"] == "not_found_error"


async def test_a_provider_of_another_dialect_answers_as_this_one_does(client, openai_provider):
    reply = await client.messages.create(**ask("hello out there", model="openai/gpt-4.1"))
    assert (reply.content[0].text, reply.stop_reason) == ("hello out there", "end_turn")
    assert openai_provider.journal.last.request.path == "/v1/responses"


async def test_a_refusal_of_the_provider_arrives_word_for_word(client, anthropic_provider):
    with pytest.raises(anthropic.BadRequestError, match="temperature: Input should be a valid number") as raised:
        await client.messages.create(**ask("x", extra_body={"temperature": "hot"}))
    await anthropic_provider.journal.until(lambda journal: journal.finished == len(journal))
    assert raised.value.response.content == anthropic_provider.journal.last.reply.body


async def test_a_rate_limit_says_when_to_come_back(client, anthropic_provider):
    anthropic_provider.faults.add(Fault.status(429, retry_after=7), times=1)
    with pytest.raises(anthropic.RateLimitError) as raised:
        await client.messages.create(**ask("x"))
    assert raised.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (401, "authentication_error", anthropic.AuthenticationError),
        (403, "permission_error", anthropic.PermissionDeniedError),
        (413, "request_too_large", anthropic.RequestTooLargeError),
        (500, "api_error", anthropic.InternalServerError),
        (504, "timeout_error", anthropic.DeadlineExceededError),
        (529, "overloaded_error", anthropic.OverloadedError),
    ],
)
async def test_a_failure_of_the_provider_raises_the_sdks_class_for_it(client, anthropic_provider, status, kind, error):
    anthropic_provider.faults.add(Fault.status(status), times=1)
    with pytest.raises(error) as raised:
        await client.messages.create(**ask("x"))
    assert (raised.value.status_code, raised.value.body["error"]["type"]) == (status, kind)


async def test_the_sdks_own_retries_work_through_the_gateway(client, anthropic_provider):
    anthropic_provider.faults.add(Fault.status(529, retry_after_ms=1), times=2)
    reply = await client.with_options(max_retries=2).messages.create(**ask("x"))
    assert reply.content[0].text == "x"


async def test_an_overload_within_a_stream_is_the_sdks_error(client, anthropic_provider):
    anthropic_provider.faults.add(Fault.error_event(at=4))
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        async with client.messages.stream(**ask("one two three")) as stream:
            await stream.get_final_message()


async def test_refusals_of_the_gateway_are_in_anthropics_words(client):
    json_headers = {"content-type": "application/json"}
    with pytest.raises(anthropic.BadRequestError) as raised:
        await client.post("/v1/messages", content=b'{"model": ', cast_to=object, options={"headers": json_headers})
    assert raised.value.body["error"]["type"] == "invalid_request_error"
    assert raised.value.body["request_id"] == raised.value.response.headers["x-weighbridge-request-id"]
    with pytest.raises(anthropic.NotFoundError):
        await client.get("/v1/no/such/path", cast_to=object)
