from __future__ import annotations


async def test_who_did_what_is_listed_newest_first(admin, gateway):
    made = (await admin.post("/keys", json={"name": "ci"})).json()
    await admin.patch(f"/keys/{made['id']}", json={"is_blocked": True}, headers={"if-match": "*"})
    await admin.post("/config/reload")
    listed = (await admin.get("/audit", params={"limit": 2})).json()
    assert [(each["actor"], each["kind"], each["action"]) for each in listed["data"]] == [
        ("key:root", "configuration", "reload"),
        ("key:root", "key", "change"),
    ]
    assert listed["data"][1]["after"] == {"is_blocked": True}
    second = (await admin.get("/audit", params={"limit": 1, "cursor": listed["next_cursor"]})).json()["data"]
    assert [(each["action"], each["subject"]) for each in second] == [("create", "ci")]
    of_key = (await admin.get("/audit", params={"subject_id": made["id"]})).json()["data"]
    assert [each["action"] for each in of_key] == ["change", "create"]
    assert made["key"] not in (await admin.get("/audit")).text


async def test_only_who_looks_after_the_whole_gateway_reads_it(as_user):
    assert (await as_user("admin").get("/audit")).status_code == 200
    assert (await as_user("viewer").get("/audit")).status_code == 403
    assert (await as_user("owner", organisation="acme").get("/audit")).status_code == 403
