"""What Anthropic's requests cost as input."""

USER = [{"role": "user", "content": "Hello, demo!"}]


def test_cache_marks_move_tokens_from_input_to_cache_creation(anthropic_client):
    system = [
        {"type": "text", "text": "a" * 40, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "b" * 20, "cache_control": {"type": "ephemeral"}},
    ]
    usage = anthropic_client.messages.create(model="echo", max_tokens=9, messages=USER, system=system).usage
    assert usage.cache_creation.ephemeral_1h_input_tokens == 10
    assert usage.cache_creation.ephemeral_5m_input_tokens == 5
    assert usage.cache_creation_input_tokens == 15
    assert usage.cache_read_input_tokens == 0
    assert usage.input_tokens == 6


def test_mark_in_a_message_covers_tools_and_system_too(anthropic_client):
    marked = {"type": "text", "text": "a" * 40, "cache_control": {"type": "ephemeral"}}
    tools = [{"name": "clock", "input_schema": {"type": "object"}}]
    messages = [{"role": "user", "content": [marked, {"type": "text", "text": "now"}]}]
    options = {"model": "echo", "messages": messages, "system": "Be brief.", "tools": tools}
    usage = anthropic_client.messages.create(max_tokens=9, **options).usage
    assert usage.input_tokens == 1
    total = anthropic_client.messages.count_tokens(**options).input_tokens
    assert usage.cache_creation_input_tokens == total - 1


def test_tool_results_and_images_cost_tokens(anthropic_client):
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "12345"}, image]}
    counted = anthropic_client.messages.count_tokens(model="echo", messages=[{"role": "user", "content": [result]}])
    assert counted.input_tokens == 3 + 2 + 256
