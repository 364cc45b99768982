from __future__ import annotations

import itertools

import pytest

from weighbridge.core.codec import decode_json
from weighbridge.core.errors import ErrorKind, GatewayError, Retry, Source
from weighbridge.core.terms import Dialect, Endpoint, Operation
from weighbridge.wire.error_bodies import error_headers, render_error, render_stream_error

CALLERS = (Dialect.OPENAI, Dialect.ANTHROPIC, Dialect.GEMINI)
# What a provider says to the gateway's account and what its own SDK would have raised: the caller gets the same number.
PASSED_ON = {
    ErrorKind.RATE_LIMIT_EXCEEDED: 429,
    ErrorKind.INSUFFICIENT_QUOTA: 429,
    ErrorKind.PROVIDER_AUTHENTICATION: 401,
    ErrorKind.PROVIDER_PERMISSION: 403,
    ErrorKind.PROVIDER_MODEL_NOT_FOUND: 404,
    ErrorKind.PROVIDER_NOT_FOUND: 404,
    ErrorKind.PROVIDER_CONFLICT: 409,
}


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_kind_has_its_facts(kind):
    error = GatewayError(kind, "What to do.")
    assert 400 <= error.status <= 599
    assert error.source in Source
    assert error.retry in Retry
    assert (str(error), error.public, error.code, error.detail, error.param) == ("What to do.", "What to do.", kind.value, "", None)
    assert error.client_may_retry in (True, False)


@pytest.mark.parametrize(("kind", "dialect"), list(itertools.product(ErrorKind, CALLERS)))
def test_every_dialect_renders_every_kind(kind, dialect):
    error = GatewayError(kind, "What to do.", detail="10.0.0.9:443", param="model", retry_after_ns=1)
    body = render_error(error, dialect, "req_1")
    assert decode_json(body)["error"]["message"].endswith("What to do.")
    event = render_stream_error(error, Endpoint(dialect, Operation.CHAT), "req_1")
    assert event.rstrip().endswith(body)
    assert b"10.0.0.9" not in body + event
    assert dict(error_headers(error))[b"retry-after"] == b"1"


@pytest.mark.parametrize("kind", [kind for kind in ErrorKind if kind not in PASSED_ON])
def test_faults_of_providers_and_of_the_gateway_are_5xx_and_no_others(kind):
    error = GatewayError(kind, "")
    is_ours = error.source is not Source.DOWNSTREAM
    assert is_ours == (error.status >= 500) or kind is ErrorKind.UNSUPPORTED_HTTP_VERSION


@pytest.mark.parametrize(("kind", "status"), PASSED_ON.items())
def test_what_a_provider_says_to_our_account_keeps_its_number(kind, status):
    error = GatewayError(kind, "")
    assert (error.status, error.source) == (status, Source.UPSTREAM)


@pytest.mark.parametrize("kind", ErrorKind)
def test_only_what_another_target_may_answer_is_tried_again_by_the_gateway(kind):
    error = GatewayError(kind, "")
    depends_on_the_target = {
        ErrorKind.CONTEXT_LENGTH_EXCEEDED,
        ErrorKind.CONTENT_POLICY_VIOLATION,
        ErrorKind.LIMIT_EXCEEDED,
        ErrorKind.BUDGET_EXCEEDED,
        ErrorKind.PRICE_UNKNOWN,
    }
    assert (error.retry is Retry.NEVER) == (error.source is not Source.UPSTREAM and kind not in depends_on_the_target)


def test_a_quota_that_is_used_up_is_no_rate_limit():
    assert GatewayError(ErrorKind.RATE_LIMIT_EXCEEDED, "").retry is Retry.SAME
    assert GatewayError(ErrorKind.RATE_LIMIT_EXCEEDED, "").client_may_retry
    assert GatewayError(ErrorKind.INSUFFICIENT_QUOTA, "").retry is Retry.NEXT
    assert not GatewayError(ErrorKind.INSUFFICIENT_QUOTA, "").client_may_retry


def test_a_providers_number_replaces_the_kinds():
    error = GatewayError(ErrorKind.UNPROCESSABLE, "x", status=424, provider_code="odd", provider_type="odd_error")
    assert (error.status, error.provider_code, error.provider_type) == (424, "odd", "odd_error")
    assert GatewayError(ErrorKind.UNPROCESSABLE, "x").status == 422


def test_finer_code_replaces_the_kinds():
    assert GatewayError(ErrorKind.INVALID_REQUEST, "x", code="model_ambiguous").code == "model_ambiguous"


def test_detail_is_in_no_text_of_the_exception():
    error = GatewayError(ErrorKind.INTERNAL, "x", detail="/etc/secret")
    assert "/etc/secret" not in str(error) + repr(error)
