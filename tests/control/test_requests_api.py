"""Single requests: pages that neither repeat nor hide any, filters, and everything of one."""

from __future__ import annotations

import pytest
from tests.storage.test_ledger_store import attempt, settled, started

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.rates import Bracket, PriceBook, PriceRule, Rates
from weighbridge.core.terms import NO_USAGE, Usage, UsageApart
from weighbridge.storage.payload_store import NewPayload, PayloadText


@pytest.fixture
def listed(store, clock):
    """Thirty requests, each a second older than the one after it."""
    items = [
        settled(
            number,
            attempt(number * 10),
            start_wall_ns=clock.wall_ns() - (40 - number) * NS_PER_S,
            status=200 if number % 3 else 429,
            error=None if number % 3 else "rate_limit_exceeded",
            is_stream=number % 2 == 0,
            end_user="eve" if number < 5 else "",
            tags=("beta",) if number == 7 else (),
        )
        for number in range(30)
    ]
    store.ledger.move("j_1", 0, 100, items)


async def ids(admin, **params):
    return [each["id"] for each in (await admin.get("/requests", params=params)).json()["data"]]


async def test_pages_follow_each_other_newest_first(admin, listed):
    seen, cursor = [], None
    while True:
        page = (await admin.get("/requests", params={"limit": 7} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [each["id"] for each in page["data"]]
        cursor = page["next_cursor"]
        assert page["has_more"] == (cursor is not None)
        if cursor is None:
            break
    assert seen == [f"req_{number}" for number in range(29, -1, -1)]


@pytest.mark.parametrize(
    ("params", "numbers"),
    [
        ({"status": 429}, range(27, -1, -3)),
        ({"error": "rate_limit_exceeded"}, range(27, -1, -3)),
        ({"is_stream": "true", "end_user": "eve"}, [4, 2, 0]),
        ({"min_cost_nanousd": 280}, [29, 28]),
        ({"tag": "beta"}, [7]),
        ({"request_id": "req_3"}, [3]),
        ({"team": "nobody"}, []),
    ],
)
async def test_filters(admin, listed, params, numbers):
    assert await ids(admin, **params) == [f"req_{number}" for number in numbers]


async def test_one_request_tells_everything(admin, store, clock):
    lost = attempt(None, usage=NO_USAGE, reserved_nanousd=700)
    item = settled(1, lost, attempt(250), start_wall_ns=clock.wall_ns(), edits=("model", "capped:max_tokens=9"), tags=("a", "b"))
    store.ledger.move("j_1", 0, 100, [started(1), item])
    told = (await admin.get("/requests/req_1")).json()
    assert (told["status"], told["team"], told["tags"], told["edits"]) == (
        200,
        "search",
        ["a", "b"],
        ["model", "capped:max_tokens=9"],
    )
    first, second = told["attempts"]
    assert (first["cost_nanousd"], first["reserved_nanousd"], first["price_state"]) == (None, 700, "unknown")
    assert (second["cost_nanousd"], second["usage"]["cache_read"], second["usage"]["provenance"]) == (250, 5, "reported")
    assert [(entry["kind"], entry["amount_nanousd"]) for entry in told["entries"]] == [
        ("unresolved_cost", 700),
        ("cost", 250),
        ("charge", 250),
    ]
    assert told["entries"][1]["credit"] == "provider_payable:openai"


async def test_a_cost_is_made_up_of_lines_that_name_their_price_list(admin, store, clock, gateway):
    rates = Rates(input=3_000_000, cache_read=300_000, output=15_000_000, reasoning=15_000_000)
    gateway.prices = PriceBook(rules=(PriceRule("openai/*", own=(Bracket(rates),), source="the contract of May"),))
    cost = 20 * 3_000 + 5 * 300 + 7 * 15_000
    usage = Usage(input=20, cache_read=5, output=7, reasoning=2)
    told_apart = (UsageApart("", Usage(input=10)),)
    made = attempt(cost, usage=usage, tier="", apart=told_apart)
    store.ledger.move("j_1", 0, 100, [settled(1, made, attempt(250), start_wall_ns=clock.wall_ns())])
    known, older = (await admin.get("/requests/req_1")).json()["attempts"]
    assert older["bill"] is None  # of a version that did not keep the tier
    assert (known["bill"]["amount_nanousd"], known["bill"]["sources"]) == (cost, ["the contract of May"])
    lines = [(line["what"], line["count"], line["rate_usd"], line["amount_usd"]) for line in known["bill"]["lines"]]
    assert lines == [
        ("input", 10, "0.000003", "0.00003"),
        ("cache_read", 5, "0.0000003", "0.0000015"),
        ("output", 5, "0.000015", "0.000075"),
        ("reasoning", 2, "0.000015", "0.00003"),
        ("input", 10, "0.000003", "0.00003"),
    ]
    of_part = {**known["usage"], "input": 10, "cache_read": 0, "output": 0, "reasoning": 0}
    assert known["apart"] == [{"model": "gpt-5", "n_requests": 1, "usage": of_part}]


async def test_a_request_that_is_not_there_is_told_so(admin):
    reply = await admin.get("/requests/req_0")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "request_not_found")


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 201}, {"cursor": "x"}, {"status": "ok"}, {"colour": 1}])
async def test_a_question_that_means_nothing_is_refused(admin, params):
    assert (await admin.get("/requests", params=params)).status_code == 400


