"""Looks at the gateway every ten seconds and tells operators what has become the case, once, and when it is over."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Final

from weighbridge.control.alert_rules import Sight, conditions_of
from weighbridge.control.alert_sender import AlertSender, Notice
from weighbridge.core.alerts import Alerts, Condition
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.ports import Clock
from weighbridge.core.tasks import TaskSet
from weighbridge.storage.alert_store import AlertStore, Firing
from weighbridge.storage.errors import StorageError

LOOK_S: Final = 10.0
CALM_NS: Final = 60 * NS_PER_S
"""What fires is over when it has not been the case for so long: something that comes and goes is told once."""


class AlertWatch:
    """One for each control plane. `alerts` gives the rules and destinations that count now, `look` what rules look at (it blocks,
    on a thread); `host` is this host's name."""

    def __init__(
        self,
        alerts: Callable[[], Alerts],
        look: Callable[[Alerts], Sight],
        store: AlertStore,
        sender: AlertSender,
        clock: Clock,
        host: str,
        tasks: TaskSet,
    ) -> None:
        self._alerts = alerts
        self._look = look
        self._store = store
        self._sender = sender
        self._clock = clock
        self._host = host
        self._tasks = tasks
        self._seen_ns: dict[str, int] = {}
        """Since when each condition holds that holds now."""
        self._calm_ns: dict[tuple[str, str], int] = {}
        """Since when what fires does not hold any more."""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except StorageError as error:
                sys.stderr.write(f"Alerts cannot be looked after now: {error}\n")

    async def look(self) -> None:
        """Look once, and tell what is news. Raises `StorageError`."""
        alerts = self._alerts()
        if not alerts.destinations:
            return
        found = await asyncio.to_thread(self._conditions, alerts)
        now_ns = self._clock.now_ns()
        self._seen_ns = {key: self._seen_ns.get(key, now_ns) for key in found}
        firing = await asyncio.to_thread(self._store.firing)
        known = {(each.host, each.condition.key) for each in firing}
        for condition in found.values():
            host = self._host if condition.is_local else ""
            if (host, condition.key) not in known and now_ns - self._seen_ns[condition.key] >= condition.for_ns:
                await self._fire(condition, host, alerts)
        for each in firing:
            if each.host in ("", self._host):
                await self._calm(each, alerts, is_there=each.condition.key in found)

    def _conditions(self, alerts: Alerts) -> dict[str, Condition]:
        sight = self._look(alerts)
        return {condition.key: condition for rule in alerts.rules for condition in conditions_of(rule, sight)}

    async def _fire(self, condition: Condition, host: str, alerts: Alerts) -> None:
        if await asyncio.to_thread(self._store.fire, condition, host):
            now = self._clock.wall_ns()
            self._tell(Notice("firing", condition, now, now), alerts)

    async def _calm(self, firing: Firing, alerts: Alerts, *, is_there: bool) -> None:
        place, now_ns = (firing.host, firing.condition.key), self._clock.now_ns()
        if is_there:
            self._calm_ns.pop(place, None)
            return
        if now_ns - self._calm_ns.setdefault(place, now_ns) < CALM_NS:
            return
        del self._calm_ns[place]
        if await asyncio.to_thread(self._store.resolve, firing):
            self._tell(Notice("resolved", firing.condition, firing.since_wall_ns, self._clock.wall_ns()), alerts)

    def _tell(self, notice: Notice, alerts: Alerts) -> None:
        self._tasks.spawn(self._sender.send(notice, alerts))
