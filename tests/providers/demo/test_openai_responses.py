"""The responses API as the OpenAI SDK sees it."""

import openai
import pytest
from pydantic import BaseModel

WEATHER = {
    "type": "function",
    "name": "weather",
    "strict": True,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Point(BaseModel):
    x: int
    y: float | None


def test_echo_repeats_a_plain_input(openai_client):
    response = openai_client.responses.create(model="echo", input="Hello, demo!", instructions="Repeat.")
    assert response.output_text == "Hello, demo!"
    assert response.status == "completed"
    assert response.instructions == "Repeat."
    assert response.usage.output_tokens == 3
    assert response.usage.total_tokens == response.usage.input_tokens + 3


def test_tools_are_called_and_their_outputs_quoted(openai_client):
    first = openai_client.responses.create(model="tools", input="Weather?", tools=[WEATHER])
    call = first.output[0]
    assert (call.type, call.name, call.arguments) == ("function_call", "weather", '{"city":"demo"}')
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    turns = [{"role": "user", "content": "Weather?"}, call, output]
    second = openai_client.responses.create(model="tools", input=turns, tools=[WEATHER])
    assert second.output_text == "The tools answered: sunny"


def test_structured_output_parses_into_the_callers_type(openai_client):
    response = openai_client.responses.parse(model="echo", input="Where?", text_format=Point)
    assert response.output_parsed == Point(x=0, y=0)


def test_previous_responses_are_not_kept(openai_client):
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client.responses.create(model="echo", input="Hi", previous_response_id="resp_1")
    assert caught.value.code == "previous_response_not_found"


def test_input_tokens_are_those_that_the_response_reports(openai_client):
    counted = openai_client.responses.input_tokens.count(model="echo", input="Hello, demo!", tools=[WEATHER])
    response = openai_client.responses.create(model="echo", input="Hello, demo!", tools=[WEATHER])
    assert counted.input_tokens == response.usage.input_tokens


def test_errors_raise_the_sdks_exception(openai_client):
    with pytest.raises(openai.RateLimitError):
        openai_client.responses.create(model="error", input="429", stream=True)
