from __future__ import annotations

from weighbridge.core.errors import ErrorKind, Source
from weighbridge.core.terms import NO_USAGE, Dialect
from weighbridge.pipeline.exchange import Exchange, client_gone, gateway_failed, header_lines


def test_target_is_parted_at_the_first_question_mark(world):
    exchange = Exchange(world.client("GET", "/v1/x?a=1?b=2"), world.gateway.snapshot, "req_1", 5)
    assert (exchange.path, exchange.query) == (b"/v1/x", b"a=1?b=2")


def test_new_exchange_knows_nothing_yet(world):
    exchange = Exchange(world.client("GET", "/v1/x"), world.gateway.snapshot, "req_1", 5)
    assert (exchange.key_id, exchange.status, exchange.usage, exchange.dialect) == ("", 0, NO_USAGE, Dialect.OPENAI)
    assert (exchange.is_settled, exchange.error, exchange.attempts, exchange.edits) == (False, None, [], [])


def test_two_exchanges_share_no_lists(world):
    first, second = (Exchange(world.client("GET", "/"), world.gateway.snapshot, f"req_{n}", 5) for n in range(2))
    first.attempts.append("x")
    first.edits.append("x")
    assert (second.attempts, second.edits) == ([], [])


def test_header_lines_end_each_with_crlf():
    assert header_lines([(b"a", b"1"), (b"b", b"")]) == b"a: 1\r\nb: \r\n"


def test_client_that_left_is_at_fault_itself():
    assert (client_gone().kind, client_gone().source) == (ErrorKind.CLIENT_CLOSED, Source.DOWNSTREAM)


def test_bug_is_named_by_its_type_only():
    error = gateway_failed(ValueError("wb-secret"))
    assert (error.status, error.detail, "wb-secret" in error.public) == (500, "ValueError", False)
