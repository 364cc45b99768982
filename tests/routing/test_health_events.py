from __future__ import annotations

from weighbridge.core.codec import encode_private, private_decoder
from weighbridge.routing.health_events import (
    BreakerClosed,
    BreakerOpened,
    HealthEvent,
    KeyCleared,
    KeyParked,
    KeyRested,
    is_of_own_key,
)
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


def test_a_targets_name_tells_whether_it_is_asked_with_a_customers_own_keys():
    names = ("openai~team:search/gpt-5", "openai~organisation:a%2Fb/gpt~5", "openai/gpt-5", "openai/ft:gpt~5", "")
    assert [is_of_own_key(name) for name in names] == [True, True, False, False, False]
