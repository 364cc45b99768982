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


# --- changing, rotating, and whose they are

ANY = {"if-match": "*"}


async def test_a_key_has_an_owner_and_what_it_may(admin, people, store):
    terms = {
        "team": "search",
        "addresses": ["10.0.0.0/8"],
        "max_output_tokens": 100,
        "tags": ["prod"],
        "priority": 5,
        "demand": {"regions": ["eu"], "zdr": True, "max_retention_days": None, "no_training": False},
    }
    made = (await admin.post("/keys", json={"name": "ci", **terms})).json()
    assert {name: made[name] for name in terms} == terms
    assert made["organisation"] == "acme"
    key = store.find_key(digest_of(made["key"].encode()))
    assert (key.team, key.demand.regions, key.max_output_tokens) == ("search", ("eu",), 100)


@pytest.mark.parametrize(
    "wrong",
    [{"team": "nowhere"}, {"user": "nobody"}, {"addresses": ["10.0.0.1/8"]}, {"tags": ["a,b"]}, {"demand": {"colour": "red"}}],
)
async def test_what_is_not_there_or_cannot_be_is_refused(admin, people, wrong):
    assert (await admin.post("/keys", json={"name": "ci", **wrong})).status_code == 400


async def test_a_change_leaves_the_rest_and_null_takes_away(admin, people):
    made = await admin.post("/keys", json={"name": "ci", "expires": "30d", "max_output_tokens": 9, "tags": ["a"]})
    path = f"/keys/{made.json()['id']}"
    change = {"expires": None, "max_output_tokens": None, "models": ["gpt-*"], "team": "ads"}
    changed = await admin.patch(path, json=change, headers={"if-match": made.headers["etag"]})
    told = changed.json()
    assert (told["expires_at"], told["max_output_tokens"], told["models"]) == (None, None, ["gpt-*"])
    assert (told["team"], told["organisation"], told["tags"]) == ("ads", "acme", ["a"])
    late = await admin.patch(path, json={"team": ""}, headers={"if-match": made.headers["etag"]})
    assert late.status_code == 412


async def test_a_blocked_key_is_blocked_until_it_is_not(admin, store):
    made = (await admin.post("/keys", json={"name": "ci"})).json()
    blocked = (await admin.patch(f"/keys/{made['id']}", json={"is_blocked": True}, headers=ANY)).json()
    assert (blocked["state"], blocked["is_blocked"]) == ("blocked", True)
    assert store.find_key(digest_of(made["key"].encode())).is_blocked
    again = (await admin.patch(f"/keys/{made['id']}", json={"is_blocked": False}, headers=ANY)).json()
    assert again["state"] == "active"


async def test_a_rotated_key_has_two_secrets_for_a_while(admin, store, clock):
    made = (await admin.post("/keys", json={"name": "ci"})).json()
    reply = await admin.post(f"/keys/{made['id']}/rotate", json={"overlap": "30m"})
    rotated = reply.json()
    assert (reply.status_code, rotated["id"], rotated["name"]) == (201, made["id"], "ci")
    assert rotated["key"] != made["key"]
    old, new = (store.find_key(digest_of(secret.encode())) for secret in (made["key"], rotated["key"]))
    assert (old.id, new.id, old.expires_wall_ns) == (made["id"], made["id"], clock.wall + 1_800_000_000_000)
    for wrong in ("soon", "91d", "-1h"):
        assert (await admin.post(f"/keys/{made['id']}/rotate", json={"overlap": wrong})).status_code == 400


async def test_a_create_that_is_sent_again_shows_the_same_secret_and_the_database_has_none(admin, store, data_dir):
    headers = {"idempotency-key": "a-secret-that-only-the-sender-has"}
    first, second = [await admin.post("/keys", json={"name": "ci"}, headers=headers) for _ in range(2)]
    assert (second.status_code, second.json()) == (201, first.json())
    rotate = f"/keys/{first.json()['id']}/rotate"
    once = {"idempotency-key": "another-secret-of-the-sender"}
    third, fourth = [await admin.post(rotate, json={}, headers=once) for _ in range(2)]
    assert third.json()["key"] == fourth.json()["key"] != first.json()["key"]
    kept = b"".join(path.read_bytes() for path in data_dir.glob("weighbridge.db*"))
    for secret in (first.json()["key"], third.json()["key"], headers["idempotency-key"]):
        assert secret.encode() not in kept


