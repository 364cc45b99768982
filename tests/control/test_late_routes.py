from __future__ import annotations

import httpx
from fastapi import APIRouter, FastAPI
from starlette.routing import Route

from weighbridge.control.admin_api import PREFIX, admin_app
from weighbridge.control.late_routes import LateRoutes


def greeting(made: list[str]) -> APIRouter:
    made.append("greeting")
    router = APIRouter(redirect_slashes=False)

    @router.get("/greeting/{name}")
    async def greet(name: str) -> str:
        return f"hello, {name}"

    return router


async def test_routes_are_made_once_and_only_when_somebody_asks_for_one():
    made: list[str] = []
    app = FastAPI(routes=[Route("/greeting{rest:path}", LateRoutes(lambda: greeting(made)))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        assert (await client.get("/elsewhere")).status_code == 404
        assert made == []
        for name in ("ada", "bob"):
            assert (await client.get(f"/greeting/{name}")).json() == f"hello, {name}"
        assert (await client.post("/greeting/ada")).status_code == 405
        assert (await client.get("/greeting/ada/more")).status_code == 404
    assert made == ["greeting"]


async def test_every_path_of_the_admin_api_leads_to_the_routes_that_have_it(services, admin):
    paths = admin_app(services).openapi()["paths"]
    assert len(paths) > 40
    for path, operations in paths.items():
        # A method that nobody has: routes that know the path say 405, and others that there is no such thing.
        answer = await admin.request("TRACE", f"http://gateway{path}", headers={"x-csrf-token": "x"})
        assert answer.status_code == 405, (path, operations)
    assert (await admin.get(f"http://gateway{PREFIX}/keysmith")).status_code == 404
