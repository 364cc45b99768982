"""The responses API's events as the OpenAI SDK sees them."""

import pytest

WEATHER = {
    "type": "function",
    "name": "weather",
    "strict": True,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def test_events_are_numbered_and_come_in_openais_order(openai_client):
    events = list(openai_client.responses.create(model="echo", input="Hello", stream=True))
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


@pytest.mark.parametrize("options", [{"model": "think"}, {"model": "think", "reasoning": {"summary": "auto"}}, {"model": "tools"}])
def test_streamed_items_are_those_of_the_final_response(openai_client, options):
    tools = [WEATHER, {**WEATHER, "name": "more"}]
    events = list(openai_client.responses.create(input="Hi", tools=tools, stream=True, **options))
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert done == events[-1].response.output
    with openai_client.responses.stream(input="Hi", tools=tools, **options) as stream:
        assert [item.type for item in stream.get_final_response().output] == [item.type for item in done]
