from __future__ import annotations

import pytest
from tests.storage.test_ledger_store import attempt, settled


@pytest.fixture
def booked(people, clock):
    places = [("acme", "search"), ("acme", "ads"), ("other", "labs")]
    items = [
        settled(n, attempt(10**n), start_wall_ns=clock.wall, team=team, organisation=org) for n, (org, team) in enumerate(places)
    ]
    people.ledger.move("j_1", 0, 100, items)


async def test_a_statement_comes_as_json_csv_parquet_and_a_page(admin, booked):
    told = (await admin.get("/statements/2027-01", params={"payer": "organisation", "name": "acme"})).json()
    assert (told["total"]["charged_nanousd"], told["is_over"], told["divided_by"]) == (11, False, "team")
    table = await admin.get("/statements/2027-01", params={"format": "csv"})
    assert table.headers["content-type"].startswith("text/csv")
    assert "0.000000111" in table.text
    whole = await admin.get("/statements/2027-01", params={"format": "parquet"})
    assert (whole.headers["content-type"], whole.content[:4]) == ("application/vnd.apache.parquet", b"PAR1")
    page = await admin.get("/statements/2027-01", params={"format": "html", "payer": "team", "name": "search"})
    assert page.headers["content-type"].startswith("text/html")
    assert "script-src" not in page.headers["content-security-policy"]
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "$0.000000001" in page.text


@pytest.mark.parametrize("wrong", ["2027-13", "2027", "x"])
async def test_what_is_no_month_is_400(admin, wrong):
    assert (await admin.get(f"/statements/{wrong}")).status_code == 400


@pytest.mark.parametrize("wrong", [{"payer": "team"}, {"name": "x"}, {"payer": "model", "name": "x"}, {"format": "pdf"}])
async def test_who_has_no_statement_is_400(admin, wrong):
    assert (await admin.get("/statements/2027-01", params=wrong)).status_code == 400


async def test_a_place_sees_its_own_statement_and_no_others(as_user, booked):
    clerk = as_user("billing", organisation="acme")

    async def status(payer, name):
        return (await clerk.get("/statements/2027-01", params={"payer": payer, "name": name})).status_code

    assert [await status("organisation", "acme"), await status("team", "search")] == [200, 200]
    assert [await status("organisation", "other"), await status("team", "labs"), await status("user", "nobody")] == [403, 403, 403]
    assert (await clerk.get("/statements/2027-01")).status_code == 403
