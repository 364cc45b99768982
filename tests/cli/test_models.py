from __future__ import annotations

import json

from weighbridge.cli.models import ModelRow, model_rows
from weighbridge.core.terms import Deployment, Route
from weighbridge.pipeline.plan import Plan
from weighbridge.providers.base import Provider


def test_a_model_is_listed_once_with_every_route_to_it():
    a = Provider("a", {}, models=("one", "two"), patterns=("gpt-*",))
    b = Provider("b", {})
    routes = (
        Route("fast", (Deployment("a", "one"), Deployment("b", "hidden"))),
        Route("best", (Deployment("a", "one"),)),
    )
    assert model_rows(Plan(1, (a, b), routes)) == [
        ModelRow("a", "one", ("fast", "best")),
        ModelRow("a", "two", ()),
        ModelRow("a", "gpt-*", (), is_pattern=True),
        ModelRow("b", "hidden", ("fast",)),
    ]


def test_models_prints_a_table_or_json(run):
    assert "echo" in run("models").out
    rows = json.loads(run("models", "--json").out)
    assert {"provider": "demo", "model": "echo", "routes": [], "is_pattern": False} in rows


def test_without_models_it_says_how_to_get_some(run, here):
    (here / "weighbridge.yaml").write_text("providers: {}\n")
    outcome = run("models")
    assert outcome.code == 0
    assert "weighbridge init" in outcome.err
