from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.errors import ErrorKind, Retry, Source
from weighbridge.core.terms import Dialect
from weighbridge.wire.events import Failed
from weighbridge.wire.provider_errors import classify, classify_failed

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "recordings"
_K = ErrorKind

RECORDED: list[tuple[str, ErrorKind]] = [
    ("anthropic/011", _K.PROVIDER_MODEL_NOT_FOUND),
    ("anthropic/022", _K.PROVIDER_AUTHENTICATION),
    ("anthropic/028", _K.PROVIDER_INVALID_REQUEST),
    ("anthropic/042", _K.PROVIDER_AUTHENTICATION),
    ("anthropic/047", _K.CONTEXT_LENGTH_EXCEEDED),
    ("anthropic/054", _K.PROVIDER_MODEL_NOT_FOUND),
    ("azure-ai-foundry/001", _K.PROVIDER_AUTHENTICATION),
    ("azure-ai-foundry/008", _K.RATE_LIMIT_EXCEEDED),
    ("bedrock/003", _K.PROVIDER_AUTHENTICATION),
    ("bedrock/028", _K.PROVIDER_MODEL_NOT_FOUND),
    ("bedrock/055", _K.PROVIDER_INVALID_REQUEST),
    ("bedrock/056", _K.PROVIDER_INVALID_REQUEST),
    ("bedrock/057", _K.PROVIDER_INVALID_REQUEST),
    ("bedrock/067", _K.PROVIDER_INVALID_REQUEST),
    ("bedrock/068", _K.PROVIDER_INVALID_REQUEST),
    ("cohere/006", _K.PROVIDER_MODEL_NOT_FOUND),
    ("cohere/014", _K.PROVIDER_AUTHENTICATION),
    ("deepseek/004", _K.PROVIDER_AUTHENTICATION),
    ("deepseek/009", _K.CONTEXT_LENGTH_EXCEEDED),
    ("gemini/025", _K.PROVIDER_MODEL_NOT_FOUND),
    ("gemini/031", _K.PROVIDER_AUTHENTICATION),
    ("gemini/040", _K.PROVIDER_MODEL_NOT_FOUND),
    ("groq/013", _K.PROVIDER_MODEL_NOT_FOUND),
    ("groq/019", _K.PROVIDER_MALFORMED),
    ("mistral/010", _K.PROVIDER_AUTHENTICATION),
    ("ollama/001", _K.PROVIDER_AUTHENTICATION),
    ("ollama/008", _K.CONTEXT_LENGTH_EXCEEDED),
    ("ollama/015", _K.PROVIDER_MODEL_NOT_FOUND),
    ("openai/026", _K.PROVIDER_AUTHENTICATION),
    ("openai/060", _K.PROVIDER_MODEL_NOT_FOUND),
    ("openai/091", _K.PROVIDER_MODEL_NOT_FOUND),
    ("openai/101", _K.PROVIDER_INVALID_REQUEST),
    ("openai/103", _K.PROVIDER_INVALID_REQUEST),
    ("openai/104", _K.PROVIDER_AUTHENTICATION),
    ("openai/107", _K.PROVIDER_INVALID_REQUEST),
    ("openai/122", _K.PROVIDER_MODEL_NOT_FOUND),
    ("openai/123", _K.PROVIDER_MODEL_NOT_FOUND),
    ("openai/124", _K.PROVIDER_MODEL_NOT_FOUND),
    ("openai/132", _K.PROVIDER_INVALID_REQUEST),
    ("openai/136", _K.PROVIDER_INVALID_REQUEST),
    ("openai/164", _K.PROVIDER_AUTHENTICATION),
    ("openai/167", _K.CONTEXT_LENGTH_EXCEEDED),
    ("openai/171", _K.PROVIDER_AUTHENTICATION),
    ("openai/172", _K.PROVIDER_MODEL_NOT_FOUND),
    ("openai/180", _K.PROVIDER_MODEL_NOT_FOUND),
    ("openai/207", _K.PROVIDER_INVALID_REQUEST),
    ("openai/236", _K.INSUFFICIENT_QUOTA),
    ("openrouter/005", _K.PROVIDER_AUTHENTICATION),
    ("openrouter/014", _K.CONTEXT_LENGTH_EXCEEDED),
    ("openrouter/024", _K.RATE_LIMIT_EXCEEDED),
    ("perplexity/003", _K.PROVIDER_AUTHENTICATION),
    ("perplexity/004", _K.CONTEXT_LENGTH_EXCEEDED),
    ("vertex/028", _K.PROVIDER_INVALID_REQUEST),
    ("vertex/038", _K.PROVIDER_INVALID_REQUEST),
    ("vertex/040", _K.PROVIDER_INVALID_REQUEST),
    ("vertex/041", _K.PROVIDER_INVALID_REQUEST),
    ("voyage/001", _K.PROVIDER_MODEL_NOT_FOUND),
    ("xai/014", _K.PROVIDER_AUTHENTICATION),
]
DIALECTS = {
    "anthropic": Dialect.ANTHROPIC,
    "gemini": Dialect.GEMINI,
    "vertex": Dialect.GEMINI,
    "bedrock": Dialect.BEDROCK,
    "cohere": Dialect.COHERE,
}


