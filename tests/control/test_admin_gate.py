from __future__ import annotations

import pytest

from weighbridge.control.admin_gate import MAX_BODY_BYTES
from weighbridge.storage.engine import DATABASE_FILE


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


PATHS = [
    ("GET", "/keys"),
    ("POST", "/keys"),
    ("GET", "/status"),
    ("GET", "/config"),
    ("POST", "/config/reload"),
    ("GET", "/nothing"),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_nothing_is_said_without_a_key_not_even_what_exists(anyone, method, path):
    reply = await anyone.request(method, path, content=b"not json")
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert reply.json()["error"]["type"] == "authentication"
    assert reply.json()["error"]["code"] == "missing_api_key"


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Basic YTpi", "wb-x", f"Bearer {'x' * 300}"])
async def test_what_is_no_bearer_key_is_refused(anyone, value):
    reply = await anyone.get("/status", headers={"authorization": value})
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "missing_api_key")


async def test_an_unknown_key_is_refused_and_not_repeated(anyone):
    reply = await anyone.get("/status", headers=bearer("wb-hunter2"))
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "invalid_api_key")
    assert "hunter2" not in reply.text + str(reply.headers)


async def test_a_virtual_key_that_is_no_admin_key_is_forbidden(anyone, make_key):
    reply = await anyone.get("/status", headers=bearer(make_key("app")))
    assert reply.status_code == 403
    assert reply.json()["error"] == {
        "type": "permission_denied",
        "code": "not_admin",
        "message": "this key is not an admin key: `weighbridge keys create --admin` makes one",
    }


async def test_an_expired_admin_key_no_longer_opens(anyone, make_key, clock):
    headers = bearer(make_key("root", is_admin=True, expires=clock.wall + 1))
    assert (await anyone.get("/status", headers=headers)).status_code == 200
    clock.wall += 1
    reply = await anyone.get("/status", headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "expired_api_key")


async def test_the_scheme_may_be_written_in_any_case(anyone, make_key):
    secret = make_key("root", is_admin=True)
    assert (await anyone.get("/status", headers={"authorization": f"bearer {secret}"})).status_code == 200


async def test_a_body_beyond_the_bound_is_refused_announced_or_not(admin):
    async def pieces():
        for _ in range(MAX_BODY_BYTES // 1024 + 1):
            yield b" " * 1024

    for content in (b" " * (MAX_BODY_BYTES + 1), pieces()):
        reply = await admin.post("/keys", content=content, headers={"content-type": "application/json"})
        assert reply.status_code == 413
        assert reply.json()["error"]["type"] == "payload_too_large"


async def test_every_answer_forbids_caching_framing_and_sniffing(admin, anyone):
    for path in ("/status", "/nothing", "/keys?limit=0", "/openapi.json"):
        headers = (await admin.get(path)).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert len(headers.get_list("cache-control")) == 1


async def test_a_store_that_cannot_answer_is_503_and_names_no_file(anyone, store, data_dir):
    store.close()
    for path in data_dir.iterdir():
        path.unlink()
    (data_dir / DATABASE_FILE).write_bytes(b"x" * 4096)
    reply = await anyone.get("/status", headers=bearer("wb-anything"))
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "store_unavailable")
    assert str(data_dir) not in reply.text
