"""Responses that go on in the background: held at their bound until somebody is told what they took, who then is charged that."""

from __future__ import annotations

import asyncio

import pytest
from tests.pipeline.conftest import virtual_key
from tests.pipeline.test_bookkeeper import KEY_BUDGET, PRICES, RATES, charged, limit, of, spent

from weighbridge.core.allowances import Allowances, Budget, Measure, Scope, ScopeKind, Unit
from weighbridge.core.codec import encode_json
from weighbridge.core.rates import UNIT, PriceBook, PriceRule, PriceState
from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.ledger.books import entries_of
from weighbridge.ledger.terms import EntryKind

ASKED = {"model": "gpt-4o", "input": "Hello", "max_output_tokens": 500, "background": True}
COST = 100 * 1_000 + 50 * 10_000


def response(status, usage=None, **fields):
    told = {"id": "resp_1", "object": "response", "model": "gpt-4o", "status": status, "background": True, "usage": usage}
    return encode_json(told | fields)


TOLD = {"input_tokens": 100, "output_tokens": 50, "total_tokens": 150}
QUEUED, DONE = response("queued"), response("completed", TOLD)


def last(world):
    return world.sink.records[-1]


async def begin(world, answer=QUEUED, **fields):
    world.will_reply(answer, length=len(answer))
    return await world.ask("POST", "/v1/responses", ASKED | fields)


async def fetch(world, answer=DONE, path="/v1/responses/resp_1", method="GET"):
    world.will_reply(answer, length=len(answer))
    client = await world.ask(method, path)
    assert client.body == answer
    return client


def bound(world):
    (attempt,) = world.sink.records[0].attempts
    return attempt.reserved_nanousd


async def test_what_has_only_begun_counts_for_its_bound(build):
    world = build(**of(KEY_BUDGET))
    await begin(world)
    (attempt,) = last(world).attempts
    assert (attempt.cost_nanousd, attempt.price_state, attempt.usage) == (None, PriceState.UNKNOWN, NO_USAGE)
    assert attempt.reserved_nanousd > 500 * 10_000
    assert spent(world) == (attempt.reserved_nanousd, 0)
    assert world.counter.asked == []


async def test_who_is_told_what_it_took_is_charged_that_in_place_of_the_bound(build):
    world = build(**of(KEY_BUDGET))
    await begin(world)
    held = bound(world)
    await fetch(world)
    assert spent(world) == (COST, 0)
    assert charged(world) == [held, COST - held]
    record = last(world)
    assert (record.cost_nanousd, record.price_state, record.usage) == (COST, PriceState.KNOWN, Usage(100, output=50))
    assert (record.model, record.requested_model, record.finish_reason) == ("gpt-4o", "gpt-4o", "completed")
    assert record.attempts[0].model == "gpt-4o"
    cost, back, charge = entries_of(record)
    assert (charge.kind, charge.amount_nanousd) == (EntryKind.CHARGE, COST)
    assert (cost.kind, cost.amount_nanousd) == (EntryKind.COST, COST)
    assert (back.amount_nanousd, back.debit, back.request_id) == (
        held,
        "unresolved_payable:openai",
        world.sink.records[0].request_id,
    )


async def test_it_is_charged_once_however_often_it_is_fetched(build):
    world = build(**of(KEY_BUDGET))
    await begin(world)
    for _ in range(3):
        await fetch(world)
    assert spent(world) == (COST, 0)
    assert [record.cost_nanousd for record in world.sink.records[1:]] == [COST, 0, 0]
    assert all(record.price_state is PriceState.KNOWN for record in world.sink.records[1:])


async def test_two_who_fetch_it_at_once_are_not_both_charged(build):
    world = build(**of(KEY_BUDGET))
    await begin(world)
    await asyncio.gather(fetch(world), fetch(world))
    assert spent(world) == (COST, 0)


async def test_until_it_is_done_nothing_changes(build):
    world = build(**of(KEY_BUDGET))
    await begin(world)
    held = bound(world)
    await fetch(world, response("in_progress"))
    await fetch(world, encode_json({"object": "list", "data": []}), "/v1/responses/resp_1/input_items")
    assert spent(world) == (held, 0)
    assert last(world).cost_nanousd == 0
    await fetch(world)
    assert spent(world) == (COST, 0)


async def test_one_that_failed_costs_nothing(build):
    world = build(**of(KEY_BUDGET))
    await begin(world)
    await fetch(world, response("failed", error={"code": "server_error", "message": "no"}))
    assert spent(world) == (0, 0)
    assert last(world).cost_nanousd == 0


async def test_one_that_was_cancelled_and_does_not_say_what_it_took_stays_at_its_bound(build):
    world = build(**of(KEY_BUDGET))
    await begin(world)
    held = bound(world)
    await fetch(world, response("cancelled"), "/v1/responses/resp_1/cancel", "POST")
    assert spent(world) == (held, 0)
    await fetch(world, response("cancelled", TOLD), "/v1/responses/resp_1/cancel", "POST")
    assert spent(world) == (COST, 0)


async def test_a_client_that_leaves_its_stream_leaves_the_response_running(build):
    world = build(**of(KEY_BUDGET))
    created = b'event: response.created\ndata: {"type":"response.created","response":%b}\n\n' % response("in_progress")
    reply = world.will_stream(created, is_open=True)
    task = asyncio.ensure_future(world.ask("POST", "/v1/responses", ASKED | {"stream": True}))
    await reply.attached.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert spent(world) == (bound(world), 0)
    await fetch(world)
    assert spent(world) == (COST, 0)


