from __future__ import annotations


async def test_an_organisation_is_made_listed_blocked_and_deleted(admin):
    reply = await admin.post("/organisations", json={"name": "acme"})
    made = reply.json()
    assert (reply.status_code, made["name"], made["is_blocked"], reply.headers["etag"]) == (201, "acme", False, '"1"')
    path = f"/organisations/{made['id']}"
    assert (await admin.get(path)).json() == made
    assert (await admin.get("/organisations")).json()["data"] == [made]
    blocked = await admin.patch(path, json={"is_blocked": True}, headers={"if-match": '"1"'})
    assert (blocked.json()["is_blocked"], blocked.headers["etag"]) == (True, '"2"')
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(path)).json()["error"]["code"] == "organisation_not_found"


async def test_a_name_is_there_once_and_is_one(admin):
    await admin.post("/organisations", json={"name": "acme"})
    taken = await admin.post("/organisations", json={"name": "acme"})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "name_taken")
    wrong = await admin.post("/organisations", json={"name": " acme"})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "name")


async def test_its_own_people_see_it_and_leave_it_as_it_is(as_user, people):
    found = {each["name"]: each for each in (await as_user("owner").get("/organisations")).json()["data"]}
    acme, other = found["acme"], found["other"]
    boss = as_user("owner", organisation="acme")
    assert [each["name"] for each in (await boss.get("/organisations")).json()["data"]] == ["acme"]
    assert (await boss.get(f"/organisations/{acme['id']}")).status_code == 200
    assert (await boss.get(f"/organisations/{other['id']}")).status_code == 404
    change = await boss.patch(f"/organisations/{acme['id']}", json={"is_blocked": False}, headers={"if-match": "*"})
    assert change.status_code == 403
    assert (await boss.delete(f"/organisations/{acme['id']}")).status_code == 403
    assert (await boss.post("/organisations", json={"name": "mine"})).status_code == 403
