from __future__ import annotations

import json

import pytest

from weighbridge.core.routes import Parameter, RetryPolicy, Route, RouteTarget
from weighbridge.core.terms import Deployment, Dialect, WireFormat
from weighbridge.providers.base import AuthStyle, CallPath

CLAUDE = {WireFormat.ANTHROPIC_MESSAGES: CallPath("/messages")}


@pytest.fixture
def sent(build):
    async def of(body, *, defaults=(), overrides=(), provider="openai", model="gpt-4o", path="/v1/chat/completions"):
        claude = build.provider("anthropic", {Dialect.ANTHROPIC: ""}, AuthStyle.X_API_KEY, formats=CLAUDE)
        gemini = build.provider("gemini", {Dialect.GEMINI: ""}, AuthStyle.X_GOOG_API_KEY)
        openai = build.provider("openai", {Dialect.OPENAI: "/v1"})
        spec = RouteTarget(
            Deployment(provider, model),
            defaults=tuple(Parameter(*each) for each in defaults),
            overrides=tuple(Parameter(*each) for each in overrides),
        )
        world = build(providers=(openai, claude, gemini), routes=(Route("r", (spec,), retry=RetryPolicy(max_attempts=1)),))
        await world.ask("POST", path, body)
        return world.sent_body, list(world.record.edits)

    return of


ASKED = b'{"model":"r", "messages": [ ], "temperature": 1.0}'


async def test_a_default_is_set_where_the_request_says_nothing(sent):
    body, edits = await sent(ASKED, defaults=[("temperature", b"0"), ("seed", b"7")])
    assert json.loads(body) == {"model": "gpt-4o", "messages": [], "temperature": 1.0, "seed": 7}
    assert b'"messages": [ ], "temperature": 1.0' in body
    assert edits == ["model", "default:seed"]


async def test_an_override_is_set_whatever_it_says(sent):
    body, edits = await sent(ASKED, overrides=[("temperature", b"0"), ("max_tokens", b"5")])
    assert json.loads(body) == {"model": "gpt-4o", "messages": [], "temperature": 0, "max_tokens": 5}
    assert edits == ["model", "override:temperature", "override:max_tokens"]


async def test_a_dot_leads_one_level_down(sent):
    body = b'{"contents":[],"generationConfig":{"temperature":1}}'
    sent_body, edits = await sent(
        body,
        defaults=[("generationConfig.temperature", b"0"), ("generationConfig.topK", b"3")],
        overrides=[("generationConfig.maxOutputTokens", b"9")],
        provider="gemini",
        model="gemini-pro",
        path="/v1beta/models/r:generateContent",
    )
    assert json.loads(sent_body)["generationConfig"] == {"temperature": 1, "topK": 3, "maxOutputTokens": 9}
    assert "default:generationConfig.topK" in edits


async def test_a_translated_request_gets_them_in_the_providers_words(sent):
    body, edits = await sent(
        b'{"model":"r","messages":[{"role":"user","content":"Hi"}],"max_tokens":9}',
        defaults=[("max_tokens", b"1"), ("top_k", b"4")],
        overrides=[("metadata.user_id", b'"ann"')],
        provider="anthropic",
        model="claude-4",
    )
    document = json.loads(body)
    assert (document["max_tokens"], document["top_k"], document["metadata"]) == (9, 4, {"user_id": "ann"})
    assert {"default:top_k", "override:metadata.user_id"} <= set(edits)
