"""Keys, teams, users, organisations and the audit log of the fake gateway."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, HTTPException, Request, Response
from tests.control.dashboard.fake_traffic import KEYS

from weighbridge.core.codec import decode_json


def people_router(world) -> APIRouter:
    """The routes over lists that the world holds from here on."""
    router = APIRouter()
    made = (world.now - timedelta(days=40)).isoformat()
    world.keys = [
        {
            "id": id_,
            "name": name,
            "hint": "x7Qa",
            "state": "active",
            "models": ["openai/*"] if name == "checkout-web" else [],
            "is_admin": False,
            "created_at": made,
            "expires_at": None,
            "revoked_at": None,
            "team": team,
            "user": user,
            "organisation": organisation,
            "tags": [],
        }
        for id_, name, team, user, organisation in KEYS
    ]
    world.organisations = [
        {"id": f"org_{name}", "name": name, "created_at": made, "is_blocked": False} for name in ("acme", "umbra")
    ]
    world.teams = [
        {"id": f"team_{index}", "name": name, "organisation": "acme", "created_at": made, "is_blocked": False}
        for index, name in enumerate(("payments", "support", "research", "platform", 'R&D "north"'))
    ]
    world.users = [
        {
            "id": f"user_{index}",
            "name": name,
            "email": f"{name.lower()}@example.com",
            "role": role,
            "organisation": "acme",
            "team": team,
            "is_service_account": False,
            "has_password": True,
            "created_at": made,
            "is_blocked": False,
        }
        for index, (name, role, team) in enumerate(
            (
                ("Maria", "member", "payments"),
                ("Jonas", "member", "support"),
                ("Wei", "viewer", "research"),
                ("Amara", "admin", "platform"),
            )
        )
    ]
    world.audit = [
        {
            "id": str(n),
            "at": made,
            "actor": "user:ada@example.com",
            "address": "192.0.2.1",
            "action": "change",
            "kind": "key",
            "subject_id": KEYS[n % 5][0],
            "subject": KEYS[n % 5][1],
            "before": {"models": []},
            "after": {"models": ["openai/*"]},
        }
        for n in range(12)
    ]
    world.provider_keys = [
        {
            "id": f"pkey_{index}",
            "owner": {"kind": kind, "name": name},
            "provider": "openai",
            "label": label,
            "hint": "9aQz",
            "state": state,
            "falls_back": index == 1,
            "created_at": made,
            "last_used_at": made if index == 0 else None,
        }
        for index, (kind, name, label, state) in enumerate(
            (
                ("organisation", "acme", "Production", "active"),
                ("team", 'R&D "north"', "<img src=x onerror=alert(1)>", "disabled"),
                ("key", KEYS[0][0], "", "unreadable"),
            )
        )
    ]
    world.can_bring = True
    world.versions = {}

    _add_keys(router, world)
    _add_provider_keys(router, world)
    for name in ("organisations", "teams", "users"):
        _add_collection(router, world, name)

    @router.get("/audit")
    async def audit():
        return page(world.audit)

    return router


def page(items: list[dict]) -> dict:
    return {"data": items, "has_more": False, "next_cursor": None}


def found(items: list[dict], id_: str) -> dict:
    item = next((item for item in items if item["id"] == id_), None)
    if item is None:
        raise HTTPException(404, "there is none with this id")
    return item


def _add_keys(router: APIRouter, world) -> None:
    @router.get("/keys")
    async def keys():
        return page(world.keys)

    @router.post("/keys", status_code=201)
    async def create(request: Request):
        told = decode_json(await request.body())
        if any(key["name"] == told["name"] and key["state"] == "active" for key in world.keys):
            raise HTTPException(409, f"there is a key named {told['name']} already")
        base = {"models": [], "is_admin": False, "team": "", "user": "", "organisation": "", "tags": []}
        now = datetime.now(UTC).isoformat()
        key = {**base, **told, "id": world.fresh("key"), "hint": "new1", "state": "active", "created_at": now, "revoked_at": None}
        key["expires_at"] = (datetime.now(UTC) + timedelta(hours=1)).isoformat() if told.get("expires") else None
        key.pop("expires", None)
        world.keys.insert(0, key)
        return {**key, "key": "wb-secret-of-a-new-key"}

    @router.get("/keys/{id_}")
    async def one(id_: str, response: Response):
        response.headers["etag"] = f'"{world.versions.get(id_, 0)}"'
        return found(world.keys, id_)

    @router.patch("/keys/{id_}")
    async def change(id_: str, request: Request):
        return _patched(world, found(world.keys, id_), request, decode_json(await request.body()))

    @router.delete("/keys/{id_}")
    async def revoke(id_: str):
        key = found(world.keys, id_)
        key.update(state="revoked", revoked_at=datetime.now(UTC).isoformat())
        return key

    @router.post("/keys/{id_}/rotate")
    async def rotate(id_: str, request: Request):
        decode_json(await request.body() or b"{}")
        return {**found(world.keys, id_), "key": "wb-secret-of-a-rotated-key"}


def _add_provider_keys(router: APIRouter, world) -> None:
    @router.get("/provider-keys")
    async def keys():
        return page(world.provider_keys) | {"can_create": world.can_bring, "providers": ["openai", "anthropic"]}

    @router.post("/provider-keys", status_code=201)
    async def create(request: Request):
        told = decode_json(await request.body())
        secret = told.pop("secret")
        if "..." in secret:
            raise HTTPException(400, "that is a mask, not a key: hand in the key itself")
        now = datetime.now(UTC).isoformat()
        key = {**told, "id": world.fresh("pkey"), "hint": secret[-4:], "state": "active", "created_at": now, "last_used_at": None}
        world.provider_keys.insert(0, key)
        return key

    @router.get("/provider-keys/{id_}")
    async def one(id_: str, response: Response):
        response.headers["etag"] = f'"{world.versions.get(id_, 0)}"'
        return found(world.provider_keys, id_)

    @router.patch("/provider-keys/{id_}")
    async def change(id_: str, request: Request):
        told = decode_json(await request.body())
        if (is_disabled := told.pop("is_disabled", None)) is not None:
            told["state"] = "disabled" if is_disabled else "active"
        return _patched(world, found(world.provider_keys, id_), request, told)

    @router.delete("/provider-keys/{id_}", status_code=204)
    async def delete(id_: str):
        world.provider_keys.remove(found(world.provider_keys, id_))


def _patched(world, item: dict, request: Request, told: dict) -> dict:
    if request.headers.get("if-match") != f'"{world.versions.get(item["id"], 0)}"':
        raise HTTPException(412, "somebody else has changed it")
    world.versions[item["id"]] = world.versions.get(item["id"], 0) + 1
    item.update(told)
    return item


def _add_collection(router: APIRouter, world, name: str) -> None:
    items: list[dict] = getattr(world, name)

    @router.get(f"/{name}")
    async def every():
        return page(items)

    @router.post(f"/{name}", status_code=201)
    async def create(request: Request):
        told = decode_json(await request.body())
        if "idempotency-key" not in request.headers:
            raise HTTPException(400, "send an idempotency-key")
        item = {"id": world.fresh(name[:-1]), "created_at": datetime.now(UTC).isoformat(), "is_blocked": False, **told}
        item.pop("password", None)
        items.append(item)
        return item

    @router.get(f"/{name}/{{id_}}")
    async def one(id_: str, response: Response):
        response.headers["etag"] = f'"{world.versions.get(id_, 0)}"'
        return found(items, id_)

    @router.patch(f"/{name}/{{id_}}")
    async def change(id_: str, request: Request):
        return _patched(world, found(items, id_), request, decode_json(await request.body()))

    @router.delete(f"/{name}/{{id_}}", status_code=204)
    async def drop(id_: str):
        items.remove(found(items, id_))
        return Response(status_code=204)
