from __future__ import annotations

import pytest
from tests.ledger.test_repricing import attempt, book
from tests.storage.test_ledger_store import settled


@pytest.fixture
def booked(store, gateway, clock):
    gateway.prices = book(2, 20)
    store.ledger.move("j_1", 0, 100, [settled(1, attempt(600_000), start_wall_ns=clock.wall)])


async def test_a_correction_is_looked_at_booked_and_shown(admin, booked):
    asked = {"from": "-1d", "models": "openai/*"}
    looked = (await admin.post("/price-corrections", json=asked)).json()
    assert (looked["id"], looked["lines"][0]["after"], looked["requests"]) == (None, 1_200_000, 1)
    assert (await admin.get("/price-corrections")).json()["data"] == []
    made = (await admin.post("/price-corrections", json={**asked, "apply": True, "reason": "late list"})).json()
    (listed,) = (await admin.get("/price-corrections")).json()["data"]
    assert (listed["id"], listed["cost_nanousd"], listed["attempts"], listed["reason"]) == (made["id"], 600_000, 1, "late list")
    shown = (await admin.get("/requests/req_1")).json()
    assert [(each["reason"], each["cost_nanousd"]) for each in shown["corrections"]] == [("late list", 600_000)]
    assert shown["cost_nanousd"] == 600_000  # the original stays
    told = (await admin.get("/statements/2027-01")).json()
    assert told["due_nanousd"] == told["total"]["charged_nanousd"] + 600_000
    assert "late list" in (await admin.get("/statements/2027-01", params={"format": "html"})).text
    assert "correction: late list" in (await admin.get("/statements/2027-01", params={"format": "csv"})).text


async def test_a_correction_that_is_sent_twice_is_made_once(admin, booked):
    asked = {"from": "-1d", "apply": True, "reason": "late list"}
    header = {"idempotency-key": "correction-of-november"}
    first, second = [(await admin.post("/price-corrections", json=asked, headers=header)).json() for _ in range(2)]
    assert first["id"] is not None
    assert second["lines"] == []
    assert len((await admin.get("/price-corrections")).json()["data"]) == 1


@pytest.mark.parametrize(
    "wrong",
    [{}, {"from": "yesterday"}, {"from": "-1d", "apply": True}, {"from": "-1d", "colour": 1}, {"from": "-1d", "reason": "a\nb"}],
)
async def test_what_cannot_be_asked_is_400(admin, wrong):
    assert (await admin.post("/price-corrections", json=wrong)).status_code == 400


async def test_only_who_looks_after_the_whole_gateway_books(as_user, booked):
    viewer, boss = as_user("viewer"), as_user("admin", organisation="acme")
    asked = {"from": "-1d"}
    assert (await viewer.post("/price-corrections", json=asked)).status_code == 200
    assert (await viewer.post("/price-corrections", json={**asked, "apply": True, "reason": "x"})).status_code == 403
    assert (await boss.post("/price-corrections", json=asked)).status_code == 403
    assert (await boss.get("/price-corrections")).status_code == 403
