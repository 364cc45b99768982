"""What a head may say, beyond what the parser refuses."""

from __future__ import annotations

from types import SimpleNamespace

import httptools
import pytest

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.http.request_head import check_head, head_size, is_websocket_offer, parse_failure


def head(**facts):
    defaults = {
        "method": b"GET",
        "http_minor": 1,
        "is_chunked": False,
        "content_length": None,
        "expects_continue": False,
        "n_hosts": 1,
    }
    return SimpleNamespace(**defaults | {"target": b"/", "headers": [(b"host", b"a")]} | facts)


@pytest.mark.parametrize(
    ("facts", "version", "kind"),
    [
        ({}, "0.9", ErrorKind.UNSUPPORTED_HTTP_VERSION),
        ({}, "2.0", ErrorKind.UNSUPPORTED_HTTP_VERSION),
        ({"method": b"CONNECT"}, "1.1", ErrorKind.METHOD_NOT_ALLOWED),
        ({"n_hosts": 0}, "1.1", ErrorKind.INVALID_REQUEST),
        ({"n_hosts": 2}, "1.0", ErrorKind.INVALID_REQUEST),
        ({"http_minor": 0, "is_chunked": True}, "1.0", ErrorKind.INVALID_REQUEST),
    ],
)
def test_heads_that_are_refused(facts, version, kind):
    with pytest.raises(GatewayError) as caught:
        check_head(head(**facts), version)
    assert caught.value.kind is kind


def test_http_1_0_needs_no_host_and_expects_nothing():
    old = head(n_hosts=0, http_minor=0, expects_continue=True)
    check_head(old, "1.0")
    assert not old.expects_continue


def test_only_a_bodyless_get_of_http_1_1_offers_a_websocket():
    offer = {"headers": [(b"upgrade", b"WebSocket")]}
    assert is_websocket_offer(head(**offer))
    for other in (
        {"method": b"POST"},
        {"http_minor": 0},
        {"content_length": 3},
        {"is_chunked": True},
        {"headers": [(b"upgrade", b"h2c")]},
    ):
        assert not is_websocket_offer(head(**offer | other))


def test_the_size_of_a_head_counts_what_its_lines_take_on_the_wire():
    assert head_size(b"/abc", [(b"host", b"a"), (b"x", b"yz")]) == 4 + len(b"host: a\r\n") + len(b"x: yz\r\n")


def test_an_error_raised_in_a_callback_comes_out_of_the_parser_as_it_was():
    class Callbacks:
        def on_url(self, url):
            raise GatewayError(ErrorKind.URI_TOO_LONG, "too long")

    with pytest.raises(httptools.HttpParserError) as caught:
        httptools.HttpRequestParser(Callbacks()).feed_data(b"GET / HTTP/1.1\r\n\r\n")
    assert parse_failure(caught.value).kind is ErrorKind.URI_TOO_LONG


def test_any_other_error_of_the_parser_is_an_invalid_request():
    assert parse_failure(httptools.HttpParserError("odd")).kind is ErrorKind.INVALID_REQUEST
