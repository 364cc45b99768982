"""Ids, errors and framing."""

import pytest

from weighbridge.core.terms import Dialect
from weighbridge.providers.demo.exchange import DemoError, DemoRequest, sse_event, stamp, whole

REQUEST = DemoRequest("POST", "/a", "", (), b"{}", Dialect.OPENAI)


def test_ids_differ_by_request_number_time_prefix_and_part():
    first = stamp(REQUEST, now_s=1, request_number=1)
    others = (stamp(REQUEST, now_s=1, request_number=2), stamp(REQUEST, now_s=2, request_number=1))
    ids = {first.id("a-"), first.id("b-"), first.id("a-", "1"), *(other.id("a-") for other in others)}
    assert len(ids) == 5
    assert first.id("a-") == stamp(REQUEST, now_s=1, request_number=1).id("a-")


@pytest.mark.parametrize(("status", "seconds"), [(429, 1), (503, 1), (529, 1), (500, None), (400, None)])
def test_only_overload_says_when_to_come_back(status, seconds):
    assert DemoError(status, "no").retry_after_s == seconds


def test_framing():
    assert sse_event({"a": 1}) == b'data: {"a":1}\n\n'
    assert sse_event({"a": 1}, name="x") == b'event: x\ndata: {"a":1}\n\n'
    assert (b"content-length", b"7") in whole({"a": 1}).headers
