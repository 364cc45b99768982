from __future__ import annotations

import pytest

from weighbridge.auth.virtual_keys import digest_of


async def test_a_key_is_shown_when_it_is_made_and_never_again(admin, store):
    body = {"name": "ci", "models": ["openai/*"], "expires": "30d"}
    reply = await admin.post("/keys", json=body)
    made = reply.json()
    assert reply.status_code == 201
    secret = made.pop("key")
    assert store.find_key(digest_of(secret.encode())).id == made["id"]
    assert (made["models"], made["state"], made["is_admin"]) == (["openai/*"], "active", False)
    assert (made["created_at"], made["expires_at"]) == ("2027-01-15T08:00:00Z", "2027-02-14T08:00:00Z")
    assert (await admin.get(f"/keys/{made['id']}")).json() == made
    assert secret not in (await admin.get("/keys")).text


async def test_an_admin_key_made_here_opens_the_api(admin):
    secret = (await admin.post("/keys", json={"name": "second", "is_admin": True})).json()["key"]
    assert (await admin.get("/status", headers={"authorization": f"Bearer {secret}"})).status_code == 200


async def test_a_revoked_key_says_so_and_can_be_revoked_again(admin, store):
    made = (await admin.post("/keys", json={"name": "ci"})).json()
    first = await admin.delete(f"/keys/{made['id']}")
    assert (first.status_code, first.json()["state"]) == (200, "revoked")
    assert (await admin.delete(f"/keys/{made['id']}")).json() == first.json()
    assert store.find_key(digest_of(made["key"].encode())) is None


async def test_a_name_in_use_is_a_conflict(admin):
    await admin.post("/keys", json={"name": "ci"})
    reply = await admin.post("/keys", json={"name": "ci"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "key_name_taken")


@pytest.mark.parametrize("body", [{"name": " blank"}, {"name": "key_1"}, {"name": "a", "models": ["two words"]}])
async def test_what_the_store_refuses_is_400_with_its_reason(admin, body):
    reply = await admin.post("/keys", json=body)
    assert reply.status_code == 400
    assert "name" in reply.json()["error"]["message"]


async def test_an_unknown_id_is_404_and_a_malformed_one_400(admin):
    unknown = "key_" + "0" * 24
    for call in (admin.get, admin.delete):
        assert (await call(f"/keys/{unknown}")).status_code == 404
        assert (await call("/keys/' OR 1")).status_code == 400
    assert (await admin.get(f"/keys?cursor={unknown}")).status_code == 404


async def test_pages_lead_through_every_key(admin, clock):
    for number in range(5):
        clock.wall += 1
        await admin.post("/keys", json={"name": f"k{number}"})
    names, cursor, more = [], {}, True
    while more:
        page = (await admin.get("/keys", params={"limit": 2, **cursor})).json()
        names += [key["name"] for key in page["data"]]
        more, cursor = page["has_more"], {"cursor": page["next_cursor"]}
    assert names == ["k4", "k3", "k2", "k1", "k0", "root"]
    assert cursor == {"cursor": None}


@pytest.mark.parametrize("limit", ["0", "201", "x", "-1"])
async def test_a_page_is_bounded(admin, limit):
    assert (await admin.get(f"/keys?limit={limit}")).status_code == 400
