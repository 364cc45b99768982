from __future__ import annotations

import pytest

from weighbridge.config.route_checks import route_problems

PROVIDERS = {"openai": {"api_keys": ["a", "b"]}, "groq": {}}


def problems(routes):
    return [(".".join(map(str, path)), message, suggestion) for path, message, suggestion in route_problems(routes, PROVIDERS)]


@pytest.mark.parametrize(
    ("routes", "path", "message"),
    [
        ({"a": "opnai/x"}, "routes.a", "names a provider that is not configured"),
        ({"a": ["groq/x", "opnai/x"]}, "routes.a.1", "names a provider that is not configured"),
        ({"a": {"targets": [{"target": "opnai/x"}]}}, "routes.a.targets.0.target", "names a provider that is not configured"),
        ({"a": "smart"}, "routes.a", "must be `provider/model` or another route's name"),
        ({"a": {"targets": [{"route": "b"}]}}, "routes.a.targets.0.route", "must be `provider/model` or another route's name"),
        ({"a": "openai/gpt-*"}, "routes.a", "has a `*` that nothing fills"),
        ({"openai/x": "groq/x"}, "routes.openai/x", "hides a model of the provider of that name"),
        (
            {"a": {"targets": [{"target": "openai/x", "keys": [3]}]}},
            "routes.a.targets.0.keys",
            "has a key that `openai` does not have",
        ),
        ({"a": "a"}, "routes.a", "leads back to itself: a > a"),
        ({"a": "b", "b": ["groq/x", "c"], "c": "a"}, "routes.a", "leads back to itself: a > b > c > a"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(routes, path, message):
    assert [(found, said) for found, said, _ in problems(routes)] == [(path, message)]


@pytest.mark.parametrize(
    "routes",
    [
        {},
        {"a": "openai/x", "b": "a", "c": ["b", "groq/y"]},
        {"gpt-*": "openai/gpt-*"},
        {"a": {"targets": [{"target": "openai/x", "keys": [1, "openai#2"]}]}},
        {"a": 5, "b": {"targets": 7}, "c": [None]},  # left to the schema
    ],
)
def test_what_is_right_is_not_complained_of(routes):
    assert problems(routes) == []


def test_a_near_miss_is_suggested():
    assert "openai" in problems({"a": "opnai/x"})[0][2]
