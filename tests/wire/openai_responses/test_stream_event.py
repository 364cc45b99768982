"""One event of a provider's stream, decoded."""

from __future__ import annotations

import pytest

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.openai_responses.stream_event import read_event


def test_the_fields_that_are_read_are_there() -> None:
    event = read_event(encode_json({"type": "t", "output_index": 2, "delta": "x", "response": {"id": "r"}, "else": 1}))
    assert (event.type, event.output_index, event.delta) == ("t", 2, "x")
    assert event.response is not None
    assert decode_json(event.response) == {"id": "r"}


def test_an_odd_field_costs_itself_and_objects_stay_as_they_came() -> None:
    odd = {
        "type": "t",
        "output_index": "two",
        "item": {"score": 0.25},
        "part": 7,
        "logprobs": [7, {"logprob": -0.5}],
        "response": {"x": 0.5},
    }
    event = read_event(encode_json(odd))
    assert (event.type, event.output_index, event.item, event.part) == ("t", None, {"score": 0.25}, None)
    assert event.logprobs == [{"logprob": -0.5}]
    assert event.response is not None
    assert decode_json(event.response) == {"x": 0.5}


@pytest.mark.parametrize("document", [b"{oops", b"[1]", b"7", b"\xff"])
def test_what_is_no_object_is_malformed(document: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        read_event(document)
    assert caught.value.kind is ErrorKind.PROVIDER_MALFORMED
