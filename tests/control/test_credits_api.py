from __future__ import annotations

import pytest

from weighbridge.storage.credit_store import counter_of
from weighbridge.storage.ledger_checks import verify

ANY = {"if-match": "*"}
USD = 1_000_000_000
LONE = {"payer": {"kind": "team", "name": "lone"}, "amount_nanousd": 5 * USD}


async def test_credits_are_given_shown_and_add_up(admin, people, gateway):
    reply = await admin.post("/credits", json={**LONE, "note": "INV-7"})
    made = reply.json()
    assert (reply.status_code, reply.headers["etag"]) == (201, '"1"')
    assert (made["payer"], made["balance_nanousd"], made["is_prepaid"], made["next_expiry"]) == (LONE["payer"], 5 * USD, True, None)
    again = await admin.post("/credits", json={**LONE, "kind": "grant", "amount_nanousd": 1, "expires": "30d"})
    assert (again.json()["id"], again.json()["given_nanousd"]) == (made["id"], 5 * USD + 1)
    gateway.levels[counter_of("team:lone")] = (2 * USD, 7)
    shown = (await admin.get(f"/credits/{made['id']}")).json()
    assert (shown["charged_nanousd"], shown["held_nanousd"], shown["balance_nanousd"]) == (2 * USD, 7, 3 * USD + 1)
    assert [each["id"] for each in (await admin.get("/credits")).json()["data"]] == [made["id"]]
    history = (await admin.get(f"/credits/{made['id']}/given")).json()
    assert sorted((each["kind"], each["note"]) for each in history["data"]) == [("grant", ""), ("top_up", "INV-7")]
    assert verify(people.ledger).is_sound


async def test_a_payment_that_is_sent_twice_is_booked_once(admin, people):
    header = {"idempotency-key": "payment-7-of-november"}
    first = await admin.post("/credits", json=LONE, headers=header)
    second = await admin.post("/credits", json=LONE, headers=header)
    assert (second.status_code, second.json()) == (201, first.json())
    other = await admin.post("/credits", json={**LONE, "amount_nanousd": 1}, headers=header)
    assert other.status_code == 409
    assert first.json()["given_nanousd"] == 5 * USD


async def test_the_history_comes_in_pages(admin, people, clock):
    for number in range(3):
        clock.wall += 1
        made = (await admin.post("/credits", json={**LONE, "amount_nanousd": number + 1})).json()
    path = f"/credits/{made['id']}/given"
    first = (await admin.get(path, params={"limit": 2})).json()
    rest = (await admin.get(path, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [each["amount_nanousd"] for each in first["data"] + rest["data"]] == [3, 2, 1]
    assert (first["has_more"], rest["has_more"], rest["next_cursor"]) == (True, False, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_nanousd": 0},
        {"amount_nanousd": 2**60},
        {"amount_nanousd": "5"},
        {"kind": "loan"},
        {"payer": {"kind": "gateway", "name": "x"}},
        {"payer": {"kind": "team", "name": ""}},
        {"expires": "yesterday"},
        {"expires": "2001-01-01"},
        {"note": "a\nb"},
        {"colour": "red"},
    ],
)
async def test_what_no_credit_can_be_is_refused(admin, people, wrong):
    reply = await admin.post("/credits", json={**LONE, **wrong})
    assert reply.status_code == 400
    assert people.credits.accounts() == []


async def test_who_does_not_pay_is_given_nothing(admin, people, make_key):
    """Its organisation is charged for what it does, so credits of its own would never be used."""
    reply = await admin.post("/credits", json={**LONE, "payer": {"kind": "team", "name": "search"}})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "payer")
    assert "organisation:acme pays for team:search" in reply.json()["error"]["message"]


async def test_the_customer_is_left_to_pay_later_by_who_has_seen_the_account(admin, people):
    made = (await admin.post("/credits", json=LONE)).json()
    path = f"/credits/{made['id']}"
    assert (await admin.patch(path, json={"is_prepaid": False})).status_code == 428
    changed = await admin.patch(path, json={"is_prepaid": False, "alert_below_nanousd": USD}, headers={"if-match": '"1"'})
    assert (changed.json()["is_prepaid"], changed.json()["alert_below_nanousd"], changed.headers["etag"]) == (False, USD, '"2"')
    assert (await admin.patch(path, json={"is_prepaid": True}, headers={"if-match": '"1"'})).status_code == 412
    assert (await admin.patch(path, json={}, headers=ANY)).status_code == 400
    assert people.credits.prepaid() == ()


async def test_nobody_gives_credits_to_himself(as_user, people):
    owner, boss, member = as_user("owner"), as_user("owner", organisation="acme"), as_user("member", organisation="acme")
    acme = {**LONE, "payer": {"kind": "organisation", "name": "acme"}}
    assert (await boss.post("/credits", json=acme)).status_code == 403
    made = (await owner.post("/credits", json=acme)).json()
    theirs = (await owner.post("/credits", json={**LONE, "payer": {"kind": "organisation", "name": "other"}})).json()
    assert [each["id"] for each in (await boss.get("/credits")).json()["data"]] == [made["id"]]
    assert (await member.get(f"/credits/{made['id']}")).status_code == 200
    assert (await boss.get(f"/credits/{theirs['id']}")).status_code == 404
    assert (await boss.get(f"/credits/{theirs['id']}/given")).status_code == 404
    assert (await boss.patch(f"/credits/{made['id']}", json={"is_prepaid": False}, headers=ANY)).status_code == 403
