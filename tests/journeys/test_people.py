"""Teams, keys and budgets as an operator changes them while the gateway serves: what is changed holds within a second."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from tests.journeys.conftest import PATIENCE_S
from tests.journeys.promises import holds_within_a_second

from weighbridge.core.codec import decode_json

DEMO = {"providers": {"demo": {}}}


@pytest.fixture
def gateway(start_gateway):
    gateway = start_gateway(DEMO, "--workers", "2")
    gateway.workers()
    return gateway


def change(gateway, path, body):
    key = (gateway.data_dir / "admin.key").read_text().strip()
    reply = gateway.request("PATCH", f"/admin/v1{path}", body, key=key, headers={"if-match": "*"})
    assert reply.status == 200, reply.body
    return decode_json(reply.body)


def code_of(reply):
    return "" if reply.status == 200 else decode_json(reply.body)["error"]["code"]


def within_a_second(ask, code):
    """Until twenty connections in a row, spread over all workers, have this outcome."""
    holds_within_a_second(lambda: code_of(ask()), code)


def test_a_teams_keys_stop_and_go_with_the_team(gateway):
    gateway.weighbridge("orgs", "create", "acme")
    gateway.weighbridge("teams", "create", "search", "--org", "acme")
    key = gateway.weighbridge("keys", "create", "--name", "ci", "--team", "search")
    assert gateway.chat(key=key).status == 200
    gateway.weighbridge("teams", "block", "search")
    within_a_second(lambda: gateway.chat(key=key), "blocked_api_key")
    gateway.weighbridge("teams", "unblock", "search")
    within_a_second(lambda: gateway.chat(key=key), "")
    [organisation] = gateway.admin("/organisations")["data"]
    change(gateway, f"/organisations/{organisation['id']}", {"is_blocked": True})
    within_a_second(lambda: gateway.chat(key=key), "blocked_api_key")


def test_a_key_that_moves_is_booked_where_it_is(gateway):
    for team in ("search", "ads"):
        gateway.admin("/teams", "POST", {"name": team})
    made = gateway.admin("/keys", "POST", {"name": "ci", "team": "search"})
    first = gateway.chat(key=made["key"]).headers["x-weighbridge-request-id"]
    change(gateway, f"/keys/{made['id']}", {"team": "ads", "models": ["demo/other"]})
    within_a_second(lambda: gateway.chat(key=made["key"]), "model_not_allowed")
    change(gateway, f"/keys/{made['id']}", {"models": []})
    within_a_second(lambda: gateway.chat(key=made["key"]), "")
    second = gateway.chat(key=made["key"]).headers["x-weighbridge-request-id"]
    assert [gateway.record_of(request)["team"] for request in (first, second)] == ["search", "ads"]


def test_both_secrets_of_a_rotated_key_work_and_spend_as_one(gateway):
    made = gateway.admin("/keys", "POST", {"name": "ci"})
    rotated = gateway.admin(f"/keys/{made['id']}/rotate", "POST", {"overlap": "1h"})
    within_a_second(lambda: gateway.chat(key=rotated["key"]), "")
    requests = [gateway.chat(key=key).headers["x-weighbridge-request-id"] for key in (made["key"], rotated["key"])]
    assert {gateway.record_of(request)["key_id"] for request in requests} == {made["id"]}
    gateway.admin(f"/keys/{made['id']}/rotate", "POST", {"overlap": "0s"})
    within_a_second(lambda: gateway.chat(key=rotated["key"]), "invalid_api_key")
    assert gateway.chat(key=made["key"]).status == 200  # whose hour is not over


def test_a_budget_made_while_serving_holds_and_is_lifted_again(gateway):
    key = gateway.weighbridge("keys", "create", "--name", "ci")
    scope = {"kind": "key", "name": "ci"}
    budget = gateway.admin("/budgets", "POST", {"scope": scope, "amount": 1, "unit": "tokens", "on_shortage": "refuse"})
    within_a_second(lambda: gateway.chat(key=key), "budget_exceeded")
    change(gateway, f"/budgets/{budget['id']}", {"amount": 10**9})
    within_a_second(lambda: gateway.chat(key=key), "")
    [shown] = gateway.admin("/budgets")["data"]
    assert shown["source"] == "store"
    assert shown["accounts"][0]["spent"] + shown["accounts"][0]["held"] > 0


def test_a_limit_made_while_serving_holds(gateway):
    key = gateway.weighbridge("keys", "create", "--name", "ci")
    gateway.weighbridge("limits", "create", "key:ci", "requests", "5", "--per", "1h")
    within_a_second(lambda: gateway.chat(key=key), "rate_limit_exceeded")


def test_a_file_that_is_loaded_again_leaves_what_was_made_here(gateway):
    gateway.weighbridge("limits", "create", "gateway", "requests", "1_000_000")
    written = DEMO | {"limits": [{"scope": "gateway", "concurrent": 50}]}
    gateway.write_config(written)
    gateway.admin("/config/reload", "POST")
    assert {limit["source"] for limit in gateway.admin("/limits")["data"]} == {"config", "store"}


def test_whoever_is_erased_while_it_serves_is_in_no_file_of_it(gateway):
    """Not in the database, nor in the journals of workers that have nothing more to write."""
    key = gateway.weighbridge("keys", "create", "--name", "ci")
    for _ in range(20):
        assert gateway.chat(key=key, user="ann-planted-name").status == 200
    gateway.weighbridge("erase", "--end-user", "ann-planted-name", "--yes")
    deadline = time.monotonic() + PATIENCE_S
    while found := files_with(gateway.data_dir, b"ann-planted-name"):
        assert time.monotonic() < deadline, found
    gateway.stop()
    assert gateway.weighbridge("ledger", "verify", "--json")
    assert files_with(gateway.data_dir, b"ann-planted-name") == []


def files_with(directory, name):
    found = []
    for path in directory.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file() and name in path.read_bytes():
                found.append(path.name)
    return found
