from __future__ import annotations

import pytest

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Dialect
from weighbridge.pipeline import held_relay

EMBED = {"model": "gemini/x", "input": "a"}
VECTOR = b'{"embedding":{"values":[1]}}'


@pytest.fixture
def world(build):
    return build(providers=(build.provider("gemini", {Dialect.GEMINI: ""}),))


async def test_the_answer_waits_for_the_settlement_and_has_its_length(world):
    world.will_reply(VECTOR[:5], VECTOR[5:])
    client = await world.ask("POST", "/v1/embeddings", EMBED)
    assert [kind for kind, _ in world.events] == ["start", "record", "end"]
    assert client.length == len(client.body) == world.record.reply_bytes


async def test_a_reply_that_breaks_off_is_an_error_and_no_half_answer(world):
    world.will_reply(VECTOR[:5], error=GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "The provider broke off its answer."))
    client = await world.ask("POST", "/v1/embeddings", EMBED)
    assert (client.status, client.is_ended) == (502, True)


async def test_a_reply_is_held_up_to_a_bound(world, monkeypatch):
    monkeypatch.setattr(held_relay, "_MAX_WHOLE_BYTES", 20)
    world.will_reply(VECTOR)
    client = await world.ask("POST", "/v1/embeddings", EMBED)
    assert (client.status, world.record.error) == (502, "provider_malformed")


async def test_an_endless_error_reply_is_not_held(world, monkeypatch):
    monkeypatch.setattr(held_relay, "_MAX_ERROR_BYTES", 20)
    world.will_reply(b'{"error":{"message":', b"x" * 1000, status=500)
    client = await world.ask("POST", "/v1/embeddings", EMBED)
    assert client.status == 500
    assert len(client.body) < 500
