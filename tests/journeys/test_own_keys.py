"""Customers' own provider keys in a whole gateway of two workers: used, revoked, rotated, and to be found nowhere."""

from __future__ import annotations

import re
import time

import pytest
from tests.journeys.promises import holds_within_a_second

from weighbridge.core.codec import decode_json
from weighbridge.testing import SimulatedOpenAI, running

PLANTED = "sk-planted-by-acme-0123456789abcdef"
MASTER, OTHER = "m" * 44, "o" * 44


@pytest.fixture
def provider():
    with running(SimulatedOpenAI()) as openai:
        openai.keys = (*openai.keys, PLANTED)
        yield openai


def configured(provider, *master_keys, **more):
    openai = {"base_url": provider.base_url, "api_key": provider.keys[0], "models": provider.models}
    return {
        "providers": {"openai": openai},
        "provider_keys": {"master_keys": [{"key": key} for key in master_keys]},
        "tariffs": [{"scope": "gateway", "markup": "50%", "own_keys": "10%"}],
    } | more


@pytest.fixture
def gateway(start_gateway, provider):
    gateway = start_gateway(configured(provider, MASTER), "--workers", "2")
    gateway.workers()
    gateway.weighbridge("orgs", "create", "acme")
    gateway.weighbridge("teams", "create", "search", "--org", "acme")
    return gateway


def bring(gateway, owner=("organisation", "acme"), secret=PLANTED, **fields):
    body = {"owner": {"kind": owner[0], "name": owner[1]}, "provider": "openai", "secret": secret, **fields}
    return gateway.admin("/provider-keys", "POST", body)


def chat(gateway, key, **fields):
    return gateway.chat(key=key, model="openai/gpt-4o-mini", **fields)


def is_own(reply):
    assert reply.status == 200, reply.body
    return "x-weighbridge-own-key" in reply.headers


def test_a_key_that_is_brought_is_used_by_both_workers_for_its_owners_alone_and_not_after_it_is_taken_back(gateway, provider):
    mine = gateway.weighbridge("keys", "create", "--name", "mine", "--team", "search")
    others = gateway.weighbridge("keys", "create", "--name", "others")
    assert not is_own(chat(gateway, mine))
    made = bring(gateway)
    holds_within_a_second(lambda: is_own(chat(gateway, mine)), wanted=True)
    assert not any(is_own(chat(gateway, others)) for _ in range(10))
    patch = {"if-match": "*"}
    admin = (gateway.data_dir / "admin.key").read_text().strip()
    path = f"/admin/v1/provider-keys/{made['id']}"
    assert gateway.request("PATCH", path, {"is_disabled": True}, key=admin, headers=patch).status == 200
    holds_within_a_second(lambda: is_own(chat(gateway, mine)), wanted=False)
    assert gateway.request("PATCH", path, {"is_disabled": False}, key=admin, headers=patch).status == 200
    holds_within_a_second(lambda: is_own(chat(gateway, mine)), wanted=True)
    assert gateway.request("DELETE", path, key=admin).status == 204
    holds_within_a_second(lambda: is_own(chat(gateway, mine)), wanted=False)


def test_a_planted_secret_is_found_nowhere(gateway, provider):
    mine = gateway.weighbridge("keys", "create", "--name", "mine", "--team", "search")
    bring(gateway)
    holds_within_a_second(lambda: is_own(chat(gateway, mine)), wanted=True)
    provider.keys = provider.keys[:1]  # so that it is refused, and told about
    refused = chat(gateway, mine)
    assert decode_json(refused.body)["error"]["code"] == "own_key_failed"
    request_id = refused.headers["x-weighbridge-request-id"]
    gateway.record_of(request_id)
    admin = (gateway.data_dir / "admin.key").read_text().strip()
    pages = [
        "/metrics",
        "/admin/v1/provider-keys",
        "/admin/v1/audit",
        "/admin/v1/targets",
        "/admin/v1/requests",
        "/admin/v1/config",
    ]
    told = [gateway.request("GET", page, key=admin).body for page in pages]
    assert all(MASTER.encode() not in each for each in told)
    told += [refused.body, *(value.encode() for _, value in refused.pairs)]
    gateway.weighbridge("backup", str(gateway.data_dir.parent / "copy"))
    gateway.signal(15)
    gateway.wait()
    told += [gateway.stdout.text.encode(), gateway.stderr.text.encode()]
    told += [path.read_bytes() for path in gateway.data_dir.parent.rglob("*") if path.is_file()]
    assert all(PLANTED.encode() not in each for each in told)
    assert any(b"own:pkey_" in each for each in told)


