from __future__ import annotations

import pytest

from weighbridge.core.terms import Dialect, WireFormat
from weighbridge.providers.base import CallPath

HELLO = [{"role": "user", "content": "Hello out there"}]
CONTENTS = [{"role": "user", "parts": [{"text": "Hello out there"}]}]


@pytest.fixture
def world(build):
    made = build.provider
    formats = {WireFormat.BEDROCK_CONVERSE: CallPath("/model/{model}/converse")}
    return build(providers=(made("cloud", {Dialect.BEDROCK: ""}, formats=formats), made("anthropic", {Dialect.ANTHROPIC: ""})))


@pytest.mark.parametrize(
    ("target", "body", "field"),
    [
        ("/v1/messages/count_tokens", {"model": "cloud/m", "messages": HELLO}, "input_tokens"),
        ("/v1/responses/input_tokens", {"model": "cloud/m", "input": "Hello out there"}, "input_tokens"),
        ("/v1beta/models/cloud%2Fm:countTokens", {"contents": CONTENTS}, "totalTokens"),
    ],
)
async def test_a_target_that_cannot_count_is_not_asked_and_the_bound_is_named_as_ours(world, target, body, field):
    client = await world.ask("POST", target, body)
    assert client.status == 200, client.body
    assert 3 <= client.json[field] < 100
    assert client.fields["x-weighbridge-edits"] == "estimated:input_tokens"
    assert world.upstream.requests == []
    assert (world.record.status, world.record.edits) == (200, ("estimated:input_tokens",))


async def test_a_vendor_counts_its_own_format_itself(world):
    await world.ask("POST", "/v1/messages/count_tokens", {"model": "anthropic/m", "messages": HELLO})
    assert world.request_line == "POST /v1/messages/count_tokens HTTP/1.1"


async def test_a_request_that_makes_no_sense_is_refused(world):
    client = await world.ask("POST", "/v1/messages/count_tokens", {"model": "cloud/m", "messages": 5})
    assert (client.status, client.json["error"]["type"]) == (400, "invalid_request_error")
