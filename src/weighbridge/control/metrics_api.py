"""`/metrics`, for Prometheus: as text or OpenMetrics, with an admin key (of a user who may look at the gateway)."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import APIRouter, Request, Response
from prometheus_client.exposition import choose_encoder

from weighbridge.auth.permissions import Permission
from weighbridge.control.acting import needs
from weighbridge.control.admin_services import AdminServices
from weighbridge.control.gauges import GatewayGauges

METRICS_PATH: Final = "/metrics"


def metrics_router(services: AdminServices) -> APIRouter:
    """The route, closed over the services."""
    is_open = services.metrics_are_open
    router = APIRouter(tags=["gateway"], dependencies=[] if is_open else [needs(Permission.READ_GATEWAY)])
    registry = services.metrics.registry
    registry.register(GatewayGauges(services))

    @router.get(METRICS_PATH, summary="Everything that Prometheus scrapes", response_class=Response)
    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(await asyncio.to_thread(encode, registry), media_type=content_type)

    return router