def test_what_it_costs_is_the_customers_and_only_the_fee_is_charged(gateway):
    mine = gateway.weighbridge("keys", "create", "--name", "mine", "--team", "search")
    bring(gateway)
    holds_within_a_second(lambda: is_own(chat(gateway, mine)), wanted=True)
    reply = chat(gateway, mine, stream=True)
    assert is_own(reply)
    request_id = reply.headers["x-weighbridge-request-id"]
    gateway.record_of(request_id)
    deadline = time.monotonic() + 10
    while True:
        found = gateway.request("GET", f"/admin/v1/requests/{request_id}", key=(gateway.data_dir / "admin.key").read_text().strip())
        if found.status == 200:
            break
        assert time.monotonic() < deadline
    told = decode_json(found.body)
    assert told["attempts"][0]["is_own_key"]
    entries = {entry["kind"]: entry["amount_nanousd"] for entry in told["entries"]}
    assert entries.keys() == {"own_key_cost", "charge"}
    assert entries["own_key_cost"] == told["own_key_cost_nanousd"] == told["cost_nanousd"]
    assert abs(entries["charge"] - told["cost_nanousd"] / 10) <= 1
    gateway.weighbridge("ledger", "verify")  # which would end with a status that says so


def test_a_master_key_is_rotated_while_the_gateway_serves(gateway, provider):
    mine = gateway.weighbridge("keys", "create", "--name", "mine", "--team", "search")
    bring(gateway)
    holds_within_a_second(lambda: is_own(chat(gateway, mine)), wanted=True)
    gateway.write_config(configured(provider, OTHER, MASTER, access_log={"format": "json"}))
    gateway.admin("/config/reload", "POST")
    assert is_own(chat(gateway, mine))
    gateway.weighbridge("provider-keys", "reseal", "--config", str(gateway.config_file))
    gateway.write_config(configured(provider, OTHER, access_log={"format": "json"}))
    gateway.admin("/config/reload", "POST")
    for _ in range(10):
        assert is_own(chat(gateway, mine))
    assert gateway.admin("/provider-keys")["data"][0]["state"] == "active"


def test_a_wrong_master_key_at_the_start_is_told_and_never_ends_in_the_gateways_keys(gateway, provider, start_gateway):
    mine = gateway.weighbridge("keys", "create", "--name", "mine", "--team", "search")
    others = gateway.weighbridge("keys", "create", "--name", "others")
    made = bring(gateway, falls_back=True)
    gateway.stop()
    before = len(provider.journal.requests)
    for master_keys, why in (((OTHER,), "none of the master keys opens them"), ((), "no master key is configured")):
        again = start_gateway(configured(provider, *master_keys), "--workers", "2")
        assert re.search(rf"1 provider keys .*{made['id']}.*{why}", again.stderr.text)
        for _ in range(10):
            refused = chat(again, mine)
            assert (refused.status, decode_json(refused.body)["error"]["code"]) == (503, "own_key_unreadable")
        assert len(provider.journal.requests) == before
        assert chat(again, others).status == 200
        before = len(provider.journal.requests)
        assert again.admin("/provider-keys")["data"][0]["state"] == "unreadable"
        again.stop()
