"""A batch whose requests are in its body: what a key may ask for by itself it may ask for in a batch, and nothing else."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.pipeline.conftest import World, virtual_key
from tests.pipeline.test_bookkeeper import KEY_BUDGET, RATES, USD, charged, of, spent

from weighbridge.core.allowances import Budget, Scope, ScopeKind, Shortage
from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.rates import UNIT, Bracket, PriceBook, PriceRule, Rates, UnknownAction, UnknownPolicy
from weighbridge.pipeline.plan import Limits

PATH = "/v1/messages/batches"
WORDS = ['{"requests":', '"params":', '"model":', '"claude-4"', "[", "]", "{", "}", ",", "null", "1e9", '"\\ud83d"', '"\\\\"']
PIECES = st.lists(st.sampled_from(WORDS), max_size=14).map("".join)
"""Of bodies: most are no JSON, and many of the others no batch."""
HALF = PriceBook(rules=(PriceRule("*", own=(RATES,), tiers={"batch": UNIT // 2}, source="tests"),))
MADE = b'{"id":"msgbatch_1","type":"message_batch","processing_status":"in_progress"}'
TOLD = {"input_tokens": 100, "output_tokens": 50}


def request(name="a", model="claude-4", max_tokens=100, **fields):
    params = {"model": model, "max_tokens": max_tokens, "messages": [{"role": "user", "content": "Hello"}]}
    return {"custom_id": name, "params": params | fields}


def batch(*requests):
    return encode_json({"requests": list(requests)})


async def make(world, body, headers=()):
    world.will_reply(MADE, length=len(MADE))
    return await world.ask("POST", PATH, body, headers)


def error_of(client):
    return client.status, client.json["error"]["type"], client.json["error"]["message"]


def most(*requests):
    """What these may cost in a batch, in nano-dollars."""
    sizes = [len(encode_json(each["params"])) for each in requests]
    return sum((size + 1_024) * 500 + each["params"]["max_tokens"] * 5_000 for size, each in zip(sizes, requests, strict=True))


async def test_a_hard_budget_holds_the_most_that_a_batch_may_cost_until_its_results_tell(build):
    world = build(**of(KEY_BUDGET, prices=HALF))
    asked = [request("a"), request("b", max_tokens=2_000)]
    assert (await make(world, batch(*asked))).status == 200
    assert world.sent_body == batch(*asked)
    assert spent(world) == (most(*asked), 0)
    line = encode_json({"custom_id": "a", "result": {"type": "succeeded", "message": {"model": "claude-4", "usage": TOLD}}}) + b"\n"
    world.will_reply(line * 2, length=2 * len(line))
    await world.ask("GET", f"{PATH}/msgbatch_1/results")
    cost = 100 * 1_000 + 50 * 10_000
    assert spent(world) == (cost, 0)
    assert charged(world) == [most(*asked), cost - most(*asked)]


async def test_a_batch_that_may_cost_more_than_a_budget_has_is_refused_and_holds_nothing(build):
    scope = Scope(ScopeKind.KEY, "*")
    world = build(**of(Budget("per-key", scope, USD // 100, on_shortage=Shortage.LOWER), prices=HALF))
    client = await world.ask("POST", PATH, batch(request(max_tokens=1_000), request("b", max_tokens=1_000)))
    assert (client.status, client.json["error"]["type"]) == (402, "billing_error")
    assert world.upstream.requests == []
    assert spent(world) == (0, 0)


async def test_without_a_budget_the_books_know_the_most_that_a_batch_may_cost(build):
    world = build(prices=HALF)
    await make(world, batch(request()))
    (attempt,) = world.record.attempts
    assert (attempt.cost_nanousd, attempt.reserved_nanousd) == (None, most(request()))


async def test_prices_of_long_prompts_count_only_where_a_prompt_is_long(build):
    """Two prompts that are long together are not one that is long."""
    long = Bracket(Rates(input=2_000_000, output=20_000_000), above=3_000)
    world = build(prices=PriceBook(rules=(PriceRule("*", own=(RATES, long), tiers={"batch": UNIT // 2}, source="tests"),)))
    asked = [request("a", messages=[{"role": "user", "content": "x" * 1_500}]) for _ in range(2)]
    await make(world, batch(*asked))
    assert world.record.attempts[0].reserved_nanousd == most(*asked)
    await make(world, batch(request("a", messages=[{"role": "user", "content": "x" * 2_500}])))
    assert world.sink.records[1].attempts[0].reserved_nanousd > 2 * (2_500 * 500 + 100 * 5_000)


async def test_every_model_of_a_batch_must_be_one_that_the_key_may_use(build):
    world = build(keys=[virtual_key(models=("anthropic/claude-4",))])
    assert (await make(world, batch(request(), request("b")))).status == 200
    client = await world.ask("POST", PATH, batch(request(), request("b", model="claude-5")))
    assert error_of(client) == (403, "permission_error", "Request 1 of the batch: This key may not use the model 'claude-5'.")
    assert len(world.upstream.requests) == 1


async def test_a_keys_bound_on_outputs_holds_in_a_batch(build):
    world = build(keys=[virtual_key(max_output_tokens=50)], prices=HALF)
    client = await make(world, batch(request(max_tokens=20), request("b", max_tokens=70), request("c", max_tokens=90)))
    bounds = [each["params"]["max_tokens"] for each in decode_json(world.sent_body)["requests"]]
    assert bounds == [20, 50, 50]
    assert client.fields["x-weighbridge-edits"].split(",")[0] == "capped:max_tokens=50"


async def test_a_model_may_have_its_providers_name_before_it(build):
    world = build()
    body = batch(request(model="anthropic/claude-4"), request("b"))
    client = await make(world, body)
    assert world.sent_body == body.replace(b'"anthropic/claude-4"', b'"claude-4"')
    assert client.fields["x-weighbridge-edits"].split(",")[0] == "model"


async def test_of_two_models_in_one_request_the_provider_reads_the_one_that_was_looked_at(build):
    world = build(keys=[virtual_key(models=("anthropic/claude-4",))])
    twice = b'{"requests":[{"custom_id":"a","params":{"model":"claude-5","max_tokens":9,"model":"claude-4","messages":[]}}]}'
    await make(world, twice)
    assert world.sent_body == twice.replace(b"claude-5", b"claude-4")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"requests":[],"requests":[]}', "The field 'requests' is there more than once."),
        (b'{"requests":[{"params":{},"custom_id":"a","params":{}}]}', "The field 'params' is there more than once."),
        (b'{"requests":{}}', "The field 'requests' must be a list."),
        (b'{"requests":[{"params":7}]}', "The field 'requests.0.params' must be an object."),
        (batch(request(), {"params": {}}), "Request 1 of the batch: The request names no model."),
        (batch(request(model=7)), "Request 0 of the batch: The field 'requests.0.params.model' must be a string."),
    ],
)
async def test_what_could_be_read_in_two_ways_or_not_at_all_is_refused(build, body, message):
    world = build()
    client = await world.ask("POST", PATH, body)
    assert error_of(client) == (400, "invalid_request_error", message)
    assert world.upstream.requests == []


@given(PIECES)
@example('{"requests":[{"params":{"model":"\\ud83d","max_tokens":1}}]}')
async def test_whatever_comes_is_sent_on_or_refused_and_never_breaks_the_gateway(text):
    world = World()
    assert (await make(world, text.encode())).status in (200, 400, 404)


async def test_a_price_that_nobody_knows_refuses_a_batch_where_it_would_refuse_a_request(build):
    world = build(prices=PriceBook(unknown=UnknownPolicy(UnknownAction.REFUSE)))
    client = await world.ask("POST", PATH, batch(request()))
    assert error_of(client)[:2] == (403, "permission_error")


async def test_a_batch_that_came_compressed_is_looked_at_and_passes_as_it_came(build):
    world = build(**of(KEY_BUDGET, prices=HALF))
    packed = gzip.compress(batch(request()))
    assert (await make(world, packed, (("content-encoding", "gzip"),))).status == 200
    assert world.sent_body == packed
    assert spent(world) == (most(request()), 0)


async def test_a_batch_that_is_too_large_to_hold_passes_unread_but_not_under_a_hard_budget(build):
    few = Limits(max_body_bytes=100)
    world = build(limits=few)
    body = batch(request(), request("b"))
    assert (await make(world, body)).status == 200
    assert world.sent_body == body
    held = build(**{**of(KEY_BUDGET), "limits": few})
    client = await held.ask("POST", PATH, body)
    assert error_of(client)[:2] == (403, "permission_error")
    limited = build(limits=few, keys=[virtual_key(models=("anthropic/claude-4",))])
    assert (await limited.ask("POST", PATH, body)).status == 403


async def test_a_large_batch_lets_others_have_their_turn(build):
    world = build()
    turns = []

    async def other():
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    task = asyncio.ensure_future(other())
    await make(world, batch(*[request(str(number)) for number in range(200)]))
    task.cancel()
    assert len(turns) >= 4
