"""The admin API: a FastAPI application under `/admin/v1`, opened by an admin key.

Its description is at `/admin/v1/openapi.json`. FastAPI's documentation pages are off: they load scripts from another host.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from weighbridge.control.actors import Actors
from weighbridge.control.admin_errors import STATUSES, install_error_handlers
from weighbridge.control.admin_gate import AdminGate
from weighbridge.control.admin_services import AdminServices
from weighbridge.control.alerts_api import alerts_router
from weighbridge.control.audit_api import audit_router
from weighbridge.control.budgets_api import budgets_router
from weighbridge.control.corrections_api import corrections_router
from weighbridge.control.credits_api import credits_router
from weighbridge.control.erasures_api import erasures_router
from weighbridge.control.feedback_api import FEEDBACK_PATH, feedback_admin_router, feedback_router
from weighbridge.control.keys_api import keys_router
from weighbridge.control.ledger_api import ledger_router
from weighbridge.control.limits_api import limits_router
from weighbridge.control.metrics_api import METRICS_PATH, metrics_router
from weighbridge.control.oidc.sign_in_api import Providers, oidc_router
from weighbridge.control.organisations_api import organisations_router
from weighbridge.control.provider_keys_api import provider_keys_router
from weighbridge.control.requests_api import requests_router
from weighbridge.control.session_api import session_router
from weighbridge.control.sessions import Sessions
from weighbridge.control.statements_api import statements_router
from weighbridge.control.status_api import status_router
from weighbridge.control.targets_api import targets_router
from weighbridge.control.teams_api import teams_router
from weighbridge.control.usage_api import usage_router
from weighbridge.control.users_api import users_router

PREFIX: Final = "/admin/v1"
OPENAPI_PATH: Final = f"{PREFIX}/openapi.json"

SESSION_PATH: Final = f"{PREFIX}/session"

_OPEN: Final = frozenset(
    (
        ("GET", OPENAPI_PATH),
        ("HEAD", OPENAPI_PATH),
        ("GET", SESSION_PATH),
        ("POST", SESSION_PATH),
        ("GET", f"{SESSION_PATH}/ways"),
        ("GET", f"{SESSION_PATH}/oidc/start"),
        ("GET", f"{SESSION_PATH}/oidc/callback"),
        ("POST", FEEDBACK_PATH),
    )
)
"""Feedback is given with a virtual key, which its own route looks at."""

_bearer: Final = HTTPBearer(auto_error=False, description="An admin key (`wb-…`).")


def _described(_credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> None:
    """Puts the scheme into the OpenAPI description; `AdminGate` has checked the key by now."""


def _routers(services: AdminServices) -> tuple[APIRouter, ...]:
    return (
        keys_router(services),
        organisations_router(services),
        teams_router(services),
        users_router(services),
        budgets_router(services),
        limits_router(services),
        credits_router(services),
        provider_keys_router(services),
        audit_router(services),
        alerts_router(services),
        statements_router(services),
        status_router(services),
        targets_router(services),
        usage_router(services),
        requests_router(services),
        feedback_admin_router(services),
        ledger_router(services),
        corrections_router(services),
        erasures_router(services),
    )


def _description(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        app.openapi_schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
        for operations in app.openapi_schema["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)  # FastAPI's own for what is wrong, where ours is 400
        for unused in ("HTTPValidationError", "ValidationError"):
            app.openapi_schema["components"]["schemas"].pop(unused, None)
    return app.openapi_schema


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
        responses=STATUSES,
    )
    app.openapi = lambda: _description(app)  # type: ignore[method-assign]  # as FastAPI's manual says to extend it
    sessions = Sessions(services.clock)
    actors = Actors(services.keys, services.store.people, services.clock, services.sign_in)
    providers = Providers(services)
    of_sessions = (session_router(services, sessions, actors, providers), oidc_router(services, sessions, providers))
    for router in (*_routers(services), *of_sessions):
        app.include_router(router, prefix=PREFIX, dependencies=[Depends(_described)])
    app.include_router(metrics_router(services), dependencies=[Depends(_described)])
    app.include_router(feedback_router(services), dependencies=[Depends(_described)])
    install_error_handlers(app)
    app.add_middleware(
        AdminGate,
        actors=actors,
        sessions=sessions,
        # The description says nothing that the source does not; tools want to read it without a key.
        open_paths=_OPEN | {("GET", METRICS_PATH)} if services.metrics_are_open else _OPEN,
    )
    return app
