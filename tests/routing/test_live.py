from __future__ import annotations

from weighbridge.routing.live import NEVER_NS, LiveTarget


def test_a_target_of_which_nothing_is_known_is_well():
    live = LiveTarget("openai/gpt-5")
    assert (live.id, live.in_flight, live.retry_at_ns, live.is_probing, live.pace, live.headroom) == (
        "openai/gpt-5",
        0,
        0,
        False,
        1,
        1,
    )
    assert live.first_token_ns == live.total_ns == 0
    assert live.retry_at_ns < NEVER_NS
