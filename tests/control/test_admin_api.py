from __future__ import annotations

from pathlib import Path


async def test_the_description_is_open_and_names_every_path_and_the_scheme(anyone):
    description = (await anyone.get("/openapi.json")).json()
    assert set(description["paths"]) == {
        f"/admin/v1{path}"
        for path in (
            "/keys",
            "/provider-keys",
            "/provider-keys/{key_id}",
            "/keys/{key_id}",
            "/keys/{key_id}/rotate",
            "/organisations",
            "/organisations/{organisation_id}",
            "/teams",
            "/teams/{team_id}",
            "/users",
            "/users/{user_id}",
            "/audit",
            "/alerts",
            "/alerts/test",
            "/statements/{month}",
            "/session/password",
            "/budgets/{budget_id}",
            "/credits",
            "/feedback",
            "/price-corrections",
            "/erasures",
            "/credits/{account_id}",
            "/credits/{account_id}/given",
            "/limits/{limit_id}",
            "/status",
            "/config",
            "/config/reload",
            "/records",
            "/usage",
            "/requests",
            "/requests/{request_id}",
            "/requests/{request_id}/payload",
            "/ledger/accounts",
            "/ledger/verify",
            "/budgets",
            "/limits",
            "/session",
            "/session/ways",
            "/session/oidc/start",
            "/session/oidc/callback",
            "/targets",
            "/targets/clear",
        )
    } | {"/metrics", "/v1/feedback"}
    assert description["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    for operations in description["paths"].values():
        assert all(operation["security"] for operation in operations.values())


async def test_the_description_does_not_tell_strangers_the_gateways_version(anyone):
    assert (await anyone.get("/openapi.json")).json()["info"]["version"] == "1"


async def test_no_page_loads_anything_from_another_host(admin):
    for path in ("http://gateway/docs", "http://gateway/redoc", "/docs"):
        assert (await admin.get(path)).status_code == 404


async def test_the_reference_page_names_every_operation(anyone):
    page = (Path(__file__).parents[2] / "docs" / "reference" / "admin-api.md").read_text(encoding="utf-8")
    paths = (await anyone.get("/openapi.json")).json()["paths"]
    operations = {f"`{method.upper()} {path}`" for path, methods in paths.items() for method in methods}
    assert {operation for operation in operations if operation not in page} == set()
