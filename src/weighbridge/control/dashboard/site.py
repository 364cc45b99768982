"""The dashboard as an ASGI application: pages and their files, under a policy that lets nothing in from elsewhere."""

from __future__ import annotations

from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from weighbridge.control.dashboard.assets import Asset, load_assets
from weighbridge.control.dashboard.pages import HOME, PREFIX, page_of, render_pages

SECURITY_HEADERS: Final = {
    # No inline script, no inline style, no other host: what a model or a caller wrote can never run.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"
_EXACT_PATHS: Final = frozenset(("/", PREFIX, "/favicon.ico"))


def is_dashboard_path(path: str) -> bool:
    """Whether a path of the control plane is the dashboard's."""
    return path in _EXACT_PATHS or path.startswith(f"{PREFIX}/")


def dashboard_site() -> Starlette:
    """The application. Files are read and pages rendered here, once."""
    assets = load_assets()
    pages = render_pages(assets)

    async def home(_request: Request) -> Response:
        return RedirectResponse(HOME.path, 303, {**SECURITY_HEADERS, "cache-control": _ASK_AGAIN})

    async def icon(request: Request) -> Response:
        return _answer(request, assets.by_path["icon.svg"], _ASK_AGAIN)

    async def static(request: Request) -> Response:
        asset = assets.by_path.get(request.path_params["path"])
        # A page of an older version must not mix its modules with newer ones: it is told to load itself again.
        is_known = asset is not None and request.path_params["version"] == assets.version
        return _answer(request, asset if is_known else None, _FOR_EVER)

    async def page(request: Request) -> Response:
        name = page_of(request.path_params["path"])
        return _answer(request, pages[name] if name is not None else None, _ASK_AGAIN)

    return Starlette(
        routes=[
            Route("/", home),
            Route(PREFIX, home),
            Route(f"{PREFIX}/", home),
            Route("/favicon.ico", icon),
            Route(f"{PREFIX}/static/{{version}}/{{path:path}}", static),
            Route(f"{PREFIX}/{{path:path}}", page),
        ]
    )


def _answer(request: Request, asset: Asset | None, caching: str) -> Response:
    if asset is None:
        return PlainTextResponse("There is no such page.\n", 404, {**SECURITY_HEADERS, "cache-control": "no-store"})
    is_compressed = asset.compressed is not None and _takes_gzip(request.headers.get("accept-encoding", ""))
    etag = f'"{asset.etag}-gz"' if is_compressed else f'"{asset.etag}"'
    headers = {**SECURITY_HEADERS, "cache-control": caching, "etag": etag, "vary": "accept-encoding"}
    if _has_it(request.headers.get("if-none-match", ""), etag):
        return Response(None, 304, headers)
    if is_compressed:
        headers["content-encoding"] = "gzip"
    body = asset.compressed if is_compressed and asset.compressed is not None else asset.body
    return Response(body, 200, headers, asset.media_type)


def _takes_gzip(accepted: str) -> bool:
    for part in accepted.lower().split(","):
        coding, _, weight = part.partition(";")
        if coding.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _has_it(condition: str, etag: str) -> bool:
    held = {part.strip().removeprefix("W/") for part in condition.split(",")}
    return "*" in held or etag in held
