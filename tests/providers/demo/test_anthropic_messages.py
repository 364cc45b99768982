"""Messages as the Anthropic SDK sees them."""

import json

import pytest
from pydantic import BaseModel

USER = [{"role": "user", "content": "Hello, demo!"}]
WEATHER = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CLOCK = {"name": "clock", "input_schema": {"type": "object"}}


class Trip(BaseModel):
    city: str
    days: int


def create(client, **options):
    return client.messages.create(**{"model": "echo", "max_tokens": 1000, "messages": USER, **options})


def test_echo_repeats_the_last_user_text(anthropic_client):
    reply = create(anthropic_client)
    assert [block.text for block in reply.content] == ["Hello, demo!"]
    assert (reply.stop_reason, reply.stop_sequence) == ("end_turn", None)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (6, 3)


def test_events_come_in_anthropics_order(anthropic_client, anthropic_transport):
    create(anthropic_client, stream=True).close()
    names = [chunk.data.split(b"\n")[0].removeprefix(b"event: ").decode() for chunk in anthropic_transport.replies[0].chunks]
    assert names == [
        "message_start",
        "content_block_start",
        "ping",
        *["content_block_delta"] * 3,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


@pytest.mark.parametrize("options", [{}, {"model": "think"}, {"model": "tools", "tools": [WEATHER, CLOCK]}, {"max_tokens": 2}])
def test_streamed_message_is_the_whole_message(anthropic_client, options):
    whole = create(anthropic_client, **options)
    with anthropic_client.messages.stream(**{"model": "echo", "max_tokens": 1000, "messages": USER, **options}) as stream:
        streamed = stream.get_final_message()
    assert [_without_identity(block) for block in streamed.content] == [_without_identity(block) for block in whole.content]
    assert (streamed.stop_reason, streamed.usage) == (whole.stop_reason, whole.usage)


def _without_identity(block):
    return {key: value for key, value in block.to_dict().items() if key not in {"id", "signature", "parsed_output"}}


def test_thinking_is_signed_and_comes_first(anthropic_client):
    thinking, text = create(anthropic_client, model="think", thinking={"type": "enabled", "budget_tokens": 1024}).content
    assert thinking.type == "thinking"
    assert thinking.signature
    assert text.text == "Hello, demo!"


def test_thinking_can_be_switched_off_or_hidden(anthropic_client):
    off = create(anthropic_client, model="think", thinking={"type": "disabled"})
    hidden = create(anthropic_client, model="think", thinking={"type": "adaptive", "display": "omitted"})
    assert [block.type for block in off.content] == ["text"]
    assert hidden.content[0].thinking == ""
    assert hidden.usage.output_tokens > off.usage.output_tokens


def test_tools_model_calls_every_tool_and_then_quotes_the_results(anthropic_client):
    first = create(anthropic_client, model="tools", tools=[WEATHER, CLOCK])
    assert first.stop_reason == "tool_use"
    assert [(block.name, block.input) for block in first.content] == [("weather", {"city": "demo"}), ("clock", {})]
    results = [{"type": "tool_result", "tool_use_id": block.id, "content": f"{block.name} ok"} for block in first.content]
    turns = [*USER, {"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
    second = create(anthropic_client, model="tools", tools=[WEATHER, CLOCK], messages=turns)
    assert second.content[0].text == "The tools answered: weather ok; clock ok"


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ({"type": "none"}, []),
        ({"type": "any"}, ["weather", "clock"]),
        ({"type": "any", "disable_parallel_tool_use": True}, ["weather"]),
        ({"type": "tool", "name": "clock"}, ["clock"]),
    ],
)
def test_tool_choice_is_obeyed_by_any_model(anthropic_client, choice, names):
    reply = create(anthropic_client, tools=[WEATHER, CLOCK], tool_choice=choice)
    assert [block.name for block in reply.content if block.type == "tool_use"] == names


def test_structured_output_parses_into_the_callers_type(anthropic_client):
    reply = anthropic_client.messages.parse(model="echo", max_tokens=100, messages=USER, output_format=Trip)
    assert reply.parsed_output == Trip(city="demo", days=0)


def test_token_limit_and_stop_sequence_end_the_message(anthropic_client):
    assert create(anthropic_client, model="lorem", max_tokens=5).stop_reason == "max_tokens"
    stopped = create(anthropic_client, stop_sequences=["zzz", ","])
    assert (stopped.content[0].text, stopped.stop_reason, stopped.stop_sequence) == ("Hello", "stop_sequence", ",")


def test_last_usage_of_a_stream_is_cumulative(anthropic_client, anthropic_transport):
    create(anthropic_client, stream=True).close()
    delta = next(chunk.data for chunk in anthropic_transport.replies[0].chunks if chunk.data.startswith(b"event: message_delta"))
    usage = json.loads(delta.split(b"data: ")[1])["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (6, 3)
