from __future__ import annotations

import httpx
import pytest
from starlette.responses import PlainTextResponse

from weighbridge.control.control_site import control_site


@pytest.fixture
async def site():
    transport = httpx.ASGITransport(control_site(PlainTextResponse("the admin API")))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


@pytest.mark.parametrize("path", ["/dashboard/overview", "/dashboard/sign-in", "/favicon.ico"])
async def test_pages_need_no_key(site, path):
    assert (await site.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/admin", "/admin/v1/keys", "/metrics", "/anything"])
async def test_everything_else_is_the_admin_apis(site, path):
    assert (await site.get(path)).text == "the admin API"
