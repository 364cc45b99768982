"""The admin API: a FastAPI application under `/admin/v1`, opened by an admin key.

Its description is at `/admin/v1/openapi.json`. FastAPI's documentation pages are off: they load scripts from another host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, params
from fastapi.openapi.utils import get_openapi
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.routing import Route

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
from weighbridge.control.late_routes import LateRoutes
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


def _described_router(prefix: str, makers: Iterable[Callable[[], APIRouter]]) -> APIRouter:
    described: list[params.Depends] = [params.Depends(_described)]
    router = APIRouter(redirect_slashes=False)
    for make in makers:
        router.include_router(make(), prefix=prefix, dependencies=described, responses=STATUSES)
    return router


def _resources(services: AdminServices) -> dict[str, Callable[[], APIRouter]]:
    """What is below `PREFIX`, by the first parts of its paths, in the order of the description."""
    makers: dict[str, Callable[[AdminServices], APIRouter]] = {
        "keys": keys_router,
        "organisations": organisations_router,
        "teams": teams_router,
        "users": users_router,
        "budgets": budgets_router,
        "limits": limits_router,
        "credits": credits_router,
        "provider-keys": provider_keys_router,
        "audit": audit_router,
        "alerts": alerts_router,
        "statements": statements_router,
        "status config records": status_router,
        "targets": targets_router,
        "usage": usage_router,
        "requests": requests_router,
        "feedback": feedback_admin_router,
        "ledger": ledger_router,
        "price-corrections": corrections_router,
        "erasures": erasures_router,
    }
    return {names: partial(make, services) for names, make in makers.items()}


def _session_routers(services: AdminServices, sessions: Sessions, actors: Actors) -> tuple[Callable[[], APIRouter], ...]:
    providers = Providers(services)
    return partial(session_router, services, sessions, actors, providers), partial(oidc_router, services, sessions, providers)


class _AdminApp(FastAPI):
    """One whose description is whole although its routes are made late."""

    def __init__(self) -> None:
        super().__init__(
            title="Weighbridge admin API",
            # The API's version. The gateway's own is told to admins only, in /status.
            version="1",
            openapi_url=OPENAPI_PATH,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
        )
        self._late: list[LateRoutes] = []

    def add_late(self, paths: Iterable[str], prefix: str, *makers: Callable[[], APIRouter]) -> None:
        """Routes below each of the paths. They have the prefix before their own."""
        late = LateRoutes(partial(_described_router, prefix, makers))
        self._late.append(late)
        for path in paths:
            self.router.routes.append(Route(f"{path}{{rest:path}}", late, include_in_schema=False))

    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        if self.openapi_schema is None:
            routes = [route for late in self._late for route in late.router.routes]
            self.openapi_schema = get_openapi(title=self.title, version=self.version, routes=routes)
            for operations in self.openapi_schema["paths"].values():
                for operation in operations.values():
                    operation["responses"].pop("422", None)  # FastAPI's own for what is wrong, where ours is 400
            for unused in ("HTTPValidationError", "ValidationError"):
                self.openapi_schema["components"]["schemas"].pop(unused, None)
        return self.openapi_schema


def admin_app(services: AdminServices) -> FastAPI:
    """The application. Its paths are whole (`/admin/v1/keys`), so that it needs no mounting."""
    app = _AdminApp()
    sessions = Sessions(services.clock)
    actors = Actors(services.keys, services.store.people, services.clock, services.sign_in)
    for names, make in _resources(services).items():
        app.add_late([f"{PREFIX}/{name}" for name in names.split()], PREFIX, make)
    app.add_late([SESSION_PATH], PREFIX, *_session_routers(services, sessions, actors))
    app.add_late([METRICS_PATH], "", partial(metrics_router, services))
    app.add_late([FEEDBACK_PATH], "", partial(feedback_router, services))
    install_error_handlers(app)
    app.add_middleware(
        AdminGate,
        actors=actors,
        sessions=sessions,
        # The description says nothing that the source does not; tools want to read it without a key.
        open_paths=_OPEN | {("GET", METRICS_PATH)} if services.metrics_are_open else _OPEN,
    )
    return app
