"""The admin API: a FastAPI application under `/admin/v1`, opened by an admin key.

Its description is at `/admin/v1/openapi.json`. FastAPI's documentation pages are off: they load scripts from another host.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, FastAPI
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from weighbridge.control.admin_errors import install_error_handlers
from weighbridge.control.admin_gate import AdminGate
from weighbridge.control.admin_services import AdminServices
from weighbridge.control.keys_api import keys_router
from weighbridge.control.status_api import status_router
from weighbridge.control.targets_api import targets_router

PREFIX: Final = "/admin/v1"
OPENAPI_PATH: Final = f"{PREFIX}/openapi.json"

_bearer: Final = HTTPBearer(auto_error=False, description="An admin key (`wb-…`).")


def _described(_credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> None:
    """Puts the scheme into the OpenAPI description; `AdminGate` has checked the key by now."""


def admin_app(services: AdminServices) -> FastAPI:
    """The application. Its paths are whole (`/admin/v1/keys`), so that it needs no mounting."""
    app = FastAPI(
        title="Weighbridge admin API",
        # The API's version. The gateway's own is told to admins only, in /status.
        version="1",
        openapi_url=OPENAPI_PATH,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for router in (keys_router(services), status_router(services), targets_router(services)):
        app.include_router(router, prefix=PREFIX, dependencies=[Depends(_described)])
    install_error_handlers(app)
    app.add_middleware(
        AdminGate,
        keys=services.keys,
        clock=services.clock,
        # The description says nothing that the source does not; tools want to read it without a key.
        open_paths=frozenset({OPENAPI_PATH}),
    )
    return app
