"""What counts as a gateway's sin."""

from __future__ import annotations

import pytest

from weighbridge.testing import ReceivedRequest, Violation
from weighbridge.testing.violations import find_violations

HOST = (b"host", b"127.0.0.1:80")


def found(*headers, target=b"/v1/x"):
    request = ReceivedRequest(7, 1, b"POST", target, b"1.1", (HOST, *headers), b"", "none", 0)
    return [
        (violation.rule, violation.detail)
        for violation in find_violations(request, credential_headers=frozenset({"authorization"}), port=80)
    ]


@pytest.mark.parametrize(
    ("header", "rule"),
    [
        ((b"X-Api-Key", b"k"), "foreign credential"),
        ((b"Cookie", b"a=b"), "cookie"),
        ((b"x-weighbridge-tag", b"a"), "gateway header"),
        ((b"TE", b"trailers"), "hop-by-hop header"),
        ((b"connection", b"x-custom"), "hop-by-hop header"),
        ((b"upgrade", b"h2c"), "hop-by-hop header"),
        ((b"authorization", b"Bearer wb-abcdefghijkl"), "gateway key"),
    ],
)
def test_a_header_that_should_have_stayed_behind(header, rule):
    assert found(header) == [(rule, header[0].decode().lower())]


def test_what_an_sdk_sends_is_no_violation():
    assert found((b"Connection", b"keep-alive"), (b"Authorization", b"Bearer sk-web-1"), (b"Accept-Encoding", b"br")) == []


def test_doubles_urls_and_hosts():
    assert found((b"authorization", b"a"), (b"authorization", b"b")) == [("duplicate header", "authorization")]
    assert found(target=b"/v1/x?key=k") == [("credential in URL", "key")]
    request = ReceivedRequest(1, 1, b"GET", b"/", b"1.1", ((b"host", b"gateway:8080"),), b"", "none", 0)
    violations = list(find_violations(request, credential_headers=frozenset(), port=80))
    assert violations == [Violation(1, "foreign host", "host")]
