"""The simulated OpenAI, driven by the real SDK."""

from __future__ import annotations

import base64
import struct

import openai
import pytest

from weighbridge.core.terms import Usage
from weighbridge.testing import Fault, SimulatedOpenAI

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}},
            "required": ["city"],
        },
    },
}
TIME = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture
async def provider():
    async with SimulatedOpenAI(keys=("sk-sim-1",)) as provider:
        yield provider


@pytest.fixture
async def client(provider):
    async with openai.AsyncOpenAI(api_key="sk-sim-1", base_url=provider.base_url, max_retries=0) as client:
        yield client


def ask(text, **fields):
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]} | fields


async def test_a_chat_echoes_and_bills_a_token_for_four_bytes(provider, client):
    reply = await client.chat.completions.create(**ask("twelve bytes"))
    assert reply.choices[0].message.content == "twelve bytes"
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (3, 3)
    await provider.journal.until(lambda journal: journal.finished == 1)
    (item,) = provider.invoice().items
    assert (item.request, item.endpoint, item.usage) == (1, "chat.completions", Usage(input=3, output=3))
    assert provider.invoice().total == 3 * 1_000 + 3 * 4_000


async def test_equal_requests_get_equal_bytes(provider, client):
    for _ in range(2):
        await client.chat.completions.create(**ask("again"))
    first, second = provider.journal.entries
    assert first.reply.sha256 == second.reply.sha256


async def test_a_stream_has_usage_only_when_asked_for_and_null_before(provider, client):
    plain = [chunk async for chunk in await client.chat.completions.create(**ask("one two"), stream=True)]
    assert [chunk.choices[0].delta.content for chunk in plain] == ["", "one", " two", None]
    asked = ask("one two", stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in await client.chat.completions.create(**asked)]
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 2
    await provider.journal.until(lambda journal: journal.finished == 2)
    assert b'"usage"' not in provider.journal.entries[0].reply.body
    assert provider.journal.last.reply.body.count(b'"usage":null') == 4
    assert provider.journal.last.reply.body.endswith(b"data: [DONE]\n\n")


async def test_tools_are_called_in_parallel_when_the_user_says_so(client):
    reply = await client.chat.completions.create(**ask("call get_weather and call get_time", tools=[WEATHER, TIME]))
    calls = reply.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    assert calls[0].function.arguments == '{"city":"call get_weather and call get_time","unit":"celsius"}'
    assert reply.choices[0].finish_reason == "tool_calls"


async def test_a_streamed_tool_call_is_the_whole_one_in_pieces(client):
    asked = ask("call get_weather", tools=[WEATHER])
    whole = (await client.chat.completions.create(**asked)).choices[0].message.tool_calls[0].function.arguments
    pieces = [
        chunk.choices[0].delta.tool_calls[0].function.arguments
        async for chunk in await client.chat.completions.create(**asked, stream=True)
        if chunk.choices[0].delta.tool_calls
    ]
    assert len(pieces) > 2
    assert "".join(pieces) == whole


async def test_structured_output_satisfies_the_schema(client):
    schema = {"type": "object", "properties": {"name": {"type": "string"}, "ages": {"type": "array", "items": {"type": "integer"}}}}
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    reply = await client.chat.completions.create(**ask("Ada", response_format=form))
    assert reply.choices[0].message.content == '{"name":"Ada","ages":[1]}'


async def test_several_choices_stop_and_length(client):
    several = await client.chat.completions.create(**ask("stop here please", n=2, stop=[" here"]))
    assert [choice.message.content for choice in several.choices] == ["stop", "stop"]
    assert several.usage.completion_tokens == 2
    short = await client.chat.completions.create(**ask("a rather long text", max_completion_tokens=2))
    assert (short.choices[0].message.content, short.choices[0].finish_reason) == ("a rather", "length")


async def test_a_long_prompt_is_read_from_the_cache_the_second_time(client):
    cached = [
        (await client.chat.completions.create(**ask("x" * 8192, max_tokens=1))).usage.prompt_tokens_details.cached_tokens
        for _ in range(2)
    ]
    assert cached == [0, 2048]


async def test_logprobs_and_reasoning(client):
    reply = await client.chat.completions.create(**ask("hm", logprobs=True, top_logprobs=1, reasoning_effort="low"))
    assert reply.choices[0].logprobs.content[0].token == "hm"
    assert reply.usage.completion_tokens_details.reasoning_tokens > 0


