"""`/admin/v1/session/oidc`: to the OpenID provider and back. What comes of it is a page of the dashboard, never a JSON error: these
addresses are opened by people's browsers."""

from __future__ import annotations

import asyncio
import sys
from typing import Final

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import RedirectResponse

from weighbridge.auth.identities import NotAdmittedError, Refusal
from weighbridge.auth.people import User
from weighbridge.auth.sign_in_rules import OidcRules, SignInRules
from weighbridge.control.actors import actor_of_user
from weighbridge.control.admin_services import AdminServices, Reported
from weighbridge.control.oidc.claims import identity_of, is_complete
from weighbridge.control.oidc.flow import LIFETIME_NS, Flow, check_issuer
from weighbridge.control.oidc.provider import Provider, Tokens
from weighbridge.control.session_cookie import give_cookie, is_secure
from weighbridge.control.sessions import COOKIE, Sessions
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.errors import GatewayError
from weighbridge.core.secret import Secret
from weighbridge.storage.errors import StorageError
from weighbridge.storage.transactions import SIGN_IN, Act, Change

FLOW_COOKIE: Final = "weighbridge_sign_in"
SIGN_IN_PAGE: Final = "/dashboard/sign-in"
_QUIET: Final = frozenset((Refusal.OFF, Refusal.STALE, Refusal.CANCELLED, Refusal.LOCKED_OUT))
"""What people do, or a stranger can do as often as he likes: nothing for the operator to see to."""

_COUNTED: Final = frozenset((Refusal.NOT_TRUSTED, Refusal.REJECTED))
"""After some of these an address has to wait: each has cost the provider a question, or the log a line."""
_MAX_HINT: Final = 4_096
"""Of an ID token that is kept for signing out: it goes into an address, and one with many groups is too long for that."""


class OidcWay(Reported):
    """An OpenID provider: what the button says, and the address behind it, to which `next` may be added."""

    name: str
    start: str


class Ways(Reported):
    """How one may sign in here. An admin key always is a way."""

    password: bool
    oidc: OidcWay | None = None


class Providers:
    """The provider of the rules as they are now: other rules are another provider, of whom nothing is known yet."""

    def __init__(self, services: AdminServices) -> None:
        self._services = services
        self._provider: Provider | None = None

    def current(self) -> Provider:
        """Raises `NotAdmittedError` OFF where there is none."""
        rules = self._services.sign_in().oidc
        if rules is None:
            raise NotAdmittedError(Refusal.OFF, "no provider is configured")
        if self._provider is None or self._provider.rules != rules:
            self._provider = Provider(rules, self._services.oidc_calls, self._services.clock)
        return self._provider

    async def end_session_url(self, id_token: Secret | None) -> str | None:
        """Where a browser that signs out here does so at the provider too; None where that cannot be had."""
        try:
            back_to = self._services.sign_in().public_url + SIGN_IN_PAGE
            return await self.current().end_session_url(id_token, back_to)
        except NotAdmittedError:
            return None


class _Arrivals:
    """From a provider's answer to a user."""

    def __init__(self, services: AdminServices, sessions: Sessions, flow: Flow) -> None:
        self._identities = services.store.identities
        self._sessions = sessions
        self._flow = flow

    async def of(self, provider: Provider, request: Request, redirect_uri: str, address: str) -> tuple[User, Tokens, str]:
        """Who comes, with which tokens, and the page to go on to. Raises `NotAdmittedError`, `GatewayError` and `StorageError`."""
        guesser = f"oidc:{address}"
        self._sessions.check(guesser)
        try:
            answer = dict(request.query_params)
            pending, code = self._flow.ended(request.cookies.get(FLOW_COOKIE, ""), answer, provider.rules)
            check_issuer(answer, await provider.metadata())
            tokens = await provider.redeem(code, pending.verifier, redirect_uri)
            claims = dict(await provider.claims(tokens, pending.nonce))
        except NotAdmittedError as error:
            if error.refusal in _COUNTED:
                self._sessions.failed(guesser)
            raise
        self._sessions.succeeded(guesser)
        if not is_complete(claims, provider.rules):
            claims = {**await provider.userinfo(tokens, str(claims["sub"])), **claims}
        return await self._admitted(claims, provider.rules, address), tokens, pending.goes_on

    async def _admitted(self, claims: dict[str, object], rules: OidcRules, address: str) -> User:
        person = identity_of(claims, rules)
        rule = rules.rule_for(person.groups)
        act = Act(SIGN_IN, address)
        try:
            return await asyncio.to_thread(self._identities.admit, person, rule, act, creates=rules.creates_users)
        except ValueError as error:
            raise NotAdmittedError(Refusal.NO_ROLE, f"a rule of `roles` leads nowhere: {error}") from None


