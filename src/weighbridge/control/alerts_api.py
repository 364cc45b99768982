"""`/admin/v1/alerts`: what fires now, and a notice to see whether notices arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request

from weighbridge.auth.permissions import Permission
from weighbridge.control.acting import Acting, act_of, needs
from weighbridge.control.admin_services import AdminServices, Reported
from weighbridge.control.instants import rfc3339_ns
from weighbridge.storage.alert_store import Firing
from weighbridge.storage.transactions import Change

SendTest = Callable[[], Awaitable[dict[str, str]]]


class AlertView(Reported):
    """Something that is the case; `host` is empty where it is so on all hosts."""

    id: str
    rule: str
    severity: str
    title: str
    text: str
    since: str
    host: str


class AlertList(Reported):
    """What fires, the oldest first."""

    data: tuple[AlertView, ...]


class TestOutcome(Reported):
    """Of each destination: empty where it took the notice, else why not."""

    __test__ = False  # not one of pytest's

    destinations: dict[str, str]


def alerts_router(services: AdminServices) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(prefix="/alerts", tags=["gateway"], dependencies=[needs(Permission.READ_GATEWAY)])

    @router.get("", summary="What fires now")
    async def firing() -> AlertList:
        found = await asyncio.to_thread(services.store.alerts.firing)
        return AlertList(data=tuple(map(_view, found)))

    @router.post("/test", summary="Send a notice to every destination, to see whether it arrives")
    async def test(actor: Acting, request: Request) -> TestOutcome:
        actor.require(Permission.MANAGE_GATEWAY)
        outcomes = await services.send_test_alert()
        await asyncio.to_thread(services.store.transactions.note, act_of(request, actor), Change("test", "alerts", "", "alerts"))
        return TestOutcome(destinations=outcomes)

    return router


def _view(firing: Firing) -> AlertView:
    condition = firing.condition
    return AlertView(
        id=condition.key,
        rule=condition.on.value,
        severity=condition.severity.value,
        title=condition.title,
        text=condition.text,
        since=rfc3339_ns(firing.since_wall_ns),
        host=firing.host,
    )
