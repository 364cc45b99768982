"""The whole control plane as one application: the dashboard's paths, and the admin API for all others."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from weighbridge.control.dashboard.site import dashboard_site, is_dashboard_path


def control_site(admin: ASGIApp) -> ASGIApp:
    """The application; `admin` is the admin API. They stand side by side, so that neither one's rules weaken the other's: an answer
    of the API may never be kept, and no page needs a key."""
    dashboard = dashboard_site()

    async def site(scope: Scope, receive: Receive, send: Send) -> None:
        is_page = scope["type"] == "http" and is_dashboard_path(scope["path"])
        await (dashboard if is_page else admin)(scope, receive, send)

    return site
