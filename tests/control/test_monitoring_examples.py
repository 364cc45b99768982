"""The dashboard and the alert rules that are shipped: valid, and of nothing that `/metrics` does not tell."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from tests.storage.test_ledger_store import attempt, record

from weighbridge.core.allowances import Allowances, Budget, Scope, ScopeKind
from weighbridge.core.codec import decode_json
from weighbridge.routing.health_events import KeyStatus, TargetState, TargetStatus
from weighbridge.routing.provider_key import KeyState

HERE = Path(__file__).parents[2] / "examples" / "monitoring"
OF_PROMETHEUS = {"up": {"job", "instance"}}
OF_GRAFANA = {"$__rate_interval": "5m", "$provider": ".*", "$model": ".*"}


def expressions():
    dashboard = decode_json((HERE / "grafana-dashboard.json").read_bytes())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield f"panel {panel['title']}", target["expr"]
    for group in yaml.safe_load((HERE / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield f"alert {rule['alert']}", rule["expr"]


def plain(expression):
    for variable, text in OF_GRAFANA.items():
        expression = expression.replace(variable, text)
    return expression


@pytest.fixture
async def known(admin, gateway):
    """Each sample's name that a scrape can have, and its labels."""
    again, elsewhere = attempt(5), msgspec.structs.replace(attempt(5), model="other")
    gateway.metrics.observe([record(1, attempt(None), again, elsewhere), record(2, is_stream=True, first_byte_ns=5)])
    gateway.allowances = Allowances((Budget("b", Scope(ScopeKind.TEAM, "search"), 5),))
    key = KeyStatus("openai#1", KeyState.RESTING, "", 5, 1)
    gateway.targets = [TargetStatus("openai/gpt-5", TargetState.OPEN, "", 5, 1.0, 1, 10, 5, 0, 0, 0, 1.0, (key,))]
    found = dict(OF_PROMETHEUS)
    for family in text_string_to_metric_families((await admin.get("http://gateway/metrics")).text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels, {"job", "instance"})
    return found


async def test_every_expression_is_valid_and_of_what_is_told(known):
    for where, expression in expressions():
        text = plain(expression)
        promql_parser.parse(text)
        for name, labels in re.findall(r"\b((?:weighbridge|gen_ai)_\w+|up\b)(?:\{([^}]*)\})?", re.sub(r"by \([^)]*\)", "", text)):
            assert name in known, where
            used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels or ""))
            assert used <= known[name], where
        for names in re.findall(r"by \(([^)]*)\)", text):
            used = {each.strip() for each in names.split(",")}
            assert any(used <= labels for labels in known.values()), where


def test_panels_have_titles_and_places_of_their_own():
    panels = decode_json((HERE / "grafana-dashboard.json").read_bytes())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_every_alert_says_how_bad_it_is_and_what_is_wrong():
    [group] = yaml.safe_load((HERE / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"].endswith(".")
