"""Legacy completions as the OpenAI SDK sees them."""


def test_each_prompt_gets_its_choices(openai_client):
    reply = openai_client.completions.create(model="echo", prompt=["one", "two"], n=2)
    assert [choice.text for choice in reply.choices] == ["one", "one", "two", "two"]
    assert reply.usage.prompt_tokens == 2
    assert reply.usage.completion_tokens == 4


def test_sixteen_tokens_are_the_default_limit(openai_client):
    reply = openai_client.completions.create(model="lorem", prompt="Go")
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage.completion_tokens == 16


def test_stream_ends_with_usage_where_it_was_asked_for(openai_client):
    options = {"include_usage": True}
    chunks = list(openai_client.completions.create(model="echo", prompt="Hello", stream=True, stream_options=options))
    assert "".join(chunk.choices[0].text for chunk in chunks[:-1]) == "Hello"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 2


def test_prompts_of_token_ids_are_accepted(openai_client):
    reply = openai_client.completions.create(model="echo", prompt=[1, 2, 3])
    assert reply.choices[0].text == "[1,2,3]"