async def test_pages_go_by_when_requests_began_and_not_by_when_they_were_written(admin, store, clock):
    ages = {0: 5, 1: 50, 2: 20, 3: 20, 4: 1}
    items = [settled(number, start_wall_ns=clock.wall_ns() - age * NS_PER_S) for number, age in ages.items()]
    store.ledger.move("j_1", 0, 100, items)
    seen, cursor = [], None
    while True:
        page = (await admin.get("/requests", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [each["id"] for each in page["data"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == ["req_4", "req_0", "req_3", "req_2", "req_1"]


@pytest.fixture
def kept(store, clock):
    """What was asked in two organisations."""
    facts = [{"team": "search", "organisation": "acme"}, {"team": "ads", "organisation": "other"}]
    store.ledger.move("j_p", 0, 100, [settled(70 + n, start_wall_ns=clock.wall, **each) for n, each in enumerate(facts)])
    text = PayloadText(
        '{"q":1}', 7, request_is_whole=True, reply="Hi", reply_bytes=2, reply_is_whole=True, reply_type="application/json"
    )
    rows = [NewPayload(f"req_{number}", clock.wall, "", "", text) for number in (70, 71)]
    store.payloads.keep(rows, 10**15)


async def test_what_was_asked_and_answered_is_shown_and_who_looked_is_written_down(admin, kept):
    assert (await admin.get("/requests/req_70")).json()["has_payload"] is True
    found = (await admin.get("/requests/req_70/payload")).json()
    assert (found["request"], found["reply"], found["reply_is_whole"]) == ('{"q":1}', "Hi", True)
    [entry] = [each for each in (await admin.get("/audit")).json()["data"] if each["action"] == "read"]
    assert (entry["kind"], entry["subject"]) == ("payload", "req_70")


async def test_it_is_for_those_who_look_after_the_place_and_nobody_else(as_user, kept):
    boss = as_user("admin", organisation="acme")
    assert (await boss.get("/requests/req_70/payload")).status_code == 200
    assert (await boss.get("/requests/req_71/payload")).status_code == 404
    for role in ("viewer", "member", "billing"):
        assert (await as_user(role).get("/requests/req_70/payload")).status_code == 403


async def test_where_nothing_is_kept_it_says_so(admin, kept):
    assert (await admin.get("/requests/req_none/payload")).json()["error"]["code"] == "payload_not_found"
