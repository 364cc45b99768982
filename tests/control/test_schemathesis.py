"""Whatever the description allows, and much that it does not: never a 5xx, never an answer that the description does not know."""

from __future__ import annotations

import os
import warnings

import hypothesis
import pytest
from hypothesis import HealthCheck

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what it imports
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from weighbridge.control.admin_api import OPENAPI_PATH

CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]
EXAMPLES = 100 if os.environ.get("WEIGHBRIDGE_PROOF") == "full" else 8
"""Of each operation."""


@pytest.fixture
def description(anyone, make_key, people):
    app = anyone._transport.app
    schema = schemathesis.openapi.from_asgi(OPENAPI_PATH, app)
    return schema, {"authorization": f"Bearer {make_key('root', is_admin=True)}"}


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_no_request_breaks_the_api_or_is_answered_as_nobody_said(description, mode):
    schema, headers = description
    n_calls = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @hypothesis.settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def calls(case):
            nonlocal n_calls
            n_calls += 1
            case.validate_response(case.call(headers=headers), checks=CHECKS)

        calls()
    assert n_calls > 200