def said(status: int, body: object, headers: dict[bytes, bytes] | None = None, dialect: Dialect = Dialect.OPENAI):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return classify(dialect, status, headers or {}, content, now_wall_ns=1_800_000_000 * NS_PER_S)


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not beside this checkout")
@pytest.mark.parametrize(("name", "kind"), RECORDED)
def test_recorded_errors(name, kind) -> None:
    (path,) = RECORDINGS.glob(f"{name}-*.json")
    reply = json.loads(path.read_text())["response"]
    headers = {key.lower().encode(): value.encode() for key, value in reply["headers"].items()}
    body = json.dumps(reply["body"]).encode()
    error = classify(DIALECTS.get(name.partition("/")[0], Dialect.OPENAI), reply["status"], headers, body, now_wall_ns=0)
    assert error.kind is kind
    text = body.decode()
    assert error.public.replace("***", "").split(".")[0][:20] in text or "Provider returned error" in error.public


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not beside this checkout")
def test_every_recorded_error_is_in_the_table() -> None:
    known = {name for name, _ in RECORDED}
    lines = (RECORDINGS / "index.csv").read_text().splitlines()[1:]
    rows = [line.split(",") for line in lines]
    assert {row[0][: row[0].index("/") + 4] for row in rows if row[4] >= "400"} == known


