from __future__ import annotations

import gzip

import httpx
import pytest

from weighbridge.control.dashboard.assets import load_assets
from weighbridge.control.dashboard.site import dashboard_site, is_dashboard_path

TOP = f"/dashboard/static/{load_assets().version}"


@pytest.fixture
async def site():
    transport = httpx.ASGITransport(dashboard_site())
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers={"accept-encoding": "identity"}) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/dashboard", "/dashboard/", "/dashboard/overview", "/favicon.ico"])
def test_paths_of_the_dashboard(path):
    assert is_dashboard_path(path)


@pytest.mark.parametrize("path", ["/admin", "/admin/v1/keys", "/metrics", "/dashboards", "/v1/models", ""])
def test_other_paths(path):
    assert not is_dashboard_path(path)


@pytest.mark.parametrize("path", ["/", "/dashboard", "/dashboard/"])
async def test_the_root_leads_to_the_overview(site, path):
    answer = await site.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard/overview")


@pytest.mark.parametrize("path", ["/", "/dashboard/overview", "/dashboard/nothing", f"{TOP}/app.js", "/favicon.ico"])
async def test_every_answer_has_the_strict_policy(site, path):
    headers = (await site.get(path)).headers
    policy = headers["content-security-policy"]
    assert policy == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", ["/dashboard/nothing", "/dashboard/overview/x", f"{TOP}/nothing.js", f"{TOP}/../site.py"])
async def test_what_is_not_there_is_a_404_that_is_not_kept(site, path):
    answer = await site.get(path)
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")


async def test_a_file_of_this_version_is_kept_for_ever(site):
    answer = await site.get(f"{TOP}/app.js")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.content == load_assets().by_path["app.js"].body


async def test_a_file_of_another_version_is_not_given_for_it(site):
    assert (await site.get("/dashboard/static/0123456789abcdef0123/app.js")).status_code == 404


async def test_a_page_is_asked_for_again_each_time(site):
    answer = await site.get("/dashboard/requests/req_1")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_an_etag_that_is_still_right_spares_the_bytes(site):
    etag = (await site.get("/dashboard/overview")).headers["etag"]
    assert not etag.startswith("W/")
    again = await site.get("/dashboard/overview", headers={"if-none-match": f'"other", {etag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert (await site.get("/dashboard/overview", headers={"if-none-match": '"other"'})).status_code == 200


@pytest.mark.parametrize("accepted", ["gzip", "br, gzip;q=0.5", "*", "GZIP"])
async def test_a_browser_that_takes_gzip_gets_it_under_an_etag_of_its_own(site, accepted):
    plain = await site.get(f"{TOP}/app.js")
    async with site.stream("GET", f"{TOP}/app.js", headers={"accept-encoding": accepted}) as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content
    assert answer.headers["etag"] != plain.headers["etag"]
    assert answer.headers["vary"] == "accept-encoding"


@pytest.mark.parametrize("accepted", ["identity", "br", "gzip;q=0", "gzip; q=0.0"])
async def test_one_that_does_not_gets_plain_bytes(site, accepted):
    answer = await site.get(f"{TOP}/app.js", headers={"accept-encoding": accepted})
    assert "content-encoding" not in answer.headers


async def test_nothing_can_be_written_to_it(site):
    assert (await site.post("/dashboard/overview")).status_code == 405


async def test_a_head_request_tells_the_same_headers(site):
    head, get = await site.head("/dashboard/overview"), await site.get("/dashboard/overview")
    assert head.headers["etag"] == get.headers["etag"]
