from __future__ import annotations

from weighbridge.core.alerts import AlertOn, Condition, Severity


async def test_what_fires_is_listed_and_a_test_says_what_arrived(admin, store):
    store.alerts.fire(Condition("target/a", AlertOn.TARGET, Severity.WARNING, "a is down", "5 of 10 failed"), "host_1")
    [told] = (await admin.get("/alerts")).json()["data"]
    assert (told["id"], told["rule"], told["severity"], told["title"], told["host"]) == (
        "target/a",
        "target",
        "warning",
        "a is down",
        "host_1",
    )
    reply = await admin.post("/alerts/test")
    assert reply.json() == {"destinations": {"ops": "", "mail": "there is no mail server"}}
    assert (await admin.get("/audit")).json()["data"][0]["action"] == "test"


async def test_it_is_for_who_looks_after_the_gateway(as_user):
    assert (await as_user("viewer").get("/alerts")).status_code == 200
    assert (await as_user("viewer").post("/alerts/test")).status_code == 403
    assert (await as_user("owner", team="search").get("/alerts")).status_code == 403
