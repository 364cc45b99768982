from __future__ import annotations

from weighbridge.core.alerts import AlertOn, Condition, Severity
from weighbridge.storage.alert_store import Firing

DOWN = Condition("target/a", AlertOn.TARGET, Severity.CRITICAL, "a is down", "text", 5, ("ops",), is_local=True)


def test_a_condition_fires_once_for_each_host_and_ends_once(store, clock):
    assert store.alerts.fire(DOWN, "a")
    assert not store.alerts.fire(DOWN, "a")
    assert store.alerts.fire(DOWN, "b")
    first, second = store.alerts.firing()
    assert first == Firing(DOWN, "a", clock.wall)
    assert store.alerts.resolve(first)
    assert not store.alerts.resolve(first)
    assert store.alerts.firing() == [second]
