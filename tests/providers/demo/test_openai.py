"""Model lists, paths and errors of the OpenAI dialect."""

import openai
import pytest

from weighbridge.core.codec import decode_json
from weighbridge.core.terms import Dialect
from weighbridge.providers.demo import MODEL_NAMES, DemoRequest, respond


def ask(method, path, body=b"", headers=()):
    request = DemoRequest(method=method, path=path, query="", headers=headers, body=body, dialect=Dialect.OPENAI)
    return respond(request, now_s=1, request_number=1)


def test_models_are_listed(openai_client):
    assert [model.id for model in openai_client.models.list()] == list(MODEL_NAMES)
    assert openai_client.models.retrieve("echo-fast").id == "echo-fast"
    with pytest.raises(openai.NotFoundError):
        openai_client.models.retrieve("none")


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", "/nothing", b"{}", (), 404),
        ("GET", "/chat/completions", b"", (), 405),
        ("POST", "/chat/completions", b"{", (), 400),
        ("POST", "/chat/completions", b"\xff", (), 400),
        ("POST", "/chat/completions", b"[" * 100_000, (), 400),
        ("POST", "/chat/completions", b'{"model":"\\ud800"}', (), 400),
        ("POST", "/chat/completions", b"x", ((b"content-encoding", b"gzip"),), 415),
    ],
)
def test_bad_requests_get_openais_error_object(method, path, body, headers, status):
    reply = ask(method, path, body, headers)
    assert reply.status == status
    error = decode_json(reply.chunks[0].data)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"


def test_every_reply_names_its_request_and_whole_ones_their_length():
    reply = ask("GET", "/models")
    headers = dict(reply.headers)
    assert headers[b"x-request-id"].startswith(b"req_")
    assert int(headers[b"content-length"]) == len(reply.chunks[0].data)
