from __future__ import annotations

import itertools

import pytest

from weighbridge.core.codec import decode_json
from weighbridge.core.errors import ErrorKind, GatewayError, Retry, Source
from weighbridge.core.terms import Dialect, Endpoint, Operation
from weighbridge.wire.error_bodies import error_headers, render_error, render_stream_error


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_kind_has_its_facts(kind):
    error = GatewayError(kind, "What to do.")
    assert 400 <= error.status <= 599
    assert error.source in Source
    assert error.retry in Retry
    assert (str(error), error.public, error.code, error.detail, error.param) == ("What to do.", "What to do.", kind.value, "", None)
    assert error.client_may_retry in (True, False)


@pytest.mark.parametrize(("kind", "dialect"), list(itertools.product(ErrorKind, Dialect)))
def test_every_dialect_renders_every_kind(kind, dialect):
    error = GatewayError(kind, "What to do.", detail="10.0.0.9:443", param="model", retry_after_ns=1)
    body = render_error(error, dialect, "req_1")
    assert decode_json(body)["error"]["message"] == "What to do."
    event = render_stream_error(error, Endpoint(dialect, Operation.CHAT), "req_1")
    assert event.rstrip().endswith(body)
    assert b"10.0.0.9" not in body + event
    assert dict(error_headers(error))[b"retry-after"] == b"1"


@pytest.mark.parametrize("kind", ErrorKind)
def test_faults_of_providers_and_of_the_gateway_are_5xx_and_no_others(kind):
    error = GatewayError(kind, "")
    is_ours = error.source is not Source.DOWNSTREAM
    assert is_ours == (error.status >= 500) or kind is ErrorKind.UNSUPPORTED_HTTP_VERSION


@pytest.mark.parametrize("kind", ErrorKind)
def test_only_faults_of_providers_are_tried_again_by_the_gateway(kind):
    error = GatewayError(kind, "")
    assert (error.retry is Retry.NEVER) == (error.source is not Source.UPSTREAM)


def test_finer_code_replaces_the_kinds():
    assert GatewayError(ErrorKind.INVALID_REQUEST, "x", code="model_ambiguous").code == "model_ambiguous"


def test_detail_is_in_no_text_of_the_exception():
    error = GatewayError(ErrorKind.INTERNAL, "x", detail="/etc/secret")
    assert "/etc/secret" not in str(error) + repr(error)
