from __future__ import annotations

import json

CONFIG = """
providers:
  local:
    type: openai
    base_url: http://127.0.0.1:11434/v1
    api_keys: [sk-hidden, sk-hidden-too]
    models: [llama]
  demo:
routes:
  best: [local/llama, demo/echo]
"""


def test_a_good_file_is_shown_as_what_it_makes(run, here):
    (here / "weighbridge.yaml").write_text(CONFIG)
    outcome = run("check-config")
    assert (outcome.code, outcome.err) == (0, "")
    for text in ("http://127.0.0.1:11434/v1", "built in", "best", "local/llama", "demo/echo", "weighbridge.yaml is valid"):
        assert text in outcome.out
    assert "hidden" not in outcome.out


def test_a_file_without_providers_is_valid_and_said_to_serve_no_model(run, here):
    (here / "weighbridge.yaml").write_text("budgets: [{scope: gateway, amount: $5}]\n")
    outcome = run("check-config")
    assert outcome.code == 0
    assert "weighbridge.yaml is valid" in outcome.out
    assert "┏" not in outcome.out
    assert "no provider is configured" in outcome.err


def test_a_bad_file_is_code_1_and_nothing_on_standard_output(run, here):
    (here / "bad.yaml").write_text("providers: 7\n")
    outcome = run("check-config", "--config", "bad.yaml")
    assert (outcome.code, outcome.out) == (1, "")
    assert "bad.yaml:1: providers" in outcome.err


def test_a_missing_file_says_how_to_write_one(run):
    outcome = run("check-config", "-c", "missing.yaml")
    assert outcome.code == 1
    assert "weighbridge init" in outcome.err


def test_no_file_is_no_error(run):
    outcome = run("check-config")
    assert outcome.code == 0
    assert "no configuration file" in outcome.out


def test_the_schema_for_editors_is_json(run):
    assert json.loads(run("check-config", "--json-schema").out)["properties"].keys() >= {"providers", "routes"}
