from __future__ import annotations

import pytest

from weighbridge.control import alert_watch
from weighbridge.control.alert_watch import CALM_NS, AlertWatch
from weighbridge.core.alerts import AlertOn, AlertRule, Alerts, Condition, Destination, Severity
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.tasks import TaskSet

ALERTS = Alerts((AlertRule(AlertOn.TARGET),), (Destination("ops"),))
DOWN = Condition("target/a", AlertOn.TARGET, Severity.WARNING, "a is down", is_local=True)
USED = Condition("budget/b", AlertOn.BUDGET, Severity.WARNING, "b is used")


class Sender:
    def __init__(self):
        self.sent = []

    async def send(self, notice, _alerts):
        self.sent.append((notice.state, notice.condition.key))
        return {}


class Watched:
    """A watch, what is the case, and what was told."""

    def __init__(self, store, clock, monkeypatch, host="a"):
        self.now = []
        self.sender = Sender()
        self.alerts = ALERTS
        self.tasks = TaskSet(pytest.fail)
        self.clock = clock
        monkeypatch.setattr(alert_watch, "conditions_of", lambda _rule, sight: sight)
        self.watch = AlertWatch(
            lambda: self.alerts, lambda _alerts: list(self.now), store.alerts, self.sender, clock, host, self.tasks
        )

    async def look(self, *conditions, after_ns=0):
        self.clock.wall += after_ns
        self.now = conditions
        await self.watch.look()
        while len(self.tasks):
            await asyncio_sleep()
        sent, self.sender.sent = self.sender.sent, []
        return sent


async def asyncio_sleep():
    import asyncio

    await asyncio.sleep(0)


@pytest.fixture
def watched(store, clock, monkeypatch):
    return Watched(store, clock, monkeypatch)


async def test_what_becomes_the_case_is_told_once_and_its_end_too(watched):
    assert await watched.look(DOWN) == [("firing", "target/a")]
    assert await watched.look(DOWN, after_ns=CALM_NS) == []
    assert await watched.look(after_ns=NS_PER_S) == []
    assert await watched.look(after_ns=CALM_NS) == [("resolved", "target/a")]
    assert await watched.look(DOWN) == [("firing", "target/a")]


async def test_what_comes_and_goes_is_told_once(watched):
    told = []
    for _ in range(10):
        told += await watched.look(DOWN, after_ns=NS_PER_S)
        told += await watched.look(after_ns=CALM_NS // 2)
    assert told == [("firing", "target/a")]


async def test_what_must_last_is_told_when_it_has_lasted(watched):
    lasting = Condition("target/a", AlertOn.TARGET, Severity.WARNING, "a is down", for_ns=5 * NS_PER_S)
    assert await watched.look(lasting) == []
    assert await watched.look(after_ns=4 * NS_PER_S) == []
    assert await watched.look(lasting, after_ns=4 * NS_PER_S) == []
    assert await watched.look(lasting, after_ns=5 * NS_PER_S) == [("firing", "target/a")]


async def test_a_restart_tells_nothing_twice(watched, store, clock, monkeypatch):
    await watched.look(DOWN)
    again = Watched(store, clock, monkeypatch)
    assert await again.look(DOWN) == []
    await again.look(after_ns=NS_PER_S)
    assert await again.look(after_ns=CALM_NS) == [("resolved", "target/a")]


async def test_hosts_that_share_a_database_tell_what_they_share_once_and_what_is_their_own_each(watched, store, clock, monkeypatch):
    other = Watched(store, clock, monkeypatch, host="b")
    assert await watched.look(USED, DOWN) == [("firing", "budget/b"), ("firing", "target/a")]
    assert await other.look(USED, DOWN) == [("firing", "target/a")]
    # And neither ends what is the other's own.
    await other.look(USED, after_ns=NS_PER_S)
    assert await other.look(USED, after_ns=CALM_NS) == [("resolved", "target/a")]
    assert [each.host for each in store.alerts.firing()] == ["", "a"]


async def test_nothing_is_looked_at_where_nobody_is_told(watched):
    watched.alerts = Alerts((AlertRule(AlertOn.TARGET),))
    assert await watched.look(DOWN) == []
