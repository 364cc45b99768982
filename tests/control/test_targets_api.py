from __future__ import annotations

from tests.control.test_target_board import status


async def test_each_target_is_told_with_its_state_reason_and_time(admin, gateway):
    gateway.targets = [status("openai/gpt-5", state="open", reason="breaker_open: 5 failed in a row", retry_in_ns=3_000_000_000)]
    (told,) = (await admin.get("/targets")).json()["data"]
    assert told["id"] == "openai/gpt-5"
    assert (told["state"], told["reason"], told["retry_in_ns"]) == ("open", "breaker_open: 5 failed in a row", 3_000_000_000)
    assert told["keys"][0]["name"] == "openai#1"


async def test_an_operator_says_that_a_target_is_well(admin, gateway):
    gateway.targets = [status("openai/gpt-5")]
    assert (await admin.post("/targets/clear", json={"name": "openai/gpt-5"})).status_code == 204
    assert gateway.cleared == ["openai/gpt-5"]
    missing = await admin.post("/targets/clear", json={"name": "nobody/x"})
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "target_not_found")
    for body in ({}, {"name": ""}, {"name": "x", "more": 1}):
        assert (await admin.post("/targets/clear", json=body)).status_code == 400


async def test_only_admins_see_or_clear_targets(anyone):
    assert (await anyone.get("/targets")).status_code == 401
    assert (await anyone.post("/targets/clear", json={"name": "x"})).status_code == 401
