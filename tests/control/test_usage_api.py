"""Usage as operators ask for it: whatever it is grouped by, the sums are those of the requests."""

from __future__ import annotations

import csv
import io
import random
import sys
from collections import Counter
from itertools import product
from typing import get_args

import pytest
from pyarrow import parquet
from tests.storage.test_ledger_store import attempt, settled

from weighbridge.control import usage_api
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.rates import PriceState
from weighbridge.core.terms import NO_USAGE, Dialect, Provenance, Usage
from weighbridge.storage.ledger_sums import SUM_COLUMNS

HOUR_NS = 3_600 * NS_PER_S


@pytest.fixture
def traffic(store, clock):
    """Two days of requests, in the store; the Records."""
    generator = random.Random(3)
    items = []
    for number in range(300):
        cost = generator.choice([None, 0, 1_000, 123_457])
        usage = Usage(input=generator.randrange(500), cache_read=generator.randrange(99), output=generator.randrange(300))
        one = attempt(cost, usage=NO_USAGE if cost is None else usage, reserved_nanousd=5)
        if generator.random() < 0.1 and cost is not None:
            guess = Usage(input=1, output=2, provenance=Provenance.ESTIMATED)
            one = attempt(cost, usage=guess)
        failed = generator.random() < 0.2
        items.append(
            settled(
                number,
                *([one] if not failed else [attempt(0, usage=NO_USAGE), one]),
                start_wall_ns=clock.wall_ns() - generator.randrange(48 * HOUR_NS),
                key_id=generator.choice(["key_1", "key_2"]),
                team=generator.choice(["search", "", "ops"]),
                user=generator.choice(["ada", "bob"]),
                provider=generator.choice(["openai", "anthropic"]),
                model=generator.choice(["m/1", "m2"]),
                end_user=generator.choice(["", "eve", "mallory"]),
                tags=generator.choice([(), ("beta",), ("beta", "checkout")]),
                session=generator.choice(["", "run-1"]),
                error="provider_timeout" if generator.random() < 0.1 else None,
                dialect=generator.choice([Dialect.OPENAI, Dialect.ANTHROPIC]),
                price_state=PriceState.UNKNOWN if cost is None else PriceState.KNOWN,
            )
        )
    store.ledger.move("j_1", 0, 100, items)
    return [item.record for item in items]


def value_of(record, dimension):
    match dimension:
        case "key":
            return [record.key_id]
        case "model":
            return [f"{record.provider}/{record.model}"]
        case "tag":
            return list(record.tags) or [""]
        case "error":
            return [record.error or ""]
        case "dialect":
            return [record.dialect.value]
        case "route":
            return [record.route]
    return [getattr(record, dimension)]


def known_cost(record):
    return sum(each.cost_nanousd or 0 for each in record.attempts)


DIMENSIONS = ("key", "team", "user", "route", "provider", "model", "end_user", "tag", "session", "error", "dialect")


@pytest.mark.parametrize("dimension", DIMENSIONS)
async def test_every_dimension_adds_up_to_the_requests(admin, traffic, dimension):
    answer = (await admin.get("/usage", params={"from": "-3d", "group_by": dimension})).json()
    expected = {}
    for record in traffic:
        for value in value_of(record, dimension):
            sums = expected.setdefault(value, [0, 0, 0])
            sums[0] += 1
            sums[1] += known_cost(record)
            sums[2] += sum(each.usage.total_output for each in record.attempts)
    found = {row["group"][dimension]: [row["requests"], row["cost_nanousd"], row["output_tokens"]] for row in answer["data"]}
    assert found == expected