async def test_a_member_has_keys_of_the_own_and_no_others(as_user):
    member, boss = as_user("member", team="search"), as_user("admin", team="search")
    mine = (await member.post("/keys", json={"name": "mine"})).json()
    assert (mine["user"], mine["team"], mine["organisation"]) == ("member@search", "search", "acme")
    theirs = (await boss.post("/keys", json={"name": "theirs"})).json()
    assert (theirs["user"], theirs["team"]) == ("", "search")
    assert (await member.patch(f"/keys/{mine['id']}", json={"tags": ["x"]}, headers=ANY)).status_code == 200
    assert (await member.post(f"/keys/{mine['id']}/rotate", json={})).status_code == 201
    for path in (f"/keys/{theirs['id']}",):
        assert (await member.get(path)).status_code == 200
        assert (await member.patch(path, json={"tags": ["x"]}, headers=ANY)).status_code == 403
        assert (await member.post(f"{path}/rotate", json={})).status_code == 403
        assert (await member.delete(path)).status_code == 403
    # Nor does a member's spend go to another team, or a key to another user.
    for elsewhere in ({"team": "ads"}, {"team": "labs"}, {"user": "admin@search"}):
        assert (await member.patch(f"/keys/{mine['id']}", json=elsewhere, headers=ANY)).status_code == 403
    assert (await member.post("/keys", json={"name": "x", "user": "member@search", "team": "ads"})).status_code == 403
    assert (await member.delete(f"/keys/{mine['id']}")).status_code == 200


async def test_keys_of_another_place_are_not_there(as_user, admin):
    theirs = (await admin.post("/keys", json={"name": "theirs", "team": "labs"})).json()
    whole = (await admin.post("/keys", json={"name": "whole"})).json()
    boss = as_user("owner", team="search")
    for key in (theirs, whole):
        path = f"/keys/{key['id']}"
        replies = [
            await boss.get(path),
            await boss.patch(path, json={"tags": ["x"]}, headers=ANY),
            await boss.post(f"{path}/rotate", json={}),
            await boss.delete(path),
        ]
        assert [reply.status_code for reply in replies] == [404] * 4
    names = {each["name"] for each in (await boss.get("/keys")).json()["data"]}
    assert not names & {"theirs", "whole", "root"}


async def test_nobody_gets_an_admin_key_that_may_more_than_the_own_role(as_user):
    owner, boss, member = as_user("owner"), as_user("admin", team="search"), as_user("member", team="search")
    as_user("owner", team="search")
    refused = [
        (boss, {"name": "a", "is_admin": True}),
        (boss, {"name": "b", "is_admin": True, "user": "owner@search"}),
        (boss, {"name": "c", "is_admin": True, "user": "owner@everywhere", "team": "search"}),
        (as_user("admin"), {"name": "d", "is_admin": True}),
    ]
    for client, body in refused:
        assert (body, (await client.post("/keys", json=body)).status_code) == (body, 403)
    own = await member.post("/keys", json={"name": "e", "is_admin": True})
    assert (own.status_code, own.json()["user"]) == (201, "member@search")
    # Nor by giving a key to somebody mightier, or rotating a mightier one's.
    path = f"/keys/{own.json()['id']}"
    assert (await boss.patch(path, json={"user": "owner@search"}, headers=ANY)).status_code == 403
    mightier = (await owner.post("/keys", json={"name": "f", "is_admin": True, "user": "owner@search"})).json()
    assert (await boss.post(f"/keys/{mightier['id']}/rotate", json={})).status_code == 403
    assert (await boss.patch(f"/keys/{mightier['id']}", json={"user": ""}, headers=ANY)).status_code == 403
