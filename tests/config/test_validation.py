from __future__ import annotations

from pathlib import Path

import pytest

from weighbridge.config.document import parse_document
from weighbridge.config.schema import Config
from weighbridge.config.validation import validate_config


def said(text: str) -> list[str]:
    document = parse_document(text, "f")
    assert isinstance(document.value, dict)
    found = validate_config(document.value, document, Path())
    assert not isinstance(found, Config)
    return [problem.render("f") for problem in found]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sever: {}", "f:1: sever: is not a setting; did you mean `server`?"),
        ("server: {limits: {max_bdy: 1}}", "f:1: server.limits.max_bdy: is not a setting; did you mean `max_body`?"),
        ("providers: {x: {timeouts: {conect: 1s}}}", "f:1: providers.x.timeouts.conect: is not a setting; did you mean `connect`?"),
        ("keys: [{nam: a}]", "f:1: keys[0].name: is required"),
        ("server: []", "f:1: server: must be a mapping (lines of `name: value`)"),
        ("providers: [a]", "f:1: providers: must be a mapping (lines of `name: value`)"),
        ("providers: {x: 5}", "f:1: providers.x: must be a mapping (lines of `name: value`)"),
        ("routes: {a: 5}", "f:1: routes.a: must be a mapping (lines of `name: value`)"),
        ("routes: {a: []}", "f:1: routes.a: must not be empty"),
        ("routes: {a: [x/y, 5]}", "f:1: routes.a[1]: must be a mapping (lines of `name: value`)"),
        ("routes: {a: {targets: [{target: x/y, wieght: 1}]}}", "f:1: routes.a.targets[0].wieght: is not a setting"),
        ("routes: {a: {targets: [{target: x/y, route: b}]}}", "f:1: routes.a.targets[0].target: give either `target` or `route`"),
        ("routes: {a: {targets: [{target: x/y, weight: -1}]}}", "f:1: routes.a.targets[0].weight: must be a number"),
        ("routes: {a: {targets: [{target: x/y, weight: 0}]}}", "f:1: routes.a.targets: have no weight at all"),
        ("routes: {a: {targets: [{target: x/y, when: 'tools ||'}]}}", "f:1: routes.a.targets[0].when: is no condition in CEL"),
        (
            "routes: {a: {targets: [{target: x/y, overrides: {model: z}}]}}",
            "f:1: routes.a.targets[0].overrides: cannot set `model`",
        ),
        ("routes: {a: {targets: [x/y], sticky: moon}}", "f:1: routes.a.sticky: must be one of key, user, session"),
        ("routes: {a: {targets: [x/y], strategy: fastest}}", "f:1: routes.a.strategy: must be 'ordered', 'weighted'"),
        ("routes: {a: {targets: [x/y], strategy: consistent_hash}}", "f:1: routes.a.strategy: needs to know by what"),
        ("routes: {a: {targets: [x/y], hedge: {max_extra: 200%}}}", "f:1: routes.a.hedge.max_extra: must be a share"),
        ("retry: {attempts: 0}", "f:1: retry.attempts: "),
        ("providers: {x: {api_keys: k}}", "f:1: providers.x.api_keys: must be a list"),
        ("providers: {x: {models: [1.5]}}", "f:1: providers.x.models[0]: must be text; put it in quotes"),
        ("server: {port: 70000}", "f:1: server.port: must be less than or equal to 65535"),
        ("server: {port: eighty}", "f:1: server.port: must be a whole number"),
        ("server: {workers: true}", "f:1: server.workers: must be a whole number"),
        ("server: {auth: maybe}", "f:1: server.auth: must be 'required' or 'none'"),
        ("providers: {V1: {}}", "f:1: providers.V1: a provider's name has lower-case letters"),
        ("providers: {x: {base_urls: {opanai: http://h}}}", "f:1: providers.x.base_urls.opanai: must be 'openai', 'anthropic',"),
        ("data_dir: 5", "f:1: data_dir: must be text; put it in quotes"),
    ],
)
def test_each_problem_has_path_line_and_words_of_its_own(text: str, problem: str) -> None:
    assert any(line.startswith(problem) for line in said(text)), said(text)


def test_all_problems_are_told_at_once() -> None:
    text = "server:\n  port: x\n  lim: {}\nproviders:\n  a:\n    models: x\n  b:\n    base_url: x\nkeys:\n  - {}\n"
    assert [line.split(": ")[0] for line in said(text)] == ["f:2", "f:3", "f:6", "f:8", "f:10"]
