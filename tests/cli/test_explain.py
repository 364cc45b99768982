from __future__ import annotations

import json

import pytest

CONFIG = """
providers:
  local: {type: openai, base_url: "http://127.0.0.1:11434/v1", api_keys: [], models: [llama]}
  demo:
routes:
  best:
    targets:
      - {target: local/llama, when: tools}
      - demo/echo
    hedge: true
"""
REQUEST = {"model": "best", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def request_file(here):
    (here / "weighbridge.yaml").write_text(CONFIG)
    file = here / "request.json"
    file.write_text(json.dumps(REQUEST))
    return "request.json"


def test_who_would_be_asked_is_shown_and_who_not(run, request_file):
    outcome = run("explain", request_file)
    assert outcome.code == 0
    for text in ("demo/echo", "forwarded", "well", "local/llama", "condition does not hold: tools"):
        assert text in outcome.out
    assert "best: strategy ordered, up to 3 attempts, hedged" in outcome.err


def test_json_is_for_scripts(run, request_file, here):
    (here / "request.json").write_text(json.dumps(REQUEST | {"tools": [{"type": "function"}]}))
    told = json.loads(run("explain", request_file, "--json").out)
    assert [choice["target"] for choice in told["candidates"]] == ["local/llama", "demo/echo"]


def test_a_request_of_another_dialect_is_named_by_its_path(run, request_file, here):
    (here / "request.json").write_text(json.dumps({"model": "demo/echo", "max_tokens": 5, "messages": []}))
    told = json.loads(run("explain", request_file, "--path", "/v1/messages", "--json").out)
    assert told["candidates"][0]["target"] == "demo/echo"


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        ("nonsense", (), "the request is not JSON"),
        ('{"model": "nobody/unheard-of", "messages": [], "provider": 3}', (), "'provider' is not as OpenRouter has it"),
        ("{}", ("--url", "ftp://x"), "--url must begin with"),
        ("{}", ("--url", "http://127.0.0.1:1"), "could not be reached"),
    ],
)
def test_what_cannot_be_explained_says_why(run, request_file, here, content, arguments, said):
    (here / "request.json").write_text(content)
    outcome = run("explain", request_file, *arguments)
    assert (outcome.code, outcome.out) == (1, "")
    assert said in outcome.err


def test_a_missing_file_says_so(run, here):
    assert "missing.json cannot be read" in run("explain", "missing.json").err
