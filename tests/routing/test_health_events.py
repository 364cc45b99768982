from __future__ import annotations

from weighbridge.core.codec import encode_private, private_decoder
from weighbridge.routing.health_events import BreakerClosed, BreakerOpened, HealthEvent, KeyCleared, KeyParked, KeyRested
from weighbridge.routing.provider_key import KeyState


def test_events_travel_between_processes():
    decode = private_decoder(HealthEvent)
    for event in (
        BreakerOpened("openai/gpt-5", 5, "why"),
        BreakerClosed("openai/gpt-5"),
        KeyRested("openai", "openai#1", "gpt-5", 5, 1, KeyState.NO_QUOTA, "why"),
        KeyParked("openai", "openai#1", "", 5, 2, "why"),
        KeyCleared("openai", "openai#1", ""),
    ):
        assert decode(encode_private(event)) == event
