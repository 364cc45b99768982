from __future__ import annotations

import pytest
from pyarrow import parquet
from tests.ledger.test_repricing import attempt
from tests.storage.test_ledger_store import settled

from weighbridge.control.archive import Archive
from weighbridge.control.archive_places import DirectoryPlace

DAY_NS = 86_400 * 10**9


@pytest.fixture
def booked(store, clock):
    facts = [{"end_user": "ann", "user": "olga"}, {"end_user": "bob", "user": "olga"}, {"end_user": "bob", "user": "cai"}]
    store.ledger.move("j_1", 0, 100, [settled(n, attempt(5), start_wall_ns=clock.wall, **each) for n, each in enumerate(facts)])
    clock.wall += 1


@pytest.mark.parametrize(("who", "n_requests"), [({"end_user": "ann"}, 1), ({"user": "olga"}, 2), ({"user": "nobody"}, 0)])
async def test_somebody_is_forgotten_and_the_list_says_how_much_and_never_who(admin, booked, who, n_requests):
    made = await admin.post("/erasures", json=who)
    assert made.status_code == 201
    assert (made.json()["kind"], made.json()["requests"]) == (next(iter(who)), n_requests)
    listed = await admin.get("/erasures")
    assert [each | {"archived_rows": 0} for each in listed.json()["data"]] == [made.json()]
    assert not any(name in listed.text for name in who.values())


async def test_one_that_is_sent_twice_is_done_once(admin, booked):
    header = {"idempotency-key": "ticket-17-of-the-helpdesk"}
    first, second = [(await admin.post("/erasures", json={"end_user": "ann"}, headers=header)).json() for _ in range(2)]
    assert first == second
    assert first["requests"] == 1
    assert len((await admin.get("/erasures")).json()["data"]) == 1


@pytest.mark.parametrize("wrong", [{}, {"end_user": "ann", "user": "olga"}, {"end_user": ""}, {"user": 7}, {"email": "ann"}])
async def test_who_is_meant_must_be_said_once(admin, booked, wrong):
    assert (await admin.post("/erasures", json=wrong)).status_code == 400
    assert (await admin.get("/erasures")).json()["data"] == []


async def test_only_who_looks_after_the_whole_gateway_may(as_user, booked):
    viewer, boss = as_user("viewer"), as_user("admin", organisation="acme")
    for who in (viewer, boss):
        assert (await who.post("/erasures", json={"end_user": "ann"})).status_code == 403
    assert (await boss.get("/erasures")).status_code == 403


async def test_archived_rows_go_too_and_a_place_that_was_away_is_asked_again(admin, gateway, store, booked, clock, tmp_path):
    cold = tmp_path / "cold"
    gateway.archive = Archive(DirectoryPlace(cold), store.archives, lambda: 0, clock)
    clock.wall += 2 * DAY_NS
    assert await gateway.archive.archive_due() == 3
    (file,) = cold.rglob("*.parquet")
    whole = file.read_bytes()
    file.write_bytes(b"damaged")
    header = {"idempotency-key": "ticket-17-of-the-helpdesk"}
    failed = await admin.post("/erasures", json={"end_user": "ann"}, headers=header)
    assert (failed.status_code, failed.json()["error"]["code"]) == (503, "archive_failed")
    file.write_bytes(whole)
    again = (await admin.post("/erasures", json={"end_user": "ann"}, headers=header)).json()
    assert (again["requests"], again["archived_rows"]) == (1, 1)
    assert {row["end_user"] for row in parquet.read_table(file).to_pylist()} == {"bob"}
