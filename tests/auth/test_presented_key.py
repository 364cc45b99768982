from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.auth.presented_key import (
    KEY_HEADERS,
    may_use,
    presented_key,
    query_value,
    websocket_key,
    without_query,
    without_websocket_key,
)

GATEWAY_HEADERS = [
    b"x-weighbridge-key",
    b"x-litellm-api-key",
    b"x-portkey-api-key",
    b"helicone-auth",
    b"cf-aig-authorization",
    b"x-bf-vk",
    b"otari-key",
]
VENDOR_HEADERS = [b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key"]


@pytest.mark.parametrize("header", GATEWAY_HEADERS + VENDOR_HEADERS)
@pytest.mark.parametrize("value", [b"wb-1", b"Bearer wb-1", b"bearer wb-1", b"BEARER   wb-1 "])
def test_key_is_found_wherever_it_stands(header, value):
    assert presented_key({header: value}, b"") == b"wb-1"
    assert header in KEY_HEADERS


@pytest.mark.parametrize("gateway", GATEWAY_HEADERS)
@pytest.mark.parametrize("vendor", VENDOR_HEADERS)
def test_gateways_header_wins_whatever_comes_first(gateway, vendor):
    assert presented_key({vendor: b"sk-own", gateway: b"wb-1"}, b"key=q") == b"wb-1"
    assert presented_key({gateway: b"wb-1", vendor: b"sk-own"}, b"key=q") == b"wb-1"


def test_header_wins_over_the_query_and_the_query_over_a_subprotocol():
    protocols = {b"sec-websocket-protocol": b"openai-insecure-api-key.wb-p"}
    assert presented_key({b"x-api-key": b"wb-h", **protocols}, b"key=wb-q") == b"wb-h"
    assert presented_key(protocols, b"key=wb-q") == b"wb-q"
    assert presented_key(protocols, b"monkey=1") == b"wb-p"


@pytest.mark.parametrize("fields", [{}, {b"cookie": b"key=wb-1"}, {b"sec-websocket-protocol": b"realtime, v1"}])
def test_no_key(fields):
    assert presented_key(fields, b"a=b&keys=1") is None


def test_empty_header_gives_an_empty_key_and_nothing_else_is_tried():
    assert presented_key({b"authorization": b"Bearer "}, b"key=wb-q") == b""


@pytest.mark.parametrize(
    ("query", "value"),
    [
        (b"key=a", b"a"),
        (b"x=1&key=a%2Db&key=c", b"a-b"),
        (b"key=", b""),
        (b"key", b""),
        (b"akey=1", None),
        (b"", None),
        (b"KEY=1", None),
    ],
)
def test_query_value(query, value):
    assert query_value(query, b"key") == value


@pytest.mark.parametrize(
    ("query", "rest"),
    [
        (b"key=a", b""),
        (b"x=1&key=a&y=%20+&key=b&", b"x=1&y=%20+&"),
        (b"monkey=1&keys=2", b"monkey=1&keys=2"),
        (b"key", b""),
        (b"x=key", b"x=key"),
    ],
)
def test_only_the_parameter_leaves_the_query(query, rest):
    assert without_query(query, b"key") == rest


@given(
    st.lists(st.tuples(st.sampled_from([b"key", b"a", b"monkey", b"k"]), st.binary(max_size=4).map(lambda b: b.replace(b"&", b""))))
)
def test_query_without_a_parameter_holds_all_others(pairs):
    query = b"&".join(name + b"=" + value for name, value in pairs)
    expected = b"&".join(name + b"=" + value for name, value in pairs if name != b"key")
    assert without_query(query, b"key") == expected


def test_key_among_subprotocols_is_found_and_taken_out():
    protocols = b"realtime ,openai-insecure-api-key.wb-1, openai-beta.realtime-v1"
    assert websocket_key(protocols) == b"wb-1"
    assert without_websocket_key(protocols) == b"realtime, openai-beta.realtime-v1"
    assert without_websocket_key(b"openai-insecure-api-key.wb-1") == b""
    assert websocket_key(b"realtime") is None


@pytest.mark.parametrize(
    ("allowed", "names", "is_allowed"),
    [
        ((), ("anything",), True),
        (("gpt-4o",), ("gpt-4o",), True),
        (("gpt-4o",), ("gpt-4o-mini",), False),
        (("openai/*",), ("gpt-4o", "openai/gpt-4o"), True),
        (("openai/*",), ("openai", "openaix/a"), False),
        (("GPT-*",), ("gpt-4o",), False),
        (("a", "b"), ("b",), True),
        (("*",), ("x/y/z",), True),
    ],
)
def test_models_of_a_key(allowed, names, is_allowed):
    assert may_use(allowed, names) is is_allowed