async def test_one_that_is_streamed_to_its_end_is_charged_by_that(build):
    world = build(**of(KEY_BUDGET))
    events = b'data: {"type":"response.completed","response":%b}\n\n' % DONE
    world.will_stream(events)
    await world.ask("POST", "/v1/responses", ASKED | {"stream": True})
    assert spent(world) == (COST, 0)
    await fetch(world)
    assert spent(world) == (COST, 0)


async def test_a_response_that_is_fetched_and_was_not_in_the_background_is_free(build):
    world = build(**of(KEY_BUDGET))
    foreground = response("completed", TOLD, background=False)
    await begin(world, foreground, background=False)
    await fetch(world, foreground)
    assert spent(world) == (COST, 0)
    assert (last(world).cost_nanousd, last(world).price_state) == (0, PriceState.KNOWN)


async def test_tokens_and_credits_are_exchanged_too(build):
    tokens = Budget("tokens", Scope(ScopeKind.KEY, "*"), 10**9, unit=Unit.TOKENS)
    world = build(**of(KEY_BUDGET, tokens))
    await begin(world)
    assert spent(world, "tokens")[0] > 500
    await fetch(world)
    assert spent(world, "tokens") == (150, 0)
    assert spent(world) == (COST, 0)


async def test_rate_limits_have_counted_it_when_it_was_asked_for(build):
    world = build(**of(KEY_BUDGET, limits=[limit(Measure.TOKENS, 1_000_000)]))
    await begin(world)
    left = [int((await fetch(world)).fields["x-ratelimit-remaining-tokens"]) for _ in range(2)]
    assert 0 <= left[0] - left[1] < 10


async def test_who_asked_for_it_is_charged_and_not_whoever_fetches_it(build):
    other = "wb-" + "o" * 43
    keys = (virtual_key(team="askers"), virtual_key(other, id="key_2", team="others"))
    world = build(**of(KEY_BUDGET), keys=keys)
    await begin(world, user="ann")
    world.will_reply(DONE, length=len(DONE))
    await world.ask("GET", "/v1/responses/resp_1", headers=[("authorization", f"Bearer {other}")], auth=False)
    record = last(world)
    assert (record.key_id, record.team, record.end_user, record.cost_nanousd) == ("key_1", "askers", "ann", COST)
    assert spent(world) == (COST, 0)


async def test_without_a_budget_the_books_are_put_right_as_well(build):
    world = build(prices=PRICES)
    await begin(world)
    await fetch(world)
    assert last(world).cost_nanousd == COST
    assert last(world).resolves.nanousd == bound(world) > 0


async def test_where_nobody_knows_the_price_the_bound_stays(build):
    world = build(allowances=Allowances((Budget("per-key", Scope(ScopeKind.KEY, "*"), 10**15),)))
    await begin(world)
    held = bound(world)
    await fetch(world)
    assert spent(world) == (held, 0)
    assert (last(world).cost_nanousd, last(world).resolves) == (None, None)
    assert last(world).usage == Usage(100, output=50)


# --- batches ----------------------------------------------------------------------------------------------------

HALF = PriceBook(rules=(PriceRule("*", own=(RATES,), tiers={"batch": UNIT // 2}, source="tests"),))


def openai_batch(status, usage=None):
    told = {"id": "batch_1", "object": "batch", "status": status, "model": "gpt-4o", "usage": usage}
    return encode_json(told | {"request_counts": {"total": 3, "completed": 3, "failed": 0}})


async def test_openais_batch_costs_half_of_what_it_took_once_its_state_tells(build):
    world = build(prices=HALF)
    made = openai_batch("validating")
    world.will_reply(made, length=len(made))
    await world.ask("POST", "/v1/batches", {"input_file_id": "file_1", "endpoint": "/v1/responses", "completion_window": "24h"})
    assert (last(world).cost_nanousd, last(world).price_state) == (None, PriceState.UNKNOWN)
    await fetch(world, openai_batch("in_progress"), "/v1/batches/batch_1")
    assert last(world).cost_nanousd == 0
    for cost in (COST // 2, 0):
        await fetch(world, openai_batch("completed", TOLD), "/v1/batches/batch_1")
        assert last(world).cost_nanousd == cost
    charged_one = world.sink.records[-2]
    assert (charged_one.model, charged_one.attempts[0].tier, charged_one.usage.total_input) == ("gpt-4o", "batch", 100)
    assert charged_one.resolves.request_id == world.sink.records[0].request_id


async def test_anthropics_batch_costs_half_of_what_its_results_tell(build):
    world = build(prices=HALF)
    made = b'{"id":"msgbatch_1","type":"message_batch","processing_status":"in_progress"}'
    world.will_reply(made, length=len(made))
    message = {"model": "claude-4", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
    await world.ask("POST", "/v1/messages/batches", {"requests": [{"custom_id": "a", "params": message}]})
    line = {"custom_id": "a", "result": {"type": "succeeded", "message": {"model": "claude-4", "usage": TOLD}}}
    results = encode_json(line) + b"\n" + encode_json(line) + b"\n"
    await fetch(world, results, "/v1/messages/batches/msgbatch_1/results")
    assert (last(world).cost_nanousd, last(world).model) == (COST, "claude-4")
    await fetch(world, results, "/v1/messages/batches/msgbatch_1/results")
    assert last(world).cost_nanousd == 0


async def test_a_batch_that_is_cancelled_is_no_batch_that_is_made(build):
    """Under a hard budget none can be made, since nothing shows what it may take; asking for one is free."""
    world = build(**of(KEY_BUDGET))
    refused = await world.ask("POST", "/v1/batches", {"input_file_id": "file_1"})
    assert (refused.status, refused.json["error"]["code"]) == (403, "cannot_be_bounded")
    await fetch(world, openai_batch("cancelling"), "/v1/batches/batch_1/cancel", "POST")
    assert last(world).cost_nanousd == 0
