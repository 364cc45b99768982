from __future__ import annotations

import json

import pytest

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.anthropic_messages.stream_event import read_stream_event


def read(**fields):
    return read_stream_event(json.dumps(fields).encode())


def test_the_fields_that_are_read():
    event = read(type="content_block_delta", index=2, delta={"type": "text_delta", "text": "a", "x": 1}, y=2)
    assert (event.type, event.index) == ("content_block_delta", 2)
    assert event.delta is not None
    assert event.delta.text == "a"


def test_one_odd_field_costs_itself_only():
    event = read(
        type="content_block_delta", index="two", delta={"text": "a", "stop_reason": 3, "stop_details": {"n": 0.5}}, usage=[]
    )
    assert (event.type, event.index, event.usage) == ("content_block_delta", None, None)
    assert event.delta is not None
    assert (event.delta.text, event.delta.stop_reason, event.delta.stop_details) == ("a", None, {"n": 0.5})


def test_a_block_keeps_its_numbers_though_its_neighbour_is_odd():
    event = read(type="content_block_start", index="x", content_block={"type": "tool_use", "input": {"a": 0.5}})
    assert event.content_block == {"type": "tool_use", "input": {"a": 0.5}}
    assert read(type="content_block_start", index="x", content_block=3).content_block is None


@pytest.mark.parametrize("document", [b"", b"[]", b"{", b"\xff", b'{"type": "\xff"}', b"3"])
def test_what_is_no_object_is_malformed(document):
    with pytest.raises(GatewayError) as caught:
        read_stream_event(document)
    assert caught.value.kind is ErrorKind.PROVIDER_MALFORMED
