from __future__ import annotations

from weighbridge.core.clock import NS_PER_S, SystemRng
from weighbridge.routing.breaker import DEFAULT_RULES
from weighbridge.routing.target_health import TargetHealth

NOW = 1000 * NS_PER_S


def test_an_answer_far_slower_than_usual_is_told_and_an_everyday_one_is_not():
    health = TargetHealth("openai/gpt-5", SystemRng(1), DEFAULT_RULES)
    assert not any(health.measured(NOW + n, NS_PER_S, 0) for n in range(100))
    assert not health.measured(NOW + 200, 4 * NS_PER_S, 0)
    assert health.measured(NOW + 300, 20 * NS_PER_S, 0)


def test_keys_that_all_rest_show_on_the_target():
    health = TargetHealth("openai/gpt-5", SystemRng(1), DEFAULT_RULES)
    health.show(NOW, NOW + 5)
    assert health.live.retry_at_ns == NOW + 5
    assert health.live.reason.startswith("keys_resting")
    health.show(NOW + 5, NOW + 5)
    assert health.live.retry_at_ns == 0
