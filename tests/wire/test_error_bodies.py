from __future__ import annotations

import importlib
import json
from types import ModuleType

import anthropic
import httpx
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Dialect, Endpoint, Operation
from weighbridge.wire.error_bodies import error_headers, render_error, render_stream_error

# The Anthropic SDK moved to httpx2, the successor of httpx; the other two take httpx.
ANTHROPIC_HTTPX = importlib.import_module(anthropic.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0])
MESSAGES = [{"role": "user", "content": "hi"}]
KINDS = list(ErrorKind)


def refusing(error: GatewayError, dialect: Dialect, http: ModuleType = httpx) -> httpx.Client:
    def answer(request: object) -> httpx.Response:
        return http.Response(error.status, headers=error_headers(error), content=render_error(error, dialect, "req_1"))

    return http.Client(transport=http.MockTransport(answer))


def streaming(error: GatewayError, endpoint: Endpoint, http: ModuleType = httpx) -> httpx.Client:
    body = render_stream_error(error, endpoint, "req_1")
    headers = {"content-type": "text/event-stream"}
    return http.Client(transport=http.MockTransport(lambda request: http.Response(200, headers=headers, content=body)))


def openai_client(http: httpx.Client) -> openai.OpenAI:
    return openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=http, max_retries=0)


def anthropic_client(http: httpx.Client) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key="k", base_url="http://gateway", http_client=http, max_retries=0)


@pytest.mark.parametrize(
    ("kind", "expected", "code"),
    [
        (ErrorKind.INVALID_REQUEST, openai.BadRequestError, "invalid_request"),
        (ErrorKind.AUTHENTICATION, openai.AuthenticationError, "invalid_api_key"),
        (ErrorKind.PERMISSION_DENIED, openai.PermissionDeniedError, "permission_denied"),
        (ErrorKind.NOT_FOUND, openai.NotFoundError, "not_found"),
        (ErrorKind.MODEL_NOT_FOUND, openai.NotFoundError, "model_not_found"),
        (ErrorKind.GATEWAY_OVERLOADED, openai.InternalServerError, "gateway_overloaded"),
        (ErrorKind.PROVIDER_TIMEOUT, openai.InternalServerError, "provider_timeout"),
    ],
)
def test_the_openai_sdk_raises_the_class_its_users_catch(kind, expected, code) -> None:
    with refusing(GatewayError(kind, "Say why.", param="model"), Dialect.OPENAI) as http, pytest.raises(expected) as caught:
        openai_client(http).chat.completions.create(model="m", messages=MESSAGES)
    assert (caught.value.code, caught.value.param, caught.value.body["message"]) == (code, "model", "Say why.")


@pytest.mark.parametrize(
    ("kind", "expected", "word"),
    [
        (ErrorKind.INVALID_REQUEST, anthropic.BadRequestError, "invalid_request_error"),
        (ErrorKind.AUTHENTICATION, anthropic.AuthenticationError, "authentication_error"),
        (ErrorKind.PERMISSION_DENIED, anthropic.PermissionDeniedError, "permission_error"),
        (ErrorKind.MODEL_NOT_FOUND, anthropic.NotFoundError, "not_found_error"),
        (ErrorKind.PAYLOAD_TOO_LARGE, anthropic.RequestTooLargeError, "request_too_large"),
        (ErrorKind.GATEWAY_OVERLOADED, anthropic.ServiceUnavailableError, "overloaded_error"),
        (ErrorKind.PROVIDER_TIMEOUT, anthropic.DeadlineExceededError, "timeout_error"),
        (ErrorKind.INTERNAL, anthropic.InternalServerError, "api_error"),
    ],
)
def test_the_anthropic_sdk_raises_the_class_its_users_catch(kind, expected, word) -> None:
    http = refusing(GatewayError(kind, "Say why."), Dialect.ANTHROPIC, ANTHROPIC_HTTPX)
    with http, pytest.raises(expected) as caught:
        anthropic_client(http).messages.create(model="m", max_tokens=5, messages=MESSAGES)
    assert caught.value.body["error"] == {"type": word, "message": "Say why."}
    assert caught.value.body["request_id"] == "req_1"


