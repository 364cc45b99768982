"""A provider, and a gateway whose people sign in there."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import httpx
import msgspec
import pytest
from tests.control.oidc.openid_provider import CLIENT, SECRET, openid_provider

from weighbridge.auth.people import Role
from weighbridge.auth.sign_in_rules import OidcRules, RoleRule, SignInRules
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.secret import Secret

CALLBACK = "/session/oidc/callback"


@pytest.fixture
def provider(clock):
    with openid_provider() as running:
        running.now_s = lambda: clock.wall // NS_PER_S
        yield running


@pytest.fixture
def rules(provider) -> OidcRules:
    roles = (RoleRule(Role.ADMIN, "admins"), RoleRule(Role.VIEWER, "staff"))
    return OidcRules(provider.issuer, CLIENT, Secret(SECRET), "Acme", ("openid", "email"), roles=roles, creates_users=True)


class Arrival:
    """A browser's way to the provider and back, a step at a time."""

    def __init__(self, gateway, browser: httpx.AsyncClient, provider, rules: OidcRules) -> None:
        self._gateway = gateway
        self.browser = browser
        self.provider = provider
        self.rules = rules
        self.set()

    def set(self, **changes) -> None:
        """Other rules."""
        self.rules = msgspec.structs.replace(self.rules, **changes)
        self._gateway.sign_in = SignInRules(public_url="http://gateway", oidc=self.rules)

    async def begin(self, **query) -> str:
        """The provider's address that a browser is led to."""
        reply = await self.browser.get("/session/oidc/start", params=query)
        assert reply.status_code == 303
        return reply.headers["location"]

    async def consent(self, url: str) -> dict:
        """Sign in there: what the provider sends back with the browser."""
        async with httpx.AsyncClient() as elsewhere:
            reply = await elsewhere.get(url)
        back = urlsplit(reply.headers["location"])
        assert f"{back.scheme}://{back.netloc}{back.path}" == f"http://gateway/admin/v1{CALLBACK}"
        return dict(parse_qsl(back.query))

    async def end(self, answer: dict) -> httpx.Response:
        reply = await self.browser.get(CALLBACK, params=answer)
        assert reply.status_code == 303
        return reply

    async def whole(self, **query) -> httpx.Response:
        """All of it."""
        return await self.end(await self.consent(await self.begin(**query)))

    async def refused(self, **query) -> str:
        """The word with which all of it is refused. Nobody is signed in then."""
        return self.word(await self.whole(**query))

    def word(self, reply: httpx.Response) -> str:
        path, _, word = reply.headers["location"].partition("?refused=")
        assert path == "/dashboard/sign-in"
        assert "weighbridge_session" not in reply.headers.get("set-cookie", "")
        return word


@pytest.fixture
def arrival(gateway, anyone, provider, rules) -> Arrival:
    return Arrival(gateway, anyone, provider, rules)