def body_of(kind: str = "", code: object = None, message: str = "Something.") -> dict[str, object]:
    return {"error": {"message": message, "type": kind, "code": code, "param": None}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, body_of("tokens", "rate_limit_exceeded"), _K.RATE_LIMIT_EXCEEDED),
        (429, body_of("insufficient_quota", "insufficient_quota"), _K.INSUFFICIENT_QUOTA),
        (400, body_of("invalid_request_error", None, "Your credit balance is too low to access the API."), _K.INSUFFICIENT_QUOTA),
        (402, body_of(), _K.INSUFFICIENT_QUOTA),
        (400, body_of("invalid_request_error", "content_filter"), _K.CONTENT_POLICY_VIOLATION),
        (
            400,
            body_of("invalid_request_error", "invalid_prompt", "Your prompt was flagged as violating our usage policy."),
            _K.CONTENT_POLICY_VIOLATION,
        ),
        (400, body_of("invalid_request_error", "invalid_prompt", "No text."), _K.PROVIDER_INVALID_REQUEST),
        (403, body_of("permission_error"), _K.PROVIDER_PERMISSION),
        (403, {"code": "permission-denied", "error": "Content violates usage guidelines."}, _K.CONTENT_POLICY_VIOLATION),
        (413, body_of("request_too_large"), _K.PAYLOAD_TOO_LARGE),
        (
            413,
            body_of("tokens", "rate_limit_exceeded", "Request too large … please reduce your message size"),
            _K.RATE_LIMIT_EXCEEDED,
        ),
        (422, {"detail": [{"loc": ["body", "n"], "msg": "wrong", "type": "int"}]}, _K.UNPROCESSABLE),
        (422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096"}, _K.CONTEXT_LENGTH_EXCEEDED),
        (500, body_of("server_error"), _K.PROVIDER_INTERNAL),
        (500, {"error": "the input length exceeds the context length"}, _K.CONTEXT_LENGTH_EXCEEDED),
        (501, body_of("not_supported_error", "501", "This server does not support embeddings."), _K.PROVIDER_NOT_FOUND),
        (502, b"<html><title>502 Bad Gateway</title></html>", _K.PROVIDER_INTERNAL),
        (503, b"", _K.PROVIDER_OVERLOADED),
        (504, b"upstream request timeout", _K.PROVIDER_TIMEOUT),
        (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, _K.PROVIDER_OVERLOADED),
        (408, body_of(), _K.PROVIDER_TIMEOUT),
        (409, body_of(), _K.PROVIDER_CONFLICT),
        (404, body_of("", "404", "Resource not found"), _K.PROVIDER_NOT_FOUND),
        (
            404,
            {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}},
            _K.PROVIDER_MODEL_NOT_FOUND,
        ),
        (418, body_of(), _K.PROVIDER_INVALID_REQUEST),
        (429, {"message": "Too many tokens, please wait before trying again."}, _K.RATE_LIMIT_EXCEEDED),
        (429, body_of("", None, "tokens per minute limit; maximum context length is fine"), _K.RATE_LIMIT_EXCEEDED),
        (200, {"error": {"code": 429, "message": "Slow down."}}, _K.RATE_LIMIT_EXCEEDED),
        (200, {"error": {"message": "Oops", "type": "server_error"}}, _K.PROVIDER_INTERNAL),
        (200, b"", _K.PROVIDER_INTERNAL),
    ],
)
def test_statuses_words_and_sentences_weigh_together(status, body, kind) -> None:
    assert said(status, body).kind is kind


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("ThrottlingException", 429, _K.RATE_LIMIT_EXCEEDED),
        ("ServiceQuotaExceededException", 400, _K.RATE_LIMIT_EXCEEDED),
        ("ModelNotReadyException", 429, _K.PROVIDER_OVERLOADED),
        ("ModelTimeoutException", 408, _K.PROVIDER_TIMEOUT),
        ("ModelErrorException", 424, _K.PROVIDER_INTERNAL),
        ("AccessDeniedException", 403, _K.PROVIDER_PERMISSION),
        ("UnrecognizedClientException", 403, _K.PROVIDER_AUTHENTICATION),
        ("InvalidSignatureException", 403, _K.PROVIDER_AUTHENTICATION),
        ("ResourceNotFoundException", 404, _K.PROVIDER_NOT_FOUND),
        ("ServiceUnavailableException", 503, _K.PROVIDER_OVERLOADED),
        ("InternalServerException", 500, _K.PROVIDER_INTERNAL),
        ("ValidationException", 400, _K.PROVIDER_INVALID_REQUEST),
    ],
)
def test_bedrock_names_its_exception_in_a_header(name, status, kind) -> None:
    headers = {b"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/".encode()}
    error = said(status, {"message": "Something."}, headers, Dialect.BEDROCK)
    assert (error.kind, error.provider_type) == (kind, name)


def test_googles_quota_is_a_rate_limit_with_its_wait() -> None:
    message = "You exceeded your current quota, please check your plan and billing details.\nPlease retry in 36.4s."
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "36s"}]
    error = said(
        429,
        [{"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": details}}],
        dialect=Dialect.GEMINI,
    )
    assert (error.kind, error.retry_after_ns) == (_K.RATE_LIMIT_EXCEEDED, 36 * NS_PER_S)


def test_the_wait_comes_from_headers_or_the_sentence() -> None:
    limit = body_of("tokens", "rate_limit_exceeded", "Please try again in 7s.")
    assert said(429, limit, {b"retry-after": b"3"}).retry_after_ns == 3 * NS_PER_S
    assert said(429, limit, {b"x-ratelimit-reset-tokens": b"9s"}).retry_after_ns == 7 * NS_PER_S
    assert said(429, b"", {b"x-ratelimit-reset-tokens": b"9s"}).retry_after_ns == 9 * NS_PER_S
    assert said(503, b"", {b"x-ratelimit-reset-tokens": b"9s"}).retry_after_ns is None
    assert said(429, body_of("insufficient_quota", "insufficient_quota"), {b"retry-after": b"3"}).retry_after_ns is None


