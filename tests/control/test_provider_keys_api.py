"""Customers bring keys of their own at providers: each sees and changes those of his place, and nobody sees a secret again."""

from __future__ import annotations

import pytest

from weighbridge.auth.master_keys import MasterKeys
from weighbridge.auth.virtual_keys import mint_key
from weighbridge.core.secret import Secret
from weighbridge.providers.base import AuthStyle
from weighbridge.storage.stored_keys import NewKey

SECRET = "sk-planted-0123456789abcdef"
ORGANISATION = {"kind": "organisation", "name": "acme"}
TEAM = {"kind": "team", "name": "search"}


def wanted(owner=ORGANISATION, **fields):
    return {"owner": owner, "provider": "openai", "secret": SECRET, **fields}


@pytest.fixture
def bring(admin, people):
    async def brought(owner=ORGANISATION, **fields):
        answer = await admin.post("/provider-keys", json=wanted(owner, **fields))
        assert answer.status_code == 201, answer.text
        return answer

    return brought


@pytest.fixture
def virtual_key(people):
    def made(name, **facts):
        minted = mint_key()
        return people.create_key(NewKey(name=name, digest=minted.digest, hint=minted.hint, **facts)).key.id

    return made


async def test_one_is_brought_listed_changed_disabled_and_deleted(admin, bring, store):
    made = (await bring(label="Prod")).json()
    assert made | {"id": "", "created_at": ""} == {
        "id": "",
        "owner": ORGANISATION,
        "provider": "openai",
        "label": "Prod",
        "hint": "cdef",
        "state": "active",
        "falls_back": False,
        "created_at": "",
        "last_used_at": None,
    }
    path = f"/provider-keys/{made['id']}"
    changed = await admin.patch(path, json={"label": "Old", "falls_back": True, "is_disabled": True}, headers={"if-match": '"1"'})
    assert (changed.json()["label"], changed.json()["state"], changed.json()["falls_back"]) == ("Old", "disabled", True)
    listed = (await admin.get("/provider-keys")).json()
    assert [each["id"] for each in listed["data"]] == [made["id"]]
    assert (listed["can_create"], listed["providers"]) == (True, ["openai", "anthropic"])
    assert (await admin.patch(path, json={"is_disabled": False}, headers={"if-match": "*"})).json()["state"] == "active"
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(path)).json()["error"]["code"] == "provider_key_not_found"
    assert store.provider_keys.page().items == ()


async def test_a_change_says_of_which_version_and_of_what(admin, bring):
    path = f"/provider-keys/{(await bring()).json()['id']}"
    assert (await admin.patch(path, json={"label": "x"})).status_code == 428
    assert (await admin.patch(path, json={"label": "x"}, headers={"if-match": '"7"'})).status_code == 412
    assert (await admin.patch(path, json={}, headers={"if-match": "*"})).status_code == 400
    assert (await admin.patch(path, json={"secret": SECRET}, headers={"if-match": "*"})).status_code == 400
    assert (await admin.get(path)).headers["etag"] == '"1"'


async def test_the_secret_is_in_no_answer_and_not_in_the_audit_log(admin, bring):
    made = await bring()
    path = f"/provider-keys/{made.json()['id']}"
    answers = [made, *[await admin.get(each) for each in (path, "/provider-keys", "/audit")]]
    answers.append(await admin.post("/provider-keys", json=wanted(secret=SECRET + "\n", label="x")))
    answers.append(await admin.post("/provider-keys", json=wanted(secret={"x": SECRET})))
    assert all(SECRET not in answer.text for answer in answers)
    assert "provider key" in answers[3].text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"secret": "sk-...cdef"}, "mask"),
        ({"secret": "**********"}, "mask"),
        ({"secret": "wb-" + "k" * 43}, "of this gateway"),
        ({"secret": "short"}, "characters"),
        ({"provider": "nobody"}, "no provider"),
        ({"provider": "local"}, "takes no key"),
        ({"label": " x"}, "label"),
        ({"owner": {"kind": "key", "name": "key_none"}}, "no virtual key"),
        ({"owner": {"kind": "user", "name": "ann"}}, "kind"),
        ({"owner": {"kind": "team", "name": "a\0b"}}, "printable"),
    ],
)
async def test_what_cannot_be_brought_is_refused_with_the_reason(admin, people, gateway, fields, words):
    local = gateway.providers["openai"]
    gateway.providers["local"] = type(local)("local", local.bases, AuthStyle.NONE)
    answer = await admin.post("/provider-keys", json=wanted(**fields))
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"] + answer.json()["error"].get("param", "")


async def test_without_a_master_key_none_is_brought(admin, people, gateway):
    gateway.master_keys = MasterKeys()
    answer = await admin.post("/provider-keys", json=wanted())
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_master_key")
    assert "provider_keys.master_keys" in answer.json()["error"]["message"]
    assert (await admin.get("/provider-keys")).json()["can_create"] is False