def oidc_router(services: AdminServices, sessions: Sessions, providers: Providers) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(prefix="/session", tags=["session"])
    flow = Flow(services.clock)
    arrivals = _Arrivals(services, sessions, flow)
    prefix = "/admin/v1/session/oidc"

    @router.get("/ways", summary="How one may sign in here")
    async def ways() -> Ways:
        rules = services.sign_in()
        way = None if rules.oidc is None else OidcWay(name=rules.oidc.name, start=f"{rules.public_url}{prefix}/start")
        return Ways(password=rules.takes_passwords, oidc=way)

    @router.get("/oidc/start", status_code=303, response_class=RedirectResponse, summary="Leads a browser to the OpenID provider")
    async def start(request: Request, goes_on: str = Query("", alias="next", max_length=2_000)) -> Response:
        rules = services.sign_in()
        try:
            provider = providers.current()
            metadata = await provider.metadata()
        except NotAdmittedError as error:
            return _refused(error, request, rules)
        url, cookie = flow.begin(provider.rules, metadata, rules.public_url + f"{prefix}/callback", goes_on)
        response = RedirectResponse(url, 303)
        response.set_cookie(
            FLOW_COOKIE,
            cookie,
            max_age=LIFETIME_NS // NS_PER_S,
            httponly=True,
            samesite="lax",  # the provider's redirect comes from another site
            secure=is_secure(request, rules),
            path=prefix,
        )
        return response

    @router.get(
        "/oidc/callback", status_code=303, response_class=RedirectResponse, summary="Where the OpenID provider sends it back to"
    )
    async def callback(request: Request) -> Response:
        rules = services.sign_in()
        address = request.client.host if request.client is not None else ""
        try:
            provider = providers.current()
            user, tokens, goes_on = await arrivals.of(provider, request, rules.public_url + f"{prefix}/callback", address)
            note = Change("sign_in", "session", "", actor_of_user(user).name, after={"at": provider.rules.issuer})
            await asyncio.to_thread(services.store.transactions.note, Act(actor_of_user(user).name, address), note)
        except NotAdmittedError as error:
            return _refused(error, request, rules)
        except GatewayError as error:
            return _refused(NotAdmittedError(Refusal.LOCKED_OUT, error.public), request, rules)
        except StorageError as error:
            return _refused(NotAdmittedError(Refusal.UNAVAILABLE, f"the store: {error}"), request, rules)
        # Always another session than the one that the browser may have: a cookie that somebody planted is never taken over.
        sessions.close(request.cookies.get(COOKIE, ""))
        token, _ = sessions.open_at_provider(user, tokens.id_token if len(tokens.id_token.reveal()) <= _MAX_HINT else None)
        # Browsers do not send the new cookie with what follows from another site's redirect, as it is `Strict`. No page needs it:
        # the scripts of the page that comes next ask for everything, and they are of this site.
        response = _gone_on(goes_on, request, rules)
        give_cookie(response, request, token, rules)
        return response

    def _gone_on(path: str, request: Request, rules: SignInRules) -> Response:
        response = RedirectResponse(path, 303)
        response.delete_cookie(FLOW_COOKIE, path=prefix, httponly=True, samesite="lax", secure=is_secure(request, rules))
        return response

    def _refused(error: NotAdmittedError, request: Request, rules: SignInRules) -> Response:
        if error.detail and error.refusal not in _QUIET:
            sys.stderr.write(f"A sign-in by OpenID Connect came to nothing: {error.detail}\n")
        return _gone_on(f"{SIGN_IN_PAGE}?refused={error.refusal}", request, rules)

    return router
