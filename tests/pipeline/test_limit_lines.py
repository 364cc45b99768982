from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.allowances import Allowances, Measure, RateLimit, Scope, ScopeKind
from weighbridge.core.codec import encode_json
from weighbridge.pipeline.limit_lines import _duration

MS = 1_000_000
EVERYBODY, EACH_KEY = Scope(ScopeKind.GATEWAY), Scope(ScopeKind.KEY, "*")
LIMITS = (
    RateLimit("rpm", EACH_KEY, Measure.REQUESTS, 60),
    RateLimit("few", EVERYBODY, Measure.REQUESTS, 6),
    RateLimit("tpm", EACH_KEY, Measure.TOKENS, 60_000),
)
MESSAGE = {"model": "claude-4", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def world(build):
    return build(allowances=Allowances(limits=LIMITS))


async def test_the_limit_with_the_least_left_is_told_in_openais_words(world):
    client = await world.chat(max_tokens=100)
    assert client.fields["x-ratelimit-limit-requests"] == "6"
    assert client.fields["x-ratelimit-remaining-requests"] == "5"
    assert client.fields["x-ratelimit-reset-requests"] == "10s"
    assert client.fields["x-ratelimit-limit-tokens"] == "60000"
    assert 59_800 < int(client.fields["x-ratelimit-remaining-tokens"]) < 59_900
    assert "x-weighbridge-ratelimit-remaining-requests" not in client.fields


async def test_anthropics_callers_read_their_own_names(world):
    client = await world.ask("POST", "/v1/messages", MESSAGE)
    assert client.fields["anthropic-ratelimit-requests-remaining"] == "5"
    assert client.fields["anthropic-ratelimit-requests-reset"] == "2027-01-15T08:00:10Z"
    assert "x-ratelimit-limit-requests" not in client.fields


async def test_what_the_provider_says_of_its_own_limits_stays(world):
    world.will_reply(b"{}", length=2, headers=(("x-ratelimit-remaining-requests", "9999"),))
    client = await world.chat()
    assert client.fields["x-ratelimit-remaining-requests"] == "9999"
    assert "x-ratelimit-limit-requests" not in client.fields
    assert client.fields["x-weighbridge-ratelimit-remaining-requests"] == "5"


async def test_a_refusal_says_that_nothing_is_left(world):
    for _ in range(6):
        await world.chat()
    refused = await world.chat()
    assert refused.status == 429
    assert refused.fields["x-ratelimit-remaining-requests"] == "0"
    assert refused.fields["x-ratelimit-reset-requests"] == "10s"


async def test_an_error_of_the_providers_has_them_too(world):
    world.will_reply(encode_json({"error": {"message": "no"}}), status=400)
    assert (await world.chat()).fields["x-ratelimit-remaining-requests"] == "5"


async def test_without_limits_nothing_is_added(build):
    client = await build().chat()
    assert not [name for name in client.fields if "ratelimit" in name]


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0ms"),
        (1, "1ms"),
        (6_000_000, "6ms"),
        (1_500_000_000, "1.500s"),
        (90_000_000_000, "1m30s"),
        (7_200_000_000_000, "2h0m0s"),
    ],
)
def test_durations_are_written_as_openai_does(ns, text):
    assert _duration(ns).decode() == text


@given(st.integers(0, 10**15))
def test_every_duration_has_units(ns):
    assert _duration(ns).endswith(b"s")
