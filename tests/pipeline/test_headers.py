from __future__ import annotations

import pytest

from weighbridge.auth.presented_key import KEY_HEADERS
from weighbridge.pipeline.headers import (
    CONTROL_PREFIXES,
    HOP_BY_HOP,
    MAY_BE_CONTROL,
    NEVER_RETURNED,
    NEVER_SENT,
    NOT_FOR_CONTROL,
    returned_lines,
)

PASSED_ON = b"""anthropic-version anthropic-beta openai-organization openai-project openai-beta user-agent accept content-type
content-encoding accept-encoding x-stainless-lang idempotency-key traceparent x-goog-user-project http-referer x-title""".split()
PASSED_BACK = b"""anthropic-ratelimit-requests-limit x-ratelimit-limit-requests retry-after retry-after-ms x-request-id
request-id
openai-processing-ms openai-organization content-type content-encoding x-should-retry location date cf-ray""".split()


@pytest.mark.parametrize("name", sorted(KEY_HEADERS | {b"cookie", b"proxy-authorization", b"x-real-ip", b"forwarded", b"via"}))
def test_what_concerns_client_and_gateway_is_never_sent_on(name):
    assert name in NEVER_SENT


def test_connections_own_headers_cross_in_no_direction():
    # RFC 9110 §7.6.1, and what frames a message
    named = set(b"connection keep-alive te trailer transfer-encoding upgrade proxy-connection content-length".split())
    assert named <= HOP_BY_HOP
    assert HOP_BY_HOP <= NEVER_SENT & NEVER_RETURNED & NOT_FOR_CONTROL


@pytest.mark.parametrize("name", PASSED_ON)
def test_what_providers_understand_is_sent_on(name):
    assert name not in NEVER_SENT
    assert not name.startswith(CONTROL_PREFIXES)


@pytest.mark.parametrize("name", PASSED_BACK)
def test_what_providers_say_comes_back(name):
    assert name not in NEVER_RETURNED


def test_first_letters_tell_every_control_prefix():
    assert all(prefix[0] in MAY_BE_CONTROL for prefix in CONTROL_PREFIXES)


def test_control_plane_sees_cookies_and_keys_but_no_claims_about_the_client():
    assert b"cookie" not in NOT_FOR_CONTROL
    assert not KEY_HEADERS & NOT_FOR_CONTROL
    assert {b"x-forwarded-for", b"forwarded", b"x-real-ip"} <= NOT_FOR_CONTROL


def test_client_gets_all_lines_but_those_of_the_providers_connection():
    headers = [(b"connection", b"X-Hop, keep-alive"), (b"x-hop", b"1"), (b"x-kept", b"2"), (b"set-cookie", b"c"), (b"x-kept", b"3")]
    assert returned_lines(headers) == b"x-kept: 2\r\nx-kept: 3\r\n"
    assert returned_lines([(b"connection", b"Keep-Alive"), (b"keep-alive", b"timeout=5"), (b"close", b"1")]) == b"close: 1\r\n"
    assert returned_lines([]) == b""
