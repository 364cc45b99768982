"""Model lists, embeddings, token counts and errors as the Gemini SDK sees them."""

import math

import pytest
from google.genai import errors, types

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.terms import Dialect
from weighbridge.providers.demo import MODEL_NAMES, DemoRequest, respond


def ask(method, path, body=None, query=""):
    raw = b"" if body is None else encode_json(body)
    request = DemoRequest(method=method, path=path, query=query, headers=(), body=raw, dialect=Dialect.GEMINI)
    return respond(request, now_s=1, request_number=1)


def test_models_are_listed(gemini_client):
    assert [model.name for model in gemini_client.models.list()] == [f"models/{name}" for name in MODEL_NAMES]
    assert gemini_client.models.get(model="echo").output_token_limit == 8192


def test_a_batch_of_embeddings_honours_the_dimensions(gemini_client):
    config = types.EmbedContentConfig(output_dimensionality=8)
    first, again, other = gemini_client.models.embed_content(model="embed", contents=["a", "a", "b"], config=config).embeddings
    assert math.hypot(*first.values) == pytest.approx(1)
    assert len(first.values) == 8
    assert first.values == again.values != other.values


def test_one_embedding_can_be_asked_for_alone():
    reply = ask("POST", "/models/embed:embedContent", {"content": {"parts": [{"text": "a"}]}})
    assert len(decode_json(reply.chunks[0].data)["embedding"]["values"]) == 256


def test_counted_tokens_are_those_that_an_answer_reports(gemini_client):
    counted = gemini_client.models.count_tokens(model="echo", contents="Hello, demo!")
    reply = gemini_client.models.generate_content(model="echo", contents="Hello, demo!")
    assert counted.total_tokens == reply.usage_metadata.prompt_token_count == 6


@pytest.mark.parametrize(
    ("status", "error", "name"),
    [
        (400, errors.ClientError, "INVALID_ARGUMENT"),
        (403, errors.ClientError, "PERMISSION_DENIED"),
        (429, errors.ClientError, "RESOURCE_EXHAUSTED"),
        (500, errors.ServerError, "INTERNAL"),
        (503, errors.ServerError, "UNAVAILABLE"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_error_model_raises_the_sdks_exception_for_the_status(gemini_client, status, error, name, stream):
    models = gemini_client.models
    call = models.generate_content_stream if stream else models.generate_content
    with pytest.raises(error) as caught:
        list(call(model="error", contents=f"fail with {status}"))
    assert (caught.value.code, caught.value.status) == (status, name)


def test_rate_limit_says_when_to_come_back_in_the_body():
    body = {"contents": [{"parts": [{"text": "429"}]}]}
    error = decode_json(ask("POST", "/models/error:generateContent", body).chunks[0].data)["error"]
    assert error["details"] == [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}]


def test_failed_array_stream_is_an_array():
    body = {"contents": [{"parts": [{"text": "503"}]}]}
    assert decode_json(ask("POST", "/models/error:streamGenerateContent", body).chunks[0].data)[0]["error"]["code"] == 503


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/models/none:generateContent", 404),
        ("POST", "/models/echo:fly", 404),
        ("GET", "/models/echo:generateContent", 404),
        ("GET", "/nothing", 404),
        ("POST", "/models/echo:generateContent", 400),
        ("POST", "/models/echo:embedContent", 400),
    ],
)
def test_bad_requests_get_googles_error_object(method, path, status):
    reply = ask(method, path, {})
    assert reply.status == status
    assert set(decode_json(reply.chunks[0].data)["error"]) == {"code", "message", "status"}


def test_text_models_do_not_embed():
    assert ask("POST", "/models/echo:embedContent", {"content": {"parts": [{"text": "a"}]}}).status == 400