def test_the_providers_own_words_are_kept() -> None:
    error = said(
        400, {"error": {"message": "No.", "type": "invalid_request_error", "param": "quality", "code": "unknown_parameter"}}
    )
    assert (error.public, error.param, error.provider_code, error.provider_type) == (
        "No.",
        "quality",
        "unknown_parameter",
        "invalid_request_error",
    )
    assert (error.status, error.source, error.retry) == (400, Source.DOWNSTREAM, Retry.NEVER)


@pytest.mark.parametrize(("status", "kept"), [(422, 422), (529, 529), (500, 500), (418, 418), (408, 504), (200, 502)])
def test_the_providers_number_is_kept_where_it_says_more(status, kept) -> None:
    assert said(status, b"").status == kept


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529])
def test_a_silent_provider_leaves_a_sentence_of_ours(status) -> None:
    assert said(status, b"").public.startswith("The ")


def test_keys_are_in_no_text_of_the_error() -> None:
    error = said(401, body_of("sk-live-abcdefgh1234", "sk-live-abcdefgh1234", "Incorrect API key provided: sk-live-abcdefgh1234."))
    assert "abcdefgh" not in error.public + error.detail + str(error)


@pytest.mark.parametrize(
    ("failed", "kind"),
    [
        (Failed("Overloaded", "overloaded_error"), _K.PROVIDER_OVERLOADED),
        (Failed("Internal", "api_error"), _K.PROVIDER_INTERNAL),
        (Failed("You exceeded your current quota.", "insufficient_quota", "insufficient_quota"), _K.INSUFFICIENT_QUOTA),
        (
            Failed("Tool choice is required, but model did not call a tool", "invalid_request_error", "tool_use_failed", 400),
            _K.PROVIDER_MALFORMED,
        ),
        (Failed("Rate limit", "", "rate_limit_exceeded"), _K.RATE_LIMIT_EXCEEDED),
        (Failed("Too many requests", "throttlingException"), _K.RATE_LIMIT_EXCEEDED),
        (Failed("Input is too long for requested model.", "validationException"), _K.CONTEXT_LENGTH_EXCEEDED),
        (Failed("Bad input", "validationException"), _K.PROVIDER_INVALID_REQUEST),
        (Failed("The model failed", "modelStreamErrorException"), _K.PROVIDER_INTERNAL),
        (Failed("Too slow", "modelTimeoutException"), _K.PROVIDER_TIMEOUT),
        (Failed("The server had an error", "", "server_error"), _K.PROVIDER_INTERNAL),
        (Failed("Your input exceeds the context window of this model.", "", "context_length_exceeded"), _K.CONTEXT_LENGTH_EXCEEDED),
        (Failed("The model is overloaded.", "UNAVAILABLE", "503", 503), _K.PROVIDER_OVERLOADED),
        (Failed("Provider disconnected", "", "502"), _K.PROVIDER_INTERNAL),
        (Failed(""), _K.PROVIDER_INTERNAL),
    ],
)
def test_errors_within_a_stream(failed, kind) -> None:
    error = classify_failed(failed, Dialect.OPENAI)
    assert error.kind is kind
    assert error.public


def test_an_error_within_a_stream_may_name_its_wait() -> None:
    assert (
        classify_failed(Failed("Rate limit. Please try again in 2s.", "", "rate_limit_exceeded"), Dialect.OPENAI).retry_after_ns
        == 2 * NS_PER_S
    )


@given(st.integers(100, 999), st.binary(max_size=80), st.sampled_from(Dialect))
def test_nothing_raises(status, body, dialect) -> None:
    error = classify(dialect, status, {}, body, now_wall_ns=0)
    assert 400 <= error.status < 600