@pytest.mark.parametrize(
    ("kind", "expected", "status"),
    [
        (ErrorKind.AUTHENTICATION, genai_errors.ClientError, "UNAUTHENTICATED"),
        (ErrorKind.MODEL_NOT_FOUND, genai_errors.ClientError, "NOT_FOUND"),
        (ErrorKind.DRAINING, genai_errors.ServerError, "UNAVAILABLE"),
    ],
)
def test_the_google_sdk_raises_the_class_its_users_catch(kind, expected, status) -> None:
    error = GatewayError(kind, "Say why.", retry_after_ns=1_500_000_000)
    with refusing(error, Dialect.GEMINI) as http:
        options = genai.types.HttpOptions(base_url="http://gateway", httpx_client=http)
        client = genai.Client(api_key="k", http_options=options)
        with pytest.raises(expected) as caught:
            client.models.generate_content(model="m", contents="hi")
    assert (caught.value.code, caught.value.status, caught.value.message) == (error.status, status, "Say why.")
    assert caught.value.details["error"]["details"][-1]["retryDelay"] == "2s"


def test_an_error_inside_a_chat_stream_raises_in_the_openai_sdk() -> None:
    error = GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "The provider broke off.")
    http = streaming(error, Endpoint(Dialect.OPENAI, Operation.CHAT))
    with http, pytest.raises(openai.APIError, match="broke off") as caught:
        list(openai_client(http).chat.completions.create(model="m", messages=MESSAGES, stream=True))
    assert caught.value.code == "provider_broke_off"


def test_an_error_inside_a_responses_stream_is_an_error_event() -> None:
    error = GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "The provider broke off.")
    with streaming(error, Endpoint(Dialect.OPENAI, Operation.RESPONSES)) as http:
        (event,) = openai_client(http).responses.create(model="m", input="hi", stream=True)
    assert event.type == "error"
    assert (event.code, event.message, event.sequence_number) == ("provider_broke_off", "The provider broke off.", 0)


def test_an_error_inside_a_messages_stream_raises_in_the_anthropic_sdk() -> None:
    error = GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "The provider broke off.")
    http = streaming(error, Endpoint(Dialect.ANTHROPIC, Operation.MESSAGES), ANTHROPIC_HTTPX)
    with http, pytest.raises(anthropic.APIStatusError, match="broke off"):
        list(anthropic_client(http).messages.create(model="m", max_tokens=5, messages=MESSAGES, stream=True))


def test_an_error_inside_a_gemini_stream_raises_in_the_google_sdk() -> None:
    error = GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "The provider broke off.")
    with streaming(error, Endpoint(Dialect.GEMINI, Operation.STREAM_GENERATE)) as http:
        options = genai.types.HttpOptions(base_url="http://gateway", httpx_client=http)
        with pytest.raises(genai_errors.APIError, match="broke off"):
            list(genai.Client(api_key="k", http_options=options).models.generate_content_stream(model="m", contents="hi"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dialect", list(Dialect))
def test_every_failure_has_words_in_every_dialect(kind, dialect) -> None:
    body = json.loads(render_error(GatewayError(kind, "Say why.", detail="host-1"), dialect, "req_1"))
    assert body["error"]["message"] == "Say why."
    assert "host-1" not in json.dumps(body)


def test_a_finer_code_of_the_error_is_kept() -> None:
    error = GatewayError(ErrorKind.INVALID_REQUEST, "Which one?", code="model_ambiguous")
    assert json.loads(render_error(error, Dialect.OPENAI, "r"))["error"]["code"] == "model_ambiguous"
    assert json.loads(render_error(error, Dialect.GEMINI, "r"))["error"]["details"][0]["reason"] == "MODEL_AMBIGUOUS"


def test_headers_say_whether_and_when_to_try_again() -> None:
    busy = dict(error_headers(GatewayError(ErrorKind.GATEWAY_OVERLOADED, "Busy.", retry_after_ns=1_200_000_001)))
    assert busy[b"x-should-retry"] == b"true"
    assert (busy[b"retry-after"], busy[b"retry-after-ms"]) == (b"2", b"1201")
    refused = dict(error_headers(GatewayError(ErrorKind.AUTHENTICATION, "No key.")))
    assert refused[b"x-should-retry"] == b"false"
    assert refused[b"www-authenticate"] == b"Bearer"
    assert b"retry-after" not in refused
