from __future__ import annotations

import asyncio

import httpx
import pytest
from tests.storage.test_ledger_store import attempt, settled

from weighbridge.auth.virtual_keys import mint_key
from weighbridge.control import feedback_api
from weighbridge.control.admin_api import admin_app
from weighbridge.storage.stored_keys import NewKey


@pytest.fixture
def key(people):
    """Makes keys: the stored one, and the header with its secret."""

    def made(name, **facts):
        minted = mint_key()
        stored = people.create_key(NewKey(name=name, digest=minted.digest, hint=minted.hint, **facts))
        return stored.key, {"authorization": f"Bearer {minted.secret.reveal()}"}

    return made


@pytest.fixture
def app_key(key, people):
    """The key of three requests."""
    mine, header = key("app", team="lone")
    models = ((1, "gpt-5"), (2, "gpt-5"), (3, "mini"))
    people.ledger.move("j_1", 0, 9, [settled(n, attempt(5), key_id=mine.id, team="lone", model=model) for n, model in models])
    return header


@pytest.fixture
async def public(services):
    transport = httpx.ASGITransport(admin_app(services), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


def give(public, header, number=1, **said):
    return public.post("/v1/feedback", json={"request_id": f"req_{number}", **said}, headers=header)


async def test_an_opinion_is_given_listed_summed_up_and_shown_with_its_request(public, app_key, admin):
    reply = await give(public, app_key, 1, score=1, label="right", comment="Just so.", rater="u-7")
    assert reply.status_code == 201
    await give(public, app_key, 2, score=0.25)
    await give(public, app_key, 3, label="wrong")
    listed = (await admin.get("/feedback")).json()["data"]
    assert len(listed) == 3
    good = next(each for each in listed if each["rater"] == "u-7")
    assert (good["score"], good["label"], good["comment"]) == (1.0, "right", "Just so.")
    assert (good["model"], good["team"]) == ("openai/gpt-5", "lone")
    sums = {each["group"]: each for each in (await admin.get("/feedback", params={"by": "model"})).json()["data"]}
    assert (sums["openai/gpt-5"]["mean_score"], sums["openai/gpt-5"]["n_good"]) == (0.625, 1)
    assert (sums["openai/mini"]["n"], sums["openai/mini"]["mean_score"]) == (1, None)
    shown = (await admin.get("/requests/req_1")).json()["feedback"]
    assert [(each["id"], each["label"]) for each in shown] == [(reply.json()["id"], "right")]
    table = await admin.get("/feedback", params={"format": "csv", "label": "wrong"})
    assert (table.text.count("\n"), "wrong" in table.text) == (2, True)


async def test_a_body_is_read_whatever_its_type_is_called(public, app_key, people):
    """As `curl -d` sends it."""
    form = {"content-type": "application/x-www-form-urlencoded"}
    reply = await public.post("/v1/feedback", content=b'{"request_id": "req_1", "score": 1}', headers=app_key | form)
    assert reply.status_code == 201
    assert (await public.post("/v1/feedback", content=b"request_id=req_1", headers=app_key | form)).status_code == 400


async def test_who_says_something_else_later_has_one_opinion(public, app_key, admin):
    for score in (0, 1):
        await give(public, app_key, score=score)
    await give(public, app_key, score=0.5, rater="u-8")
    listed = (await admin.get("/feedback")).json()["data"]
    assert sorted(each["score"] for each in listed) == [0.5, 1]


async def test_requests_of_others_are_as_if_they_were_not_there(public, app_key, key):
    _, other = key("other", team="labs")
    _, mate = key("mate", team="lone")
    theirs, missing = await give(public, other, score=1), await give(public, other, 9, score=1)
    assert (theirs.status_code, missing.status_code) == (404, 404)
    assert theirs.json()["error"]["message"].replace("req_1", "req_9") == missing.json()["error"]["message"]
    assert (await give(public, mate, score=1)).status_code == 201


async def test_a_request_that_is_not_in_the_ledger_yet_is_waited_for(public, key, people, monkeypatch):
    monkeypatch.setattr(feedback_api, "_BETWEEN_LOOKS_S", 0.01)
    mine, header = key("app")
    told = asyncio.ensure_future(give(public, header, 5, score=1))
    await asyncio.sleep(0)
    people.ledger.move("j_1", 0, 9, [settled(5, key_id=mine.id, team="")])
    assert (await told).status_code == 201


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"score": 1.5},
        {"score": -0.1},
        {"score": True},
        {"score": "much"},
        {"label": "x" * 65},
        {"label": "a\nb"},
        {"comment": " "},
        {"comment": "a\x00b"},
        {"score": 1, "colour": "red"},
        {"request_id": "", "score": 1},
    ],
)
async def test_what_says_nothing_or_nonsense_is_400(public, app_key, wrong):
    reply = await public.post("/v1/feedback", json={"request_id": "req_1", **wrong}, headers=app_key)
    assert reply.status_code == 400


async def test_without_a_good_key_nothing_is_said(public, app_key, key, people, clock):
    _, far = key("far", team="lone", addresses=("10.0.0.0/8",))
    _, old = key("old", team="lone", expires_wall_ns=clock.wall + 1)
    clock.wall += 2
    assert (await give(public, {}, score=1)).json()["error"]["code"] == "missing_api_key"
    assert (await give(public, {"authorization": "Bearer wb-nobody"}, score=1)).status_code == 401
    assert (await give(public, old, score=1)).status_code == 401
    assert (await give(public, far, score=1)).status_code == 403
    assert people.feedback.of_request("req_1") == []
    # Wherever a vendor's SDK puts it.
    assert (await give(public, {"x-api-key": app_key["authorization"].removeprefix("Bearer ")}, score=1)).status_code == 201


async def test_a_place_sees_its_own_feedback_and_pages_go_on(public, app_key, as_user, admin, clock):
    for number in (1, 2, 3):
        clock.wall += 1
        await give(public, app_key, number, score=1)
    first = (await admin.get("/feedback", params={"limit": 2})).json()
    rest = (await admin.get("/feedback", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [each["request_id"] for each in first["data"] + rest["data"]] == ["req_3", "req_2", "req_1"]
    assert rest["next_cursor"] is None
    boss = as_user("admin", organisation="acme")
    assert (await boss.get("/feedback")).json()["data"] == []
    assert (await boss.get("/feedback", params={"organisation": "other"})).status_code == 403
    assert (await boss.get("/feedback", params={"by": "colour"})).status_code == 400
