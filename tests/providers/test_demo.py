"""What holds for the demo provider in every dialect."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.terms import Dialect
from weighbridge.providers.demo import DemoRequest, respond

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PATHS = {
    Dialect.OPENAI: ("/chat/completions", "/completions", "/responses", "/embeddings", "/moderations", "/models/"),
    Dialect.ANTHROPIC: ("/messages", "/messages/count_tokens"),
    Dialect.GEMINI: ("/models/echo:generateContent", "/models/embed:batchEmbedContents", "/models/:"),
}
FIELDS = ("messages", "input", "prompt", "contents", "tools", "tool_choice", "response_format", "metadata", "requests", "stop")


def ask(dialect, path, body, *, number=1):
    request = DemoRequest(method="POST", path=path, query="", headers=(), body=body, dialect=dialect)
    return respond(request, now_s=1, request_number=number)


BODIES = [
    (Dialect.OPENAI, "/chat/completions", {"model": "echo", "messages": [{"role": "user", "content": "Hi"}]}),
    (Dialect.OPENAI, "/responses", {"model": "think", "input": "Hi", "stream": True}),
    (Dialect.ANTHROPIC, "/messages", {"model": "think", "max_tokens": 99, "messages": [{"role": "user", "content": "Hi"}]}),
    (Dialect.GEMINI, "/models/think:generateContent", {"contents": [{"parts": [{"text": "Hi"}]}]}),
]


@pytest.mark.parametrize(("dialect", "path", "body"), BODIES)
def test_equal_requests_get_equal_replies_and_other_numbers_other_ids(dialect, path, body):
    raw = encode_json(body)
    first = ask(dialect, path, raw)
    assert first.status == 200
    assert first == ask(dialect, path, raw)
    assert first.chunks != ask(dialect, path, raw, number=2).chunks


@given(st.sampled_from(list(PATHS)), st.data())
def test_any_body_gets_an_answer_or_the_vendors_error(dialect, data):
    path = data.draw(st.sampled_from(PATHS[dialect]))
    fields = data.draw(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4))
    body = encode_json({"model": "tools", "max_tokens": 5, **fields})
    reply = ask(dialect, path, data.draw(st.just(body) | st.binary(max_size=20)))
    assert reply.status in {200, 400, 404, 405}
    if reply.status != 200:
        assert "error" in decode_json(reply.chunks[0].data)
