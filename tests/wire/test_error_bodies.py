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
from weighbridge.wire.error_bodies import error_headers, error_status, render_error, render_stream_error

# The Anthropic SDK moved to httpx2, the successor of httpx; the other two take httpx.
ANTHROPIC_HTTPX = importlib.import_module(anthropic.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0])
MESSAGES = [{"role": "user", "content": "hi"}]
KINDS = list(ErrorKind)
CALLERS = (Dialect.OPENAI, Dialect.ANTHROPIC, Dialect.GEMINI)


def refusing(error: GatewayError, dialect: Dialect, http: ModuleType = httpx) -> httpx.Client:
    def answer(request: object) -> httpx.Response:
        return http.Response(
            error_status(error, dialect), headers=error_headers(error), content=render_error(error, dialect, "req_1")
        )

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
        (ErrorKind.CONTEXT_LENGTH_EXCEEDED, openai.BadRequestError, "context_length_exceeded"),
        (ErrorKind.CONTENT_POLICY_VIOLATION, openai.BadRequestError, "content_filter"),
        (ErrorKind.RATE_LIMIT_EXCEEDED, openai.RateLimitError, "rate_limit_exceeded"),
        (ErrorKind.INSUFFICIENT_QUOTA, openai.RateLimitError, "insufficient_quota"),
        (ErrorKind.PROVIDER_OVERLOADED, openai.InternalServerError, "provider_overloaded"),
        (ErrorKind.PROVIDER_AUTHENTICATION, openai.AuthenticationError, "provider_authentication"),
        (ErrorKind.PROVIDER_PERMISSION, openai.PermissionDeniedError, "provider_permission"),
        (ErrorKind.PROVIDER_MODEL_NOT_FOUND, openai.NotFoundError, "model_not_found"),
        (ErrorKind.PROVIDER_CONFLICT, openai.ConflictError, "conflict"),
        (ErrorKind.UNPROCESSABLE, openai.UnprocessableEntityError, "unprocessable"),
        (ErrorKind.PROVIDER_INTERNAL, openai.InternalServerError, "provider_internal"),
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
        (ErrorKind.CONTENT_POLICY_VIOLATION, anthropic.BadRequestError, "invalid_request_error"),
        (ErrorKind.RATE_LIMIT_EXCEEDED, anthropic.RateLimitError, "rate_limit_error"),
        (ErrorKind.INSUFFICIENT_QUOTA, anthropic.APIStatusError, "billing_error"),
        (ErrorKind.PROVIDER_OVERLOADED, anthropic.OverloadedError, "overloaded_error"),
        (ErrorKind.PROVIDER_AUTHENTICATION, anthropic.AuthenticationError, "authentication_error"),
        (ErrorKind.PROVIDER_PERMISSION, anthropic.PermissionDeniedError, "permission_error"),
        (ErrorKind.PROVIDER_MODEL_NOT_FOUND, anthropic.NotFoundError, "not_found_error"),
        (ErrorKind.PROVIDER_INTERNAL, anthropic.InternalServerError, "api_error"),
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
        (ErrorKind.CONTEXT_LENGTH_EXCEEDED, genai_errors.ClientError, "INVALID_ARGUMENT"),
        (ErrorKind.RATE_LIMIT_EXCEEDED, genai_errors.ClientError, "RESOURCE_EXHAUSTED"),
        (ErrorKind.PROVIDER_OVERLOADED, genai_errors.ServerError, "UNAVAILABLE"),
        (ErrorKind.PROVIDER_AUTHENTICATION, genai_errors.ClientError, "UNAUTHENTICATED"),
        (ErrorKind.PROVIDER_INTERNAL, genai_errors.ServerError, "INTERNAL"),
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
@pytest.mark.parametrize("dialect", CALLERS)
def test_every_failure_has_words_in_every_dialect(kind, dialect) -> None:
    body = json.loads(render_error(GatewayError(kind, "Say why.", detail="host-1"), dialect, "req_1"))
    assert body["error"]["message"].endswith("Say why.")
    assert "host-1" not in json.dumps(body)


def test_a_finer_code_of_the_error_is_kept() -> None:
    error = GatewayError(ErrorKind.INVALID_REQUEST, "Which one?", code="model_ambiguous")
    assert json.loads(render_error(error, Dialect.OPENAI, "r"))["error"]["code"] == "model_ambiguous"
    assert json.loads(render_error(error, Dialect.GEMINI, "r"))["error"]["details"][0]["reason"] == "MODEL_AMBIGUOUS"


def test_agents_find_anthropics_words_for_a_full_context() -> None:
    error = GatewayError(ErrorKind.CONTEXT_LENGTH_EXCEEDED, "This model's maximum context length is 10 tokens.")
    body = json.loads(render_error(error, Dialect.ANTHROPIC, "r"))["error"]
    assert body == {
        "type": "invalid_request_error",
        "message": "prompt is too long: This model's maximum context length is 10 tokens.",
    }
    own = GatewayError(ErrorKind.CONTEXT_LENGTH_EXCEEDED, "prompt is too long: 11 tokens > 10 maximum")
    assert json.loads(render_error(own, Dialect.ANTHROPIC, "r"))["error"]["message"] == own.public


def test_a_providers_own_code_is_passed_on_where_it_says_more() -> None:
    error = GatewayError(ErrorKind.PROVIDER_INVALID_REQUEST, "No.", param="quality", provider_code="unknown_parameter")
    body = json.loads(render_error(error, Dialect.OPENAI, "r"))["error"]
    assert (body["code"], body["param"], body["type"]) == ("unknown_parameter", "quality", "invalid_request_error")
    full = GatewayError(ErrorKind.CONTEXT_LENGTH_EXCEEDED, "Full.", provider_code="invalid_request_error")
    assert json.loads(render_error(full, Dialect.OPENAI, "r"))["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("kind", "statuses"),
    [
        (ErrorKind.PROVIDER_OVERLOADED, [503, 529, 503]),
        (ErrorKind.INSUFFICIENT_QUOTA, [429, 402, 429]),
        (ErrorKind.RATE_LIMIT_EXCEEDED, [429, 429, 429]),
    ],
)
def test_each_dialect_has_its_own_number(kind, statuses) -> None:
    error = GatewayError(kind, "x", status=402 if kind is ErrorKind.INSUFFICIENT_QUOTA else None)
    assert [error_status(error, dialect) for dialect in CALLERS] == statuses
    assert json.loads(render_error(error, Dialect.GEMINI, "r"))["error"]["code"] == statuses[2]


def test_headers_say_whether_and_when_to_try_again() -> None:
    busy = dict(error_headers(GatewayError(ErrorKind.GATEWAY_OVERLOADED, "Busy.", retry_after_ns=1_200_000_001)))
    assert busy[b"x-should-retry"] == b"true"
    assert (busy[b"retry-after"], busy[b"retry-after-ms"]) == (b"2", b"1201")
    refused = dict(error_headers(GatewayError(ErrorKind.AUTHENTICATION, "No key.")))
    assert refused[b"x-should-retry"] == b"false"
    assert refused[b"www-authenticate"] == b"Bearer"
    assert b"retry-after" not in refused
