"""The cookie of a signed-in browser: out of reach of scripts and other sites, and for HTTPS alone where browsers come so."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from weighbridge.auth.sign_in_rules import SignInRules
from weighbridge.control.sessions import COOKIE, LIFETIME_NS
from weighbridge.core.clock import NS_PER_S


def is_secure(request: Request, rules: SignInRules) -> bool:
    """Whether a cookie is for HTTPS alone. How browsers come is for the configuration to say: a worker, and often a proxy, stands
    between them and the control plane."""
    return rules.is_secure or request.url.scheme == "https"


def give_cookie(response: Response, request: Request, token: str, rules: SignInRules) -> None:
    """Put a session's token into the browser."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=LIFETIME_NS // NS_PER_S,
        httponly=True,
        samesite="strict",
        secure=is_secure(request, rules),
        path="/",
    )


def take_cookie(response: Response, request: Request, rules: SignInRules) -> None:
    """Take it out again."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict", secure=is_secure(request, rules))
