"""Content generation as the Gemini SDK sees it."""

import pytest
from google.genai import types
from pydantic import BaseModel

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.terms import Dialect
from weighbridge.providers.demo import DemoRequest, respond

WEATHER = types.FunctionDeclaration(
    name="weather",
    parameters=types.Schema(
        type="OBJECT",
        properties={"city": types.Schema(type="STRING"), "days": types.Schema(type="INTEGER", minimum=2)},
        required=["city", "days"],
    ),
)
CLOCK = types.FunctionDeclaration(name="clock", parameters_json_schema={"type": "object"})
TOOLS = [types.Tool(function_declarations=[WEATHER, CLOCK])]
NO_AUTO = types.AutomaticFunctionCallingConfig(disable=True)


class Trip(BaseModel):
    city: str
    stops: list[str]


def generate(client, contents="Hello, demo!", *, model="echo", stream=False, **config):
    call = client.models.generate_content_stream if stream else client.models.generate_content
    settings = types.GenerateContentConfig(automatic_function_calling=NO_AUTO, **config)
    given = call(model=model, contents=contents, config=settings)
    return list(given) if stream else given


def test_echo_repeats_the_last_user_text(gemini_client):
    reply = generate(gemini_client, system_instruction="Repeat.")
    assert reply.text == "Hello, demo!"
    assert reply.candidates[0].finish_reason == types.FinishReason.STOP
    usage = reply.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (11, 3, 14)


def test_every_chunk_of_a_stream_has_usage_and_the_last_one_the_reason(gemini_client):
    chunks = generate(gemini_client, stream=True)
    assert "".join(chunk.text for chunk in chunks) == "Hello, demo!"
    assert [chunk.usage_metadata.candidates_token_count for chunk in chunks] == [1, 2, 3]
    assert [chunk.candidates[0].finish_reason for chunk in chunks] == [None, None, types.FinishReason.STOP]


def test_without_alt_sse_a_stream_is_a_json_array():
    body = encode_json({"contents": [{"parts": [{"text": "Hello, demo!"}]}]})
    path = "/models/echo:streamGenerateContent"
    request = DemoRequest(method="POST", path=path, query="", headers=(), body=body, dialect=Dialect.GEMINI)
    chunks = respond(request, now_s=1, request_number=1).chunks
    parts = [item["candidates"][0]["content"]["parts"] for item in decode_json(b"".join(chunk.data for chunk in chunks))]
    assert parts == [[{"text": "Hell"}], [{"text": "o, d"}], [{"text": "emo!"}]]


@pytest.mark.parametrize("shown", [False, True])
def test_thoughts_are_counted_apart_and_shown_on_demand(gemini_client, shown):
    config = {"thinking_config": types.ThinkingConfig(include_thoughts=shown)}
    whole = generate(gemini_client, model="think", **config)
    chunks = generate(gemini_client, model="think", stream=True, **config)
    assert [part.thought or False for part in whole.candidates[0].content.parts] == ([True, False] if shown else [False])
    usage = whole.usage_metadata
    assert usage.thoughts_token_count > 10
    assert usage.candidates_token_count == 3
    assert usage.total_token_count == usage.prompt_token_count + usage.thoughts_token_count + 3
    assert chunks[-1].usage_metadata == usage
    assert any(part.thought for chunk in chunks for part in chunk.candidates[0].content.parts) == shown


@pytest.mark.parametrize("stream", [False, True])
def test_tools_model_calls_every_function(gemini_client, stream):
    given = generate(gemini_client, model="tools", tools=TOOLS, stream=stream)
    calls = given[-1].function_calls if stream else given.function_calls
    assert [(call.name, call.args) for call in calls] == [("weather", {"city": "demo", "days": 2}), ("clock", {})]
    assert len({call.id for call in calls}) == 2


def test_results_of_functions_are_quoted(gemini_client):
    call = generate(gemini_client, model="tools", tools=TOOLS).candidates[0].content
    result = types.Part.from_function_response(name="weather", response={"result": "sunny"})
    turns = [types.UserContent("Weather?"), call, types.Content(role="user", parts=[result])]
    reply = generate(gemini_client, turns, model="tools", tools=TOOLS)
    assert reply.text == 'The tools answered: {"result":"sunny"}'


def test_calling_mode_is_obeyed_by_any_model(gemini_client):
    only = types.FunctionCallingConfig(mode="ANY", allowed_function_names=["clock"])
    forced = generate(gemini_client, tools=TOOLS, tool_config=types.ToolConfig(function_calling_config=only))
    never = types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode="NONE"))
    assert [call.name for call in forced.function_calls] == ["clock"]
    assert generate(gemini_client, model="tools", tools=TOOLS, tool_config=never).function_calls is None


@pytest.mark.parametrize("schema", [{"response_schema": Trip}, {"response_json_schema": Trip.model_json_schema()}])
def test_structured_output_satisfies_the_schema(gemini_client, schema):
    reply = generate(gemini_client, response_mime_type="application/json", **schema)
    assert Trip.model_validate_json(reply.text) == Trip(city="demo", stops=[])


@pytest.mark.parametrize("stream", [False, True])
def test_token_limit_ends_with_max_tokens(gemini_client, stream):
    given = generate(gemini_client, model="lorem", max_output_tokens=4, stream=stream)
    last = given[-1] if stream else given
    assert last.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    assert last.usage_metadata.candidates_token_count == 4


def test_stop_sequence_is_left_out(gemini_client):
    assert generate(gemini_client, stop_sequences=[","]).text == "Hello"


def test_candidates_are_as_many_as_asked_and_all_charged(gemini_client):
    reply = generate(gemini_client, candidate_count=2)
    assert [candidate.index for candidate in reply.candidates] == [0, 1]
    assert reply.usage_metadata.candidates_token_count == 6
