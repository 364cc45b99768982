"""The response object as the OpenAI SDK sees it."""

import pytest


def test_reasoning_shows_a_summary_only_to_those_who_ask(openai_client):
    silent = openai_client.responses.create(model="think", input="Hi")
    shown = openai_client.responses.create(model="think", input="Hi", reasoning={"summary": "auto"})
    assert silent.output[0].type == shown.output[0].type == "reasoning"
    assert silent.output[0].summary == []
    assert shown.output[0].summary[0].text.startswith("The user wrote 2 characters.")
    assert shown.usage.output_tokens_details.reasoning_tokens > 0


@pytest.mark.parametrize("stream", [False, True])
def test_token_limit_leaves_the_response_incomplete(openai_client, stream):
    given = openai_client.responses.create(model="lorem", input="Go", max_output_tokens=16, stream=stream)
    response = list(given)[-1].response if stream else given
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.usage.output_tokens == 16
