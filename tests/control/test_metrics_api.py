from __future__ import annotations

from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families
from tests.storage.test_ledger_store import record

from weighbridge.core.allowances import Allowances, Budget, Scope, ScopeKind
from weighbridge.routing.health_events import KeyStatus, TargetState, TargetStatus
from weighbridge.routing.provider_key import KeyState

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
URL = "http://gateway/metrics"


def samples(text, families=text_string_to_metric_families):
    return {(each.name, *sorted(each.labels.values())): each.value for family in families(text) for each in family.samples}


async def test_a_scrape_tells_of_the_gateway_and_of_what_is_in_the_ledger(admin, gateway):
    gateway.metrics.observe([record(1)])
    gateway.allowances = Allowances((Budget("b", Scope(ScopeKind.TEAM, "search"), 5_000_000_000),))
    gateway.levels = {}
    key = KeyStatus("openai#1", KeyState.RESTING, "", 5, 1)
    gateway.targets = [
        TargetStatus(f"openai/{model}", TargetState.OPEN, "", 5, 1.0, 1, 10, 5, 0, 0, 0, 1.0, (key,)) for model in ("gpt-5", "mini")
    ]
    own = KeyStatus("own:pkey_1", KeyState.PARKED, "", 5, 1)
    gateway.targets.append(TargetStatus("openai~team:search/gpt-5", TargetState.OPEN, "", 5, 1.0, 1, 10, 5, 0, 0, 0, 1.0, (own,)))
    reply = await admin.get(URL)
    assert reply.headers["content-type"].startswith("text/plain; version=")
    found = samples(reply.text)
    assert found["weighbridge_requests_total", "", "200", "chat", "gpt-5", "openai", "openai"] == 1
    assert found["weighbridge_workers", "ready"] == 1
    assert found["weighbridge_connections",] == 3
    assert (found["weighbridge_shared_limits_away",], found["weighbridge_shared_limits_unanswered_total",]) == (1, 5)
    assert found["weighbridge_target_state", "open", "openai/gpt-5"] == 1
    assert found["weighbridge_target_state", "closed", "openai/gpt-5"] == 0
    assert found["weighbridge_provider_key_state", "openai#1", "resting"] == 1
    assert "search/gpt-5" not in reply.text
    assert "own:pkey_1" not in reply.text
    assert found["weighbridge_budget_amount", "b", "month", "search", "team", "usd"] == 5
    assert found["weighbridge_ledger_lag_bytes",] == 17
    assert found["weighbridge_worker_restarts_total",] == 1


async def test_a_scraper_that_prefers_openmetrics_gets_it(admin, gateway):
    gateway.metrics.observe([record(1)])
    reply = await admin.get(URL, headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert reply.headers["content-type"].startswith("application/openmetrics-text")
    assert samples(reply.text, open_families)["weighbridge_workers", "ready"] == 1


async def test_it_takes_a_key_of_somebody_who_may_look_at_the_gateway(anyone, as_user):
    assert (await anyone.get(URL)).status_code == 401
    assert (await as_user("viewer").get(URL)).status_code == 200
    assert (await as_user("owner", team="search").get(URL)).status_code == 403


async def test_the_reference_page_names_every_metric(admin, gateway):
    gateway.metrics.observe([record(1)])
    page = PAGE.read_text(encoding="utf-8")
    families = {family.name for family in text_string_to_metric_families((await admin.get(URL)).text)}
    names = {name for name in families if name.startswith(("weighbridge_", "gen_ai_"))}
    assert [name for name in sorted(names) if f"`{name}" not in page] == []
