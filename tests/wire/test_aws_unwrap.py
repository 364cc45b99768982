from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.aws_events import encode_event
from weighbridge.wire.aws_unwrap import InvokeUnwrapper

EVENT = b'{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":3}}'


def frame(inner, **headers):
    named = {":event-type": "chunk", ":message-type": "event"} | {f":{k.replace('_', '-')}": v for k, v in headers.items()}
    return encode_event(named, encode_json({"bytes": b64encode(inner).decode()}))


@given(st.integers(1, 400))
def test_frames_become_the_vendors_own_events_at_every_split(size):
    data = frame(b'{"type":"ping"}') + frame(EVENT)
    unwrapper = InvokeUnwrapper()
    got = b"".join(unwrapper.feed(data[at : at + size]) for at in range(0, len(data), size))
    assert got == b'event: ping\ndata: {"type":"ping"}\n\nevent: message_stop\ndata: ' + EVENT + b"\n\n"


def test_an_exception_becomes_the_vendors_error_event():
    exception = encode_event(
        {":message-type": "exception", ":exception-type": "throttlingException"}, b'{"message":"Too \\"many\\""}'
    )
    assert InvokeUnwrapper().feed(exception) == (
        b'event: error\ndata: {"type":"error","error":{"type":"throttlingException","message":"Too \\"many\\""}}\n\n'
    )


@pytest.mark.parametrize("payload", [b"{}x", b'{"bytes":"*"}', b'{"bytes":"bm8="}'])
def test_a_damaged_event_is_malformed(payload):
    with pytest.raises(GatewayError) as refused:
        InvokeUnwrapper().feed(encode_event({":event-type": "chunk"}, payload))
    assert refused.value.kind is ErrorKind.PROVIDER_MALFORMED
