"""Payloads as the data plane hands them over: what the client asked and got, and nothing where nobody wants it."""

from __future__ import annotations

import pytest

from weighbridge.core.payloads import PayloadRules
from weighbridge.core.routes import plain_route
from weighbridge.core.terms import Deployment

ANSWER = (
    b'{"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}'
)
EVENTS = [
    b'data: {"choices":[{"delta":{"content":"Once"}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":" upon"}}]}\n\n',
    b"data: [DONE]\n\n",
]


ALL = PayloadRules()


class Keeper:
    def __init__(self):
        self.kept = []

    def keep(self, payload):
        self.kept.append(payload)


@pytest.fixture
def kept(build):
    def made(rules=ALL, **facts):
        world = build(payloads=rules, **facts)
        world.gateway._payload_keeper = keeper = Keeper()
        return world, keeper.kept

    return made


async def test_a_whole_answer_is_kept_as_the_client_got_it(kept):
    world, found = kept()
    world.will_reply(ANSWER, length=len(ANSWER))
    client = await world.chat(user="ann")
    (payload,) = found
    assert payload.reply == client.body == ANSWER
    assert (payload.reply_type, payload.reply_bytes, payload.end_user) == ("application/json", len(ANSWER), "ann")
    assert b'"model"' in payload.request
    assert payload.request_bytes == len(payload.request)
    assert payload.request_id == world.record.request_id


async def test_a_stream_is_kept_and_the_client_has_it_untouched(kept):
    world, found = kept()
    world.will_reply(*EVENTS, headers=(("content-type", "text/event-stream; charset=utf-8"),))
    client = await world.chat(stream=True, stream_options={"include_usage": True})
    assert client.body == b"".join(EVENTS)
    assert (found[0].reply, found[0].reply_type) == (client.body, "text/event-stream")


async def test_an_error_is_kept_too(kept):
    world, found = kept()
    body = b'{"error":{"message":"no such thing"}}'
    world.will_reply(body, status=400, length=len(body))
    client = await world.chat()
    assert (client.status, found[0].reply) == (400, client.body)
    world.upstream.script.clear()
    assert (await world.chat(model="nobody-has-this")).status == 404
    assert b"nobody-has-this" in found[1].request
    assert b"error" in found[1].reply


async def test_what_is_longer_is_kept_up_to_the_bound_and_its_length_is_told(kept):
    world, found = kept(PayloadRules(max_bytes=50))
    world.will_reply(ANSWER[:30], ANSWER[30:], length=len(ANSWER))
    await world.chat()
    assert (found[0].reply, found[0].reply_bytes) == (ANSWER[:50], len(ANSWER))
    assert len(found[0].request) == 50 < found[0].request_bytes


async def test_a_caller_may_forbid_it_and_nobody_else_is_told(kept):
    world, found = kept()
    await world.chat(headers=[("x-weighbridge-payload", "Omit")])
    assert found == []
    assert b"x-weighbridge-payload" not in world.upstream.requests[0].head.lower()


async def test_only_the_routes_and_teams_that_are_named(kept):
    route = plain_route("smart", Deployment("openai", "gpt-4o"))
    world, found = kept(PayloadRules(routes=frozenset({"smart"})), routes=(route,))
    await world.chat(model="smart")
    await world.chat(model="gpt-4o")
    assert len(found) == 1
    other, none = kept(PayloadRules(teams=frozenset({"somebody-elses"})))
    await other.chat()
    assert none == []


@pytest.mark.parametrize(("share", "chance", "n"), [(500_000, 0.49, 1), (500_000, 0.5, 0), (1_000_000, 0.999, 1)])
async def test_a_share_of_them_by_chance(kept, share, chance, n):
    world, found = kept(PayloadRules(share_ppm=share))
    world.gateway.fleet.rng = type("Rng", (), {"random": lambda _self: chance})()
    await world.chat()
    assert len(found) == n


async def test_without_a_rule_no_exchange_has_a_witness(build):
    world = build()
    world.gateway._payload_keeper = keeper = Keeper()
    await world.chat()
    assert keeper.kept == []


async def test_one_answer_for_two_requests_is_kept_for_both(kept):
    world, found = kept()
    world.will_reply(ANSWER, length=len(ANSWER))
    for _ in range(2):
        assert (await world.chat(headers=[("idempotency-key", "the-same-key-for-both")])).body == ANSWER
    assert [payload.reply for payload in found] == [ANSWER, ANSWER]
    assert len(world.upstream.requests) == 1