@pytest.mark.parametrize(
    ("change", "error", "param"),
    [
        ({"model": "gpt-nope"}, openai.NotFoundError, None),
        ({"temperature": 3}, openai.BadRequestError, "temperature"),
        ({"n": "two"}, openai.BadRequestError, "n"),
        ({"messages": []}, openai.BadRequestError, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, openai.BadRequestError, "messages[0].role"),
        ({"extra_body": {"foo": 1}}, openai.BadRequestError, "foo"),
        ({"stream_options": {"include_usage": True}}, openai.BadRequestError, "stream_options"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}]},
            openai.BadRequestError,
            "tools[0].function.parameters",
        ),
    ],
)
async def test_a_wrong_request_is_refused_as_openai_does(provider, client, change, error, param):
    with pytest.raises(error) as raised:
        await client.chat.completions.create(**(ask("x") | change))
    assert raised.value.param == param
    assert provider.invoice().items == ()


async def test_undocumented_fields_can_be_recorded_instead():
    async with (
        SimulatedOpenAI(unknown_fields="record") as provider,
        openai.AsyncOpenAI(api_key="sk-sim-1", base_url=provider.base_url) as client,
    ):
        await client.chat.completions.create(**ask("x", extra_body={"foo": 1}))
        assert provider.journal.unknown_fields == [(1, "foo")]


async def test_a_wrong_key_is_401_and_masked(provider):
    async with openai.AsyncOpenAI(api_key="sk-wrong-key-123456", base_url=provider.base_url) as client:
        with pytest.raises(openai.AuthenticationError) as raised:
            await client.models.list()
    assert raised.value.code == "invalid_api_key"
    assert "wrong-key" not in raised.value.message


async def test_legacy_completions(client):
    reply = await client.completions.create(model="gpt-3.5-turbo-instruct", prompt=["one two", "three"], n=2)
    assert [choice.text for choice in reply.choices] == ["one two", "one two", "three", "three"]
    stream = await client.completions.create(
        model="gpt-3.5-turbo-instruct", prompt="one two", stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].text for chunk in chunks[:-1]) == "one two"
    assert chunks[-1].usage.completion_tokens == 2


async def test_embeddings_are_the_same_as_floats_and_in_base64(client):
    floats = await client.embeddings.create(model="text-embedding-3-small", input=["a", "b"], encoding_format="float")
    packed = await client.embeddings.create(model="text-embedding-3-small", input="a", encoding_format="base64")
    raw = base64.b64decode(packed.data[0].embedding)
    assert list(struct.unpack(f"<{len(raw) // 4}f", raw)) == floats.data[0].embedding
    assert floats.data[0].embedding != floats.data[1].embedding
    assert floats.usage.prompt_tokens == 2


async def test_models_and_moderations(provider, client):
    assert [model.id async for model in client.models.list()] == list(provider.models)
    assert (await client.models.retrieve("gpt-4.1")).id == "gpt-4.1"
    judged = await client.moderations.create(input=["hello", "kill it"])
    assert [result.flagged for result in judged.results] == [False, True]


async def test_images_and_speech_and_transcription(provider, client):
    image = await client.images.generate(model="gpt-image-1", prompt="a gate")
    assert base64.b64decode(image.data[0].b64_json).startswith(b"\x89PNG")
    async with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", input="some words to say", voice="alloy"
    ) as speech:
        audio = b"".join([piece async for piece in speech.iter_bytes()])
    assert len(audio) == 5 * 20 * 100
    heard = await client.audio.transcriptions.create(model="whisper-1", file=("speech.mp3", audio))
    assert heard.text.startswith("speech.mp3 ")
    await provider.journal.until(lambda journal: journal.finished == 3)
    assert [item.endpoint for item in provider.invoice().items] == [
        "images.generations",
        "audio.speech",
        "audio.transcriptions",
    ]


async def test_paths_and_methods_are_checked(provider, client):
    with pytest.raises(openai.NotFoundError):
        await client.get("/nonsense", cast_to=object)
    with pytest.raises(openai.APIStatusError) as raised:
        await client.get("/chat/completions", cast_to=object)
    assert raised.value.status_code == 405


async def test_headers_say_request_id_and_what_is_left(client):
    raw = await client.chat.completions.with_raw_response.create(**ask("x"))
    assert raw.headers["x-ratelimit-remaining-requests"] == "9999"
    assert raw.headers["openai-processing-ms"]
    assert raw.request_id.startswith("req_")


async def test_rate_limits_raise_the_sdks_error_and_say_when(provider, client):
    provider.faults.add(Fault.status(429, retry_after=2, retry_after_ms=1500), times=1)
    with pytest.raises(openai.RateLimitError) as raised:
        await client.chat.completions.create(**ask("x"))
    assert raised.value.response.headers["retry-after"] == "2"
    assert raised.value.response.headers["retry-after-ms"] == "1500"
    await client.chat.completions.create(**ask("x"))
