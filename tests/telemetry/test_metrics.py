from __future__ import annotations

import msgspec
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from tests.storage.test_ledger_store import attempt, record

from weighbridge.core.terms import NO_USAGE, Operation, Usage
from weighbridge.telemetry.metrics import EXTRA_LABELS, OTHER, Metrics


def told(metrics):
    """Every sample by name and labels, as a Prometheus reads them."""
    found = {}
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        for sample in family.samples:
            found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


def value(metrics, name, **labels):
    """The sum of all samples of this name that have these labels."""
    wanted = set(labels.items())
    return sum(amount for (each, has), amount in told(metrics).items() if each == name and wanted <= set(has))


def test_a_request_is_counted_with_who_answered_and_its_tokens_and_cost():
    metrics = Metrics()
    metrics.observe([record(1, attempt(1_500_000_000))])
    target = {"provider": "openai", "model": "gpt-5"}
    assert value(metrics, "weighbridge_requests_total", **target, operation="chat", status="200", error_type="") == 1
    kinds = {
        kind: value(metrics, "weighbridge_tokens_total", **target, kind=kind)
        for kind in ("input", "cache_read", "output", "reasoning")
    }
    assert kinds == {"input": 10, "cache_read": 5, "output": 7, "reasoning": 2}
    assert value(metrics, "weighbridge_cost_usd_total", **target, price_state="known") == 1.5
    assert value(metrics, "weighbridge_attempts_total", **target, credential="openai#1", status="200") == 1
    assert value(metrics, "weighbridge_request_duration_seconds_count", **target) == 1


def test_what_nobody_knows_the_cost_of_is_in_no_sum():
    metrics = Metrics()
    metrics.observe([record(1, attempt(None, usage=NO_USAGE))])
    assert value(metrics, "weighbridge_unknown_costs_total", provider="openai") == 1
    assert value(metrics, "weighbridge_cost_usd_total") == 0


def test_retries_and_fallbacks_are_told_apart():
    metrics = Metrics()
    failed = msgspec.structs.replace(attempt(0, usage=NO_USAGE), status=500, error="provider_internal")
    other = msgspec.structs.replace(attempt(5), provider="anthropic", model="claude")
    metrics.observe([record(1, failed, failed, other)])
    assert value(metrics, "weighbridge_attempts_total", error_type="provider_internal") == 2
    assert value(metrics, "weighbridge_retries_total", provider="openai") == 1
    assert value(metrics, "weighbridge_fallbacks_total", provider="anthropic") == 1


def test_names_and_providers_are_those_of_opentelemetry():
    metrics = Metrics()
    one = msgspec.structs.replace(attempt(5), provider="bedrock", model="claude", usage=Usage(input=3, output=101))
    streamed = record(1, one, provider="bedrock", model="claude", is_stream=True, duration_ns=3 * 10**9, first_byte_ns=10**9)
    metrics.observe([msgspec.structs.replace(streamed, operation=Operation.MESSAGES, usage=one.usage)])
    names = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "aws.bedrock", "gen_ai_request_model": "claude"}
    assert value(metrics, "gen_ai_client_operation_duration_seconds_count", **names) == 1
    assert value(metrics, "gen_ai_client_token_usage_sum", **names, gen_ai_token_type="output") == 101
    assert value(metrics, "gen_ai_server_time_to_first_token_seconds_sum", **names) == 1
    assert value(metrics, "gen_ai_server_time_per_output_token_seconds_sum", **names) == pytest.approx(0.02)


def test_a_label_takes_a_bounded_number_of_values():
    metrics = Metrics(("route",), max_values=2)
    metrics.observe([record(number, route=f"route-{number}", model=f"model-{number}") for number in range(5)])
    routes = {dict(labels)["route"] for name, labels in told(metrics) if name == "weighbridge_requests_total"}
    assert routes == {"route-0", "route-1", OTHER}
    assert value(metrics, "weighbridge_requests_total") == 5
    metrics.observe([record(9, route="route-1")])
    assert value(metrics, "weighbridge_requests_total", route="route-1") == 2


def test_an_operator_chooses_further_labels():
    metrics = Metrics(EXTRA_LABELS)
    metrics.observe([record(1, route="smart", team="search", organisation="acme", user="ann", key_id="key_1")])
    labels = {"route": "smart", "team": "search", "organisation": "acme", "user": "ann", "key": "key_1"}
    for name in ("weighbridge_requests_total", "weighbridge_tokens_total", "weighbridge_cost_usd_total"):
        assert value(metrics, name, **labels) > 0
    assert value(Metrics(), "weighbridge_requests_total") == 0


def test_customers_own_keys_are_one_in_the_labels_however_many_they_are():
    metrics = Metrics()
    made = [msgspec.structs.replace(attempt(), credential=f"own:pkey_{n}") for n in range(3)]
    metrics.observe([record(n, each) for n, each in enumerate(made)])
    target = {"provider": made[0].provider, "model": made[0].model, "error_type": ""}
    assert value(metrics, "weighbridge_attempts_total", **target, credential="own", status="200") == 3