async def test_one_that_no_master_key_opens_is_shown_as_that(admin, bring, gateway):
    made = (await bring()).json()
    gateway.master_keys = MasterKeys([Secret("another-" * 4)])
    assert (await admin.get(f"/provider-keys/{made['id']}")).json()["state"] == "unreadable"


async def test_a_create_that_comes_twice_makes_one(admin, people, store):
    again = {"idempotency-key": "a-key-of-16-chars"}
    answers = [await admin.post("/provider-keys", json=wanted(), headers=again) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len(store.provider_keys.page().items) == 1
    assert (await admin.post("/provider-keys", json=wanted(label="x"), headers=again)).status_code == 409


async def test_pages_have_each_once(admin, bring, clock):
    made = []
    for _ in range(3):
        clock.wall += 1
        made.append((await bring()).json()["id"])
    first = (await admin.get("/provider-keys", params={"limit": 2})).json()
    rest = (await admin.get("/provider-keys", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [each["id"] for each in (*first["data"], *rest["data"])] == made[::-1]
    assert (first["has_more"], rest["has_more"]) == (True, False)


# --- who --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "place", "owners"),
    [
        ("admin", {"organisation": "acme"}, {"organisation": True, "team": True, "key": True, "other": False}),
        ("admin", {"team": "search"}, {"organisation": False, "team": True, "key": True, "other": False}),
        ("admin", {"organisation": "other"}, {"organisation": False, "team": False, "key": False, "other": True}),
        ("member", {"organisation": "acme"}, dict.fromkeys(("organisation", "team", "key", "other"), False)),
        ("viewer", {"organisation": "acme"}, dict.fromkeys(("organisation", "team", "key", "other"), False)),
        ("billing", {}, dict.fromkeys(("organisation", "team", "key", "other"), False)),
        ("admin", {}, dict.fromkeys(("organisation", "team", "key", "other"), True)),
    ],
)
async def test_each_brings_keys_for_what_he_looks_after(as_user, virtual_key, role, place, owners):
    names = {
        "organisation": ORGANISATION,
        "team": TEAM,
        "key": {"kind": "key", "name": virtual_key("ci", team="search")},
        "other": {"kind": "organisation", "name": "other"},
    }
    client = as_user(role, **place)
    found = {name: (await client.post("/provider-keys", json=wanted(names[name]))).status_code == 201 for name in owners}
    assert found == owners


@pytest.mark.parametrize(
    ("place", "visible"),
    [
        ({"organisation": "acme"}, {"organisation", "team", "key"}),
        ({"team": "search"}, {"team", "key"}),
        ({"team": "ads"}, set()),
        ({"organisation": "other"}, set()),
        ({}, {"organisation", "team", "key", "file"}),
    ],
)
async def test_outsiders_can_neither_see_nor_change_nor_delete_them(bring, as_user, virtual_key, store, place, visible):
    owners = {"organisation": ORGANISATION, "team": TEAM, "key": {"kind": "key", "name": virtual_key("ci", team="search")}}
    owners["file"] = {"kind": "key", "name": "file:ci"}
    ids = {name: (await bring(owner)).json()["id"] for name, owner in owners.items()}
    client = as_user("admin", **place)
    listed = {each["id"] for each in (await client.get("/provider-keys")).json()["data"]}
    assert listed == {ids[name] for name in visible}
    for name, key_id in ids.items():
        path, any_version = f"/provider-keys/{key_id}", {"if-match": "*"}
        expected = (200, 200, 204) if name in visible else (404, 404, 404)
        answers = [
            await client.get(path),
            await client.patch(path, json={"label": "x"}, headers=any_version),
            await client.delete(path),
        ]
        assert tuple(answer.status_code for answer in answers) == expected, name
    assert {each.id for each in store.provider_keys.page().items} == set(ids.values()) - {ids[name] for name in visible}


async def test_a_viewer_sees_them_and_changes_nothing(bring, as_user):
    path = f"/provider-keys/{(await bring()).json()['id']}"
    client = as_user("viewer", organisation="acme")
    assert (await client.get(path)).status_code == 200
    assert (await client.patch(path, json={"label": "x"}, headers={"if-match": "*"})).status_code == 403
    assert (await client.delete(path)).status_code == 403


async def test_a_member_brings_one_for_a_virtual_key_of_his_own_and_for_no_other(as_user, virtual_key):
    client = as_user("member", team="search")
    own = {"kind": "key", "name": virtual_key("mine", user="member@search")}
    others = {"kind": "key", "name": virtual_key("theirs", team="search")}
    assert (await client.post("/provider-keys", json=wanted(own))).status_code == 201
    assert (await client.post("/provider-keys", json=wanted(others))).status_code == 403


async def test_names_of_the_configuration_alone_are_for_who_looks_after_the_gateway(admin, as_user, people):
    owner = {"kind": "team", "name": "of the file"}
    assert (await admin.post("/provider-keys", json=wanted(owner))).status_code == 201
    assert (await as_user("admin", organisation="acme").post("/provider-keys", json=wanted(owner))).status_code == 403
