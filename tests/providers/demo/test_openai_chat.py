"""Chat completions as the OpenAI SDK sees them."""

import json

import openai
import pytest
from pydantic import BaseModel

USER = [{"role": "user", "content": "Hello, demo!"}]


def tool(name, parameters=None):
    return {"type": "function", "function": {"name": name, "description": "x", "parameters": parameters or {"type": "object"}}}


WEATHER = tool(
    "weather",
    {"type": "object", "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}}, "required": ["city", "unit"]},
)


class Person(BaseModel):
    name: str
    age: int
    friends: list["Person"]


def sse_payloads(reply):
    return [chunk.data.removeprefix(b"data: ").strip() for chunk in reply.chunks]


def test_echo_repeats_the_last_user_text(openai_client):
    reply = openai_client.chat.completions.create(model="echo", messages=[{"role": "system", "content": "x"}, *USER])
    assert reply.choices[0].message.content == "Hello, demo!"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.id.startswith("chatcmpl-")


def test_a_token_is_four_characters(openai_client):
    usage = openai_client.chat.completions.create(model="echo", messages=USER).usage
    # Three tokens for the message besides its text.
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (3 + 3, 3, 9)


def test_streamed_text_is_the_whole_text(openai_client):
    stream = openai_client.chat.completions.create(model="echo", messages=USER, stream=True)
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello, demo!"
    assert [chunk.choices[0].finish_reason for chunk in chunks][-2:] == [None, "stop"]
    assert len({chunk.id for chunk in chunks}) == 1


def test_include_usage_adds_one_chunk_and_null_to_all_others(openai_client, openai_transport):
    options = {"include_usage": True}
    list(openai_client.chat.completions.create(model="echo", messages=USER, stream=True, stream_options=options))
    *payloads, done = sse_payloads(openai_transport.replies[0])
    *others, last = [json.loads(payload) for payload in payloads]
    assert done == b"[DONE]"
    assert all(chunk["usage"] is None and chunk["choices"] for chunk in others)
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 3


def test_without_include_usage_no_chunk_mentions_usage(openai_client, openai_transport):
    list(openai_client.chat.completions.create(model="echo", messages=USER, stream=True))
    assert not any(b"usage" in payload for payload in sse_payloads(openai_transport.replies[0]))


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_token_limit_ends_with_length(openai_client, limit):
    reply = openai_client.chat.completions.create(model="lorem", messages=USER, **{limit: 2})
    assert reply.choices[0].message.content == "Lorem ip"
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage.completion_tokens == 2


@pytest.mark.parametrize("stop", [",", ["!", ","]])
def test_stop_sequence_is_left_out(openai_client, stop):
    reply = openai_client.chat.completions.create(model="echo", messages=USER, stop=stop)
    assert reply.choices[0].message.content == "Hello"
    assert reply.choices[0].finish_reason == "stop"


def test_n_gives_as_many_choices_and_charges_for_each(openai_client):
    reply = openai_client.chat.completions.create(model="echo", messages=USER, n=3)
    assert [choice.index for choice in reply.choices] == [0, 1, 2]
    assert reply.usage.completion_tokens == 9
    texts = ["", "", ""]
    for chunk in openai_client.chat.completions.create(model="echo", messages=USER, n=3, stream=True):
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert texts == ["Hello, demo!"] * 3


def test_tools_model_calls_every_tool_and_then_quotes_the_results(openai_client):
    tools = [WEATHER, tool("clock")]
    first = openai_client.chat.completions.create(model="tools", messages=USER, tools=tools)
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert [call.function.name for call in message.tool_calls] == ["weather", "clock"]
    assert json.loads(message.tool_calls[0].function.arguments) == {"city": "demo", "unit": "C"}
    results = [{"role": "tool", "tool_call_id": call.id, "content": f"{call.function.name} ok"} for call in message.tool_calls]
    second = openai_client.chat.completions.create(model="tools", messages=[*USER, message, *results], tools=tools)
    assert second.choices[0].message.content == "The tools answered: weather ok; clock ok"


def test_streamed_tool_calls_are_those_of_the_whole_reply(openai_client):
    with openai_client.chat.completions.stream(model="tools", messages=USER, tools=[WEATHER, tool("clock")]) as stream:
        message = stream.get_final_completion().choices[0].message
    assert [(call.function.name, call.function.arguments) for call in message.tool_calls] == [
        ("weather", '{"city":"demo","unit":"C"}'),
        ("clock", "{}"),
    ]
    assert len({call.id for call in message.tool_calls}) == 2


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"tool_choice": "none"}, []),
        ({"tool_choice": {"type": "function", "function": {"name": "clock"}}}, ["clock"]),
        ({"parallel_tool_calls": False}, ["weather"]),
    ],
)
def test_tool_choice_is_obeyed(openai_client, options, names):
    reply = openai_client.chat.completions.create(model="tools", messages=USER, tools=[WEATHER, tool("clock")], **options)
    assert [call.function.name for call in reply.choices[0].message.tool_calls or ()] == names


def test_any_model_calls_a_tool_that_is_required(openai_client):
    reply = openai_client.chat.completions.create(model="echo", messages=USER, tools=[WEATHER], tool_choice="required")
    assert reply.choices[0].finish_reason == "tool_calls"


def test_structured_output_parses_into_the_callers_type(openai_client):
    reply = openai_client.chat.completions.parse(model="echo", messages=USER, response_format=Person)
    assert reply.choices[0].message.parsed == Person(name="demo", age=0, friends=[])


def test_json_mode_gives_json(openai_client):
    reply = openai_client.chat.completions.create(model="echo", messages=USER, response_format={"type": "json_object"})
    assert json.loads(reply.choices[0].message.content) == {"text": "Hello, demo!"}


def test_think_reports_reasoning_tokens_within_the_output(openai_client):
    usage = openai_client.chat.completions.create(model="think", messages=USER).usage
    assert usage.completion_tokens == usage.completion_tokens_details.reasoning_tokens + 3
    assert usage.completion_tokens_details.reasoning_tokens > 10


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_error_model_raises_the_sdks_exception_for_the_status(openai_client, status, error, stream):
    messages = [{"role": "user", "content": f"please fail with {status}"}]
    with pytest.raises(error) as caught:
        openai_client.chat.completions.create(model="error", messages=messages, stream=stream)
    assert caught.value.status_code == status
    assert ("retry-after" in caught.value.response.headers) == (status in {429, 503})


def test_unknown_model_is_not_found(openai_client):
    with pytest.raises(openai.NotFoundError) as caught:
        openai_client.chat.completions.create(model="gpt-none", messages=USER)
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize("options", [{"messages": []}, {"messages": 3}, {"messages": USER, "n": 0}, {"messages": USER, "n": 9}])
def test_bad_input_is_an_invalid_request(openai_client, options):
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client.chat.completions.create(model="echo", **options)
    assert caught.value.type == "invalid_request_error"


def test_null_and_unknown_fields_are_no_matter(openai_client):
    extra = {"tools": None, "stop": None, "stream_options": None, "never_heard_of": {"a": 1}}
    assert openai_client.chat.completions.create(model="echo", messages=USER, extra_body=extra).choices


def test_images_cost_a_flat_number_of_tokens(openai_client):
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    content = [{"type": "text", "text": "look"}, image]
    reply = openai_client.chat.completions.create(model="echo", messages=[{"role": "user", "content": content}])
    assert reply.usage.prompt_tokens == 3 + 1 + 256
    assert reply.choices[0].message.content == "look"
