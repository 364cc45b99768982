from __future__ import annotations

import pytest

from weighbridge.core.codec import encode_json
from weighbridge.core.routes import Route, StickyBy
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.receive import match_endpoint, read_envelope
from weighbridge.pipeline.traits import RequestTraits

TURNS = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}, {"role": "user", "content": "Bye"}]


@pytest.fixture
def traits_of(world):
    def built(body, headers=(), target="/v1/chat/completions", **route):
        client = world.client("POST", target, {"model": "gpt-4o", **body}, headers)
        exchange = Exchange(client, world.gateway.snapshot, "req_1", 3_600_000_000_000 * 30)
        exchange.fields = dict(client.headers)
        exchange.key = world.virtual_key(team="blue")
        match_endpoint(exchange)
        read_envelope(exchange, client.sent)
        return RequestTraits(exchange, Route("r", (), **route))

    return built


def test_turns_of_one_conversation_share_their_beginnings(traits_of):
    one = traits_of({"messages": TURNS[:1]}).prefixes
    three = traits_of({"messages": TURNS, "temperature": 1}).prefixes
    assert len(one) == 2
    assert len(three) == 4
    assert three[:2] == one


@pytest.mark.parametrize("other", [{"messages": [TURNS[2]]}, {"messages": TURNS[:1], "tools": [{"type": "x"}]}])
def test_what_a_prompt_cache_tells_apart_has_other_beginnings(traits_of, other):
    assert not set(traits_of({"messages": TURNS[:1]}).prefixes[1:]) & set(traits_of(other).prefixes)


def test_a_long_conversation_is_known_by_its_last_turns(traits_of):
    prefixes = traits_of({"messages": TURNS * 50}).prefixes
    assert len(prefixes) == 32
    longer = traits_of({"messages": TURNS * 50 + TURNS[:1]}).prefixes
    assert prefixes[-1] in longer


@pytest.mark.parametrize("body", [{"input": "Hello"}, {"input": "Hello", "messages": 3}, {}])
def test_a_request_of_any_shape_has_beginnings(traits_of, body):
    assert traits_of(body).prefixes


@pytest.mark.parametrize(
    ("sticky", "body", "headers", "found"),
    [
        (StickyBy.NOTHING, {"user": "ann"}, (), b""),
        (StickyBy.KEY, {}, (), b"key_1"),
        (StickyBy.USER, {"user": "ann"}, (), b"ann"),
        (StickyBy.USER, {"user": "ann", "safety_identifier": "bob"}, (), b"bob"),
        (StickyBy.USER, {"user": 5}, (), b""),
        (StickyBy.SESSION, {}, (("x-session-id", "s1"),), b"s1"),
        (StickyBy.SESSION, {}, (("helicone-session-id", "s2"),), b"s2"),
        (StickyBy.HEADER, {}, (("x-tenant", "t"),), b"t"),
        (StickyBy.HEADER, {}, (), b""),
    ],
)
def test_what_makes_requests_the_same_callers(traits_of, sticky, body, headers, found):
    assert traits_of(body, headers, sticky=sticky, sticky_header="x-tenant").sticky == found


def test_without_a_session_header_a_conversation_is_a_session(traits_of):
    one, other = ({"messages": TURNS[:1]}, {"messages": TURNS})
    sticky = {"sticky": StickyBy.SESSION}
    assert traits_of(one, **sticky).sticky == traits_of(other, **sticky).sticky != b""
    assert traits_of({"messages": [TURNS[1]]}, **sticky).sticky != traits_of(one, **sticky).sticky


def test_anthropics_end_user_is_in_its_metadata(traits_of):
    body = {"metadata": {"user_id": "ann"}, "messages": TURNS, "max_tokens": 7}
    assert traits_of(body, target="/v1/messages").user == "ann"
    assert traits_of({"metadata": 3}, target="/v1/messages").user == ""


@pytest.mark.parametrize(
    ("body", "bound"),
    [({}, 500), ({"max_tokens": 7}, 7), ({"max_completion_tokens": 8}, 8), ({"max_tokens": "x"}, 500), ({"max_tokens": 0}, 500)],
)
def test_the_bound_on_the_output_is_the_requests_or_a_usual_one(traits_of, body, bound):
    assert traits_of(body).max_output_tokens == bound


def test_the_bound_of_geminis_request(traits_of):
    body = {"contents": [], "generationConfig": {"maxOutputTokens": 9}}
    assert traits_of(body, target="/v1beta/models/gemini-pro:generateContent").max_output_tokens == 9


def test_a_condition_sees_what_it_names_and_nothing_else(traits_of):
    body = {"messages": TURNS, "tools": [{"type": "function"}], "stream": True, "user": "ann", "metadata": {"tier": "gold", "n": 3}}
    headers = (("x-weighbridge-metadata", encode_json({"tier": "silver"})), ("x-plan", "pro"))
    traits = traits_of(body, headers)
    names = ("metadata", "headers", "key", "team", "user", "model", "stream", "tools", "images", "operation", "dialect", "hour")
    values = traits.values(frozenset(names))
    assert values["metadata"] == {"tier": "silver", "n": "3"}
    assert values["headers"]["x-plan"] == "pro"
    assert "authorization" not in values["headers"]
    assert {name: values[name] for name in names[2:]} == {
        "key": "tests",
        "team": "blue",
        "user": "ann",
        "model": "gpt-4o",
        "stream": True,
        "tools": True,
        "images": False,
        "operation": "chat",
        "dialect": "openai",
        "hour": 6,
    }
    assert set(traits.values(frozenset(("user", "unheard-of")))) == {"user"}
    assert traits.values(frozenset(("request_bytes", "input_tokens")))["input_tokens"] > 10


@pytest.mark.parametrize("metadata", [b"nonsense", b"[1]", b""])
def test_metadata_that_is_none_says_nothing(traits_of, metadata):
    assert traits_of({}, (("x-weighbridge-metadata", metadata),)).metadata == {}


def test_pictures_are_seen(traits_of):
    picture = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}
    assert traits_of({"messages": [picture]}).has_images
