from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.codec import encode_json
from weighbridge.pipeline.attribution import Attribution, attribution_of, strings_of
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.receive import match_endpoint, read_envelope


@pytest.fixture
def told_by(build):
    def told(body=None, headers=(), target="/v1/chat/completions", key_tags=(), properties=()):
        world = build(properties=properties)
        client = world.client("POST", target, {"model": "gpt-4o", **(body or {})}, headers)
        exchange = Exchange(client, world.gateway.snapshot, "req_1", 0)
        exchange.fields = dict(client.headers)
        exchange.key = world.virtual_key(tags=key_tags)
        match_endpoint(exchange)
        read_envelope(exchange, client.sent)
        return attribution_of(exchange)

    return told


def test_who_says_nothing_is_nobody(told_by):
    assert told_by() == Attribution("", "", (), "")


@pytest.mark.parametrize(
    ("body", "headers", "end_user"),
    [
        ({"user": "ann"}, (), "ann"),
        ({"safety_identifier": "ann", "user": "bob"}, (), "ann"),
        ({"user": "bob"}, (("helicone-user-id", "ann"),), "ann"),
        ({}, (("x-weighbridge-end-user", "ann"),), "ann"),
        ({}, (("x-litellm-end-user-id", "ann"),), "ann"),
        ({}, (("x-litellm-customer-id", "ann"),), "ann"),
        ({}, (("x-portkey-metadata", encode_json({"_user": "ann", "env": "prod"})),), "ann"),
        ({"user": 3}, (), ""),
        ({"user": "a\0b"}, (), "a\ufffdb"),
        ({"user": "x" * 999}, (), "x" * 256),
    ],
)
def test_the_end_user_is_found_where_each_gateways_callers_name_it(told_by, body, headers, end_user):
    assert told_by(body, headers).end_user == end_user


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({}, (("x-session-id", "run-7"),)),
        ({}, (("helicone-session-id", "run-7"),)),
        ({}, (("x-litellm-session-id", "run-7"),)),
        ({"session_id": "run-7"}, ()),
        ({"session_id": "other"}, (("x-weighbridge-session", "run-7"),)),
    ],
)
def test_the_session_is_in_a_header_or_where_openrouters_callers_put_it(told_by, body, headers):
    assert told_by(body, headers).session == "run-7"


@pytest.mark.parametrize(
    "headers",
    [
        (("helicone-property-env", "prod"), ("helicone-property-feature-name", "chat box")),
        (("x-weighbridge-property-env", "prod"), ("x-weighbridge-property-feature-name", "chat  box ")),
        (("x-weighbridge-metadata", encode_json({"Env": "prod", "feature-name": "chat box"})),),
        (("cf-aig-metadata", encode_json({"env": "prod", "feature-name": "chat box", "none": ""})),),
    ],
)
def test_properties_are_tags_with_a_value_whoever_the_headers_were_written_for(told_by, headers):
    assert told_by(headers=headers).tags == ("env=prod", "feature-name=chat box")


def test_tags_are_the_keys_its_own_and_its_properties_each_once(told_by):
    headers = (("x-weighbridge-tags", "mine, batch,, mine"), ("x-litellm-tags", "theirs"), ("helicone-property-env", "prod"))
    assert told_by(headers=headers, key_tags=("batch", "env=prod")).tags == ("batch", "env=prod", "mine", "theirs")


def test_members_of_the_bodys_metadata_are_properties_where_the_configuration_names_them(told_by):
    body = {"metadata": {"env": "prod", "order": "o-1", "n": 3}}
    assert told_by(body).tags == ()
    assert told_by(body, properties=("n", "env", "feature")).tags == ("n=3", "env=prod")
    assert told_by({"metadata": [1]}, properties=("env",)).tags == ()
    assert told_by(body, (("helicone-property-env", "test"),), properties=("env",)).tags == ("env=test", "env=prod")


def test_a_value_cannot_become_two_tags_or_two_lines(told_by):
    metadata = encode_json({"env": "a,b\r\nc\0d", "Über größe": "1"})
    assert told_by(headers=(("x-weighbridge-metadata", metadata),)).tags == ("env=a;b c\ufffdd", "_ber_gr_e=1")


@given(st.binary(max_size=80))
def test_metadata_that_is_no_object_says_nothing(text):
    assert all(isinstance(value, str) for value in strings_of(text).values())


def test_the_number_of_tags_is_bounded(told_by):
    headers = [(f"helicone-property-p{n}", "1") for n in range(40)] + [("x-weighbridge-tags", ",".join(map(str, range(40))))]
    assert len(told_by(headers=headers).tags) == 32
