from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from weighbridge.cli.models import ModelRow, model_rows
from weighbridge.core.model_sizes import ASSUMED, ASSUMED_OUTPUT
from weighbridge.core.routes import plain_route
from weighbridge.core.terms import Deployment
from weighbridge.pipeline.plan import Plan
from weighbridge.providers.base import Provider


def row(provider, model, routes=(), **facts):
    """A model of which nobody says how much it writes."""
    return ModelRow(provider, model, routes, output_bound=ASSUMED_OUTPUT, output_source=ASSUMED, **facts)


def test_a_model_is_listed_once_with_every_route_to_it():
    a = Provider("a", {}, models=("one", "two"), patterns=("gpt-*",))
    b = Provider("b", {})
    routes = (
        plain_route("fast", Deployment("a", "one"), Deployment("b", "hidden")),
        plain_route("best", Deployment("a", "one")),
    )
    assert model_rows(Plan(1, (a, b), routes)) == [
        row("a", "one", ("fast", "best")),
        row("a", "two"),
        ModelRow("a", "gpt-*", (), is_pattern=True),
        row("b", "hidden", ("fast",)),
    ]


def test_models_prints_a_table_or_json(run):
    assert "echo" in run("models").out
    rows = json.loads(run("models", "--json").out)
    assert {
        "provider": "demo",
        "model": "echo",
        "routes": [],
        "is_pattern": False,
        "is_live": False,
        "output_bound": 65_536,
        "output_source": "assumed",
        "context_window": None,
    } in rows


def test_what_an_answer_may_have_at_most_is_told_with_whose_word_it_is(run, here):
    (here / "weighbridge.yaml").write_text(
        "providers: {openai: {api_key: sk-1, models: [gpt-5, gpt-4o]}, xai: {api_key: x, models: [grok-4.3]}}\n"
        "model_limits: [{match: openai/gpt-4o, max_output_tokens: 900}]\n"
    )
    told = {row["model"]: (row["output_bound"], row["output_source"]) for row in json.loads(run("models", "--json").out)}
    assert told["gpt-5"] == (128_000, "https://developers.openai.com/api/docs/models/gpt-5")
    assert told["gpt-4o"] == (900, "the configuration")
    assert told["grok-4.3"] == (1_000_000, "the context window in the price list")
    assert told["gpt-*"] == (None, "")


def test_without_models_it_says_how_to_get_some(run, here):
    (here / "weighbridge.yaml").write_text("providers: {}\n")
    outcome = run("models")
    assert outcome.code == 0
    assert "weighbridge init" in outcome.err


def test_what_a_provider_listed_stands_after_what_is_configured():
    routes = (plain_route("fast", Deployment("a", "live")),)
    a = Provider("a", {}, models=("one",), live_models=("live", "other"))
    assert model_rows(Plan(1, (a,), routes)) == [
        row("a", "one"),
        row("a", "live", ("fast",), is_live=True),
        row("a", "other", is_live=True),
    ]


@pytest.fixture
def lister():
    """A server that lists two models to who has the key, and its address."""

    class Lister(BaseHTTPRequestHandler):
        def do_GET(self):
            is_known = (self.path, self.headers["authorization"]) == ("/v1/models", "Bearer sk-1")
            body = b'{"object":"list","data":[{"id":"served"},{"id":"written"}]}'
            self.send_response(200 if is_known else 401)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Lister) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def test_live_lists_are_asked_over_the_wire_and_a_failure_is_noted_beside_the_rest(run, here, lister):
    (here / "weighbridge.yaml").write_text(
        "providers:\n  demo:\n"
        f"  mine: {{type: openai, base_url: {lister}, api_key: sk-1, models: [written]}}\n"
        f"  other: {{type: openai, base_url: {lister}, api_key: sk-2}}\n"
        "  gone: {type: openai, base_url: http://127.0.0.1:9/v1}\n"
    )
    outcome = run("models", "--live", "--json")
    assert outcome.code == 0
    rows = [(row["provider"], row["model"], row["is_live"]) for row in json.loads(outcome.out) if row["provider"] != "demo"]
    assert rows == [("mine", "written", False), ("mine", "served", True)]
    assert "other: it answered with the status 401" in outcome.err
    assert "gone: " in outcome.err
    assert "sk-" not in outcome.err


def test_providers_are_only_asked_if_they_are_to_be(run, here, lister):
    (here / "weighbridge.yaml").write_text(f"providers:\n  mine: {{type: openai, base_url: {lister}, api_key: sk-1}}\n")
    assert "served" not in run("models").out