@pytest.mark.parametrize(("interval", "length_ns"), [("minute", HOUR_NS // 60), ("hour", HOUR_NS), ("day", 24 * HOUR_NS)])
async def test_a_series_has_a_row_for_each_interval_with_requests(admin, traffic, interval, length_ns):
    answer = (await admin.get("/usage", params={"from": "-3d", "interval": interval})).json()
    expected = {record.start_wall_ns // length_ns for record in traffic}
    assert len(answer["data"]) == len(expected)
    assert sum(row["requests"] for row in answer["data"]) == len(traffic)
    assert [row["start"] for row in answer["data"]] == sorted(row["start"] for row in answer["data"])


@pytest.mark.parametrize("pair", list(product(("team", "model"), ("user", "tag", "provider"))))
async def test_two_dimensions_at_once(admin, traffic, pair):
    answer = (await admin.get("/usage", params={"from": "-3d", "group_by": list(pair)})).json()
    expected = {(one, other) for record in traffic for one in value_of(record, pair[0]) for other in value_of(record, pair[1])}
    assert {tuple(row["group"].values()) for row in answer["data"]} == expected


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("team", ["search", "ops"]),
        ("model", ["openai/m/1"]),
        ("tag", ["checkout"]),
        ("end_user", ["eve"]),
        ("error", ["provider_timeout"]),
        ("error", [""]),
        ("key", ["key_2"]),
        ("team", ["nobody-ever"]),
    ],
)
async def test_filters_count_what_has_any_of_their_values(admin, traffic, name, values):
    answer = (await admin.get("/usage", params={"from": "-3d", name: values})).json()
    expected = [record for record in traffic if set(value_of(record, name)) & set(values)]
    assert sum(row["requests"] for row in answer["data"]) == len(expected)
    assert sum(row["cost_nanousd"] for row in answer["data"]) == sum(map(known_cost, expected))


async def test_any_time_is_cut_exactly_at_minutes(admin, traffic, clock):
    for hours in (1, 5, 26, 47):
        start = (clock.wall_ns() - hours * HOUR_NS) // NS_PER_S // 60 * 60
        answer = (await admin.get("/usage", params={"from": f"-{hours}h"})).json()
        expected = [record for record in traffic if record.start_wall_ns // NS_PER_S >= start]
        assert sum(row["requests"] for row in answer["data"]) == len(expected)


async def test_latencies_are_told_within_a_tenth(admin, traffic):
    (row,) = (await admin.get("/usage", params={"from": "-3d"})).json()["data"]
    assert 2_000 <= row["duration_ms"]["p50"] <= 2_200
    assert 1_000 <= row["first_byte_ms"]["p99"] <= 1_100
    assert 0.1 <= row["overhead_ms"]["p95"] <= 0.11


async def test_who_reads_no_latencies_need_not_wait_for_them(admin, traffic):
    (row,) = (await admin.get("/usage", params={"from": "-3d", "percentiles": "false"})).json()["data"]
    assert row["duration_ms"] is row["first_byte_ms"] is row["overhead_ms"] is None
    rows = (await admin.get("/usage", params={"from": "-3d", "group_by": ["team", "model"], "percentiles": "true"})).json()["data"]
    assert all(2_000 <= row["duration_ms"]["p50"] <= 2_200 for row in rows)


async def test_the_dearest_groups_are_told_and_all_others_as_one_without_a_name(admin, traffic):
    asked = {"from": "-3d", "interval": "day", "group_by": "model", "top": 1}
    answer = (await admin.get("/usage", params=asked)).json()
    assert answer["n_groups"] == len({(record.provider, record.model) for record in traffic}) == 4
    others = [row for row in answer["data"] if row["group"] == {"model": None}]
    (dearest,) = {row["group"]["model"] for row in answer["data"]} - {None}
    assert sum(row["requests"] for row in answer["data"]) == len(traffic)
    expected = [record for record in traffic if f"{record.provider}/{record.model}" != dearest]
    assert sum(row["cost_nanousd"] for row in others) == sum(map(known_cost, expected))
    table = (await admin.get("/usage", params={**asked, "format": "csv"})).text.splitlines()
    assert sum(",(all others)," in line for line in table) == len(others)
    parquet_reply = await admin.get("/usage", params={**asked, "format": "parquet"})
    told = parquet.read_table(io.BytesIO(parquet_reply.content)).column("model").to_pylist()
    assert told.count(None) == len(others)
    assert (await admin.get("/usage", params={**asked, "top": 0})).status_code == 400


async def test_those_groups_come_first_that_have_most_of_what_is_asked_for(admin, traffic):
    counted = Counter(record.end_user or "" for record in traffic)
    asked = {"from": "-3d", "group_by": "end_user", "top": 1, "order_by": "requests"}
    answer = (await admin.get("/usage", params=asked)).json()
    first, others = sorted(answer["data"], key=lambda row: row["group"]["end_user"] is None)
    assert first["requests"] == max(counted.values())
    assert first["requests"] == counted[first["group"]["end_user"]]
    assert (first["requests"] + others["requests"], answer["n_groups"]) == (len(traffic), len(counted))
    assert (await admin.get("/usage", params={**asked, "order_by": "beauty"})).status_code == 400


def test_everything_that_is_told_of_a_group_can_be_ordered_by():
    assert set(get_args(usage_api.Sum)) == set(usage_api._SUM_NAMES.values())
    assert set(usage_api._SUM_NAMES) == set(SUM_COLUMNS)


async def test_estimated_and_unknown_costs_are_told_apart(admin, traffic):
    (row,) = (await admin.get("/usage", params={"from": "-3d"})).json()["data"]
    attempts = [each for record in traffic for each in record.attempts]
    assert row["unknown_costs"] == sum(each.cost_nanousd is None for each in attempts)
    assert row["fallbacks"] == sum(len(record.attempts) > 1 for record in traffic)


async def test_the_table_for_a_spreadsheet_has_no_formulas(admin, store, clock):
    store.ledger.move("j_1", 0, 100, [settled(1, start_wall_ns=clock.wall_ns() - 5, team="=cmd()")])
    reply = await admin.get("/usage", params={"group_by": "team", "format": "csv"})
    assert reply.headers["content-type"].startswith("text/csv")
    header, line = reply.text.splitlines()
    assert header.startswith("start,team,requests,errors")
    assert line.split(",")[1] == "'=cmd()"


@pytest.mark.parametrize("groups", [["team", "tag"], ["property.project", "model"]])
async def test_the_table_for_a_warehouse_is_the_table_for_a_spreadsheet(admin, traffic, groups):
    asked = {"from": "-3d", "group_by": groups, "interval": "day"}
    reply = await admin.get("/usage", params={**asked, "format": "parquet"})
    assert reply.headers["content-type"] == "application/vnd.apache.parquet"
    table = parquet.read_table(io.BytesIO(reply.content))
    lines = list(csv.DictReader(io.StringIO((await admin.get("/usage", params={**asked, "format": "csv"})).text)))
    assert table.column_names == list(lines[0])
    told = [{**row, "start": row["start"].strftime("%Y-%m-%dT%H:%M:%SZ")} for row in table.to_pylist()]
    assert [{name: str(value) for name, value in row.items()} for row in told] == lines
    assert table.schema.metadata[b"weighbridge.is_complete"] == b"true"


async def test_parquet_without_its_library_is_not_implemented_and_says_what_to_install(admin, traffic, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)  # as Python marks what cannot be imported
    for path in ("/usage", "/statements/2027-01"):
        reply = await admin.get(path, params={"format": "parquet"})
        error = reply.json()["error"]
        assert (reply.status_code, error["code"], error["param"]) == (501, "extra_missing", "format")
        assert "weighbridge[parquet]" in error["message"]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"group_by": "colour"}, "group_by"),
        ({"group_by": ["key", "team", "user"]}, "group_by"),
        ({"interval": "week"}, "interval"),
        ({"from": "soon"}, None),
        ({"from": "now", "to": "-1h"}, "to"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_question_that_means_nothing_is_refused(admin, params, field):
    reply = await admin.get("/usage", params=params)
    assert reply.status_code == 400
    assert field is None or field in str(reply.json()["error"])


async def test_nobody_else_may_ask(anyone):
    for path in ("/usage", "/requests", "/ledger/accounts", "/ledger/verify", "/budgets", "/limits", "/requests/req_1"):
        assert (await anyone.get(path)).status_code == 401


@pytest.fixture
def shared_ledger(people, clock):
    """Three requests: of `search` and `ads` in `acme`, and of `labs` in `other`."""
    places = [("acme", "search"), ("acme", "ads"), ("other", "labs")]
    items = [
        settled(number, attempt(10**number), start_wall_ns=clock.wall_ns() - HOUR_NS, team=team, organisation=organisation)
        for number, (organisation, team) in enumerate(places)
    ]
    people.ledger.move("j_1", 0, 100, items)


async def cost(client, **params):
    reply = await client.get("/usage", params=params)
    return sum(row["cost_nanousd"] for row in reply.json()["data"]) if reply.status_code == 200 else reply.status_code


async def test_a_place_sees_its_own_spend_and_no_others(as_user, shared_ledger):
    boss, team = as_user("billing", organisation="acme"), as_user("viewer", team="search")
    assert (await cost(as_user("viewer")), await cost(boss), await cost(team)) == (111, 11, 1)
    assert (await cost(boss, team="ads"), await cost(team, team="search")) == (10, 1)
    assert (await cost(boss, organisation="other"), await cost(team, team="ads")) == (403, 403)
    assert await cost(team, team=["search", "ads"]) == 403
    assert await cost(boss, team="labs") == 0
    grouped = (await team.get("/usage", params={"group_by": "team"})).json()["data"]
    assert [row["group"] for row in grouped] == [{"team": "search"}]


async def test_a_place_sees_its_own_requests_and_no_others(as_user, shared_ledger):
    team = as_user("viewer", team="search")
    assert [each["id"] for each in (await team.get("/requests")).json()["data"]] == ["req_0"]
    assert (await team.get("/requests/req_0")).status_code == 200
    assert (await team.get("/requests/req_1")).status_code == 404
    assert (await team.get("/requests", params={"team": "ads"})).status_code == 403
    assert (await as_user("billing", team="search").get("/requests")).status_code == 403
    assert len((await as_user("member", organisation="acme").get("/requests")).json()["data"]) == 2


@pytest.mark.parametrize("path", ["/status", "/config", "/records", "/targets", "/ledger/accounts", "/ledger/verify", "/audit"])
async def test_what_concerns_the_whole_gateway_is_not_a_places_to_see(as_user, path):
    assert (await as_user("owner").get(path)).status_code == 200
    assert (await as_user("owner", organisation="acme").get(path)).status_code == 403


@pytest.mark.parametrize(("path", "body"), [("/config/reload", None), ("/targets/clear", {"name": "x"})])
async def test_who_only_looks_on_does_not_act(as_user, path, body):
    assert (await as_user("viewer").post(path, json=body)).status_code == 403
