"""Providers that ignore the bound on their output, and honest ones that must never be taken for such."""

from __future__ import annotations

import msgspec
import pytest
from tests.pipeline.test_bookkeeper import KEY_BUDGET, PRICES, USD, of, spent, translating

from weighbridge.core.allowances import Allowances, Budget, Scope, ScopeKind, Shortage
from weighbridge.core.codec import encode_json
from weighbridge.core.routes import RetryPolicy, plain_route
from weighbridge.core.terms import Deployment, Provenance, WireFormat
from weighbridge.ledger.terms import Started
from weighbridge.pipeline.output_watch import OutputWatch, marker_of

CAP = 300


def delta(text="word "):
    return b"data: " + encode_json({"id": "c", "model": "gpt-4o", "choices": [{"index": 0, "delta": {"content": text}}]}) + b"\n\n"


USAGE = {"prompt_tokens": 100, "completion_tokens": CAP, "total_tokens": 100 + CAP}
END = (
    b"data: " + encode_json({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}) + b"\n\n",
    b"data: " + encode_json({"id": "c", "choices": [], "usage": USAGE}) + b"\n\n",
    b"data: [DONE]\n\n",
)


def anthropic(text="word "):
    event = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    return b"event: content_block_delta\ndata: " + encode_json(event) + b"\n\n"


BEGIN = {
    "id": "m",
    "type": "message",
    "role": "assistant",
    "model": "claude-4",
    "content": [],
    "usage": {"input_tokens": 9, "output_tokens": 1},
}
ANTHROPIC_START = (
    b"event: message_start\ndata: " + encode_json({"type": "message_start", "message": BEGIN}) + b"\n\n",
    b"event: content_block_start\ndata: "
    + encode_json({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    + b"\n\n",
)


def tight(amount=4_200_000):
    """A budget with hardly more than what one request holds: some 1,100 bytes in and `CAP` tokens out."""
    return of(msgspec.structs.replace(KEY_BUDGET, amount=amount, on_shortage=Shortage.REFUSE))


async def test_a_stream_that_reaches_what_is_held_is_cut_with_an_honest_error(build):
    world = build(**tight())
    reply = world.will_stream(*[delta()] * 2_000, *END)
    client = await world.chat(stream=True, max_tokens=CAP)
    assert client.status == 200
    assert reply.is_aborted
    assert b"[DONE]" not in client.body
    assert b'"code":"budget_exceeded"' in client.body.rsplit(b"data: ", 1)[1]
    assert CAP < client.body.count(b'"content"') < 2 * CAP
    assert world.record.error == "budget_exceeded"
    (attempt,) = world.record.attempts
    assert attempt.usage.provenance is Provenance.ESTIMATED
    assert attempt.usage.output >= client.body.count(b'"content"')  # what it surely wrote is charged
    assert spent(world) == (attempt.cost_nanousd, 0)


async def test_a_stream_goes_on_while_the_budget_has_room_for_more(build):
    world = build(**of(KEY_BUDGET))
    world.will_stream(*[delta()] * 2_000, *END)
    client = await world.chat(stream=True, max_tokens=CAP)
    assert client.body.endswith(b"data: [DONE]\n\n")
    begun = [item.reserved_nanousd for item in world.journal.items if isinstance(item, Started)]
    assert begun == sorted(begun)
    assert len(begun) > 2  # each time that it holds more, the journal is told
    assert spent(world)[1] == 0


@pytest.mark.parametrize("at_once", [1, 7, 400])
async def test_an_honest_stream_is_never_cut(build, at_once):
    """As many events as its bound has tokens, and what begins and ends it, however they arrive."""
    world = build(**tight())
    events = [delta(""), *[delta('"delta"')] * CAP, *END]
    world.will_stream(*[b"".join(events[at : at + at_once]) for at in range(0, len(events), at_once)])
    client = await world.chat(stream=True, max_tokens=CAP)
    assert client.body.endswith(b"data: [DONE]\n\n")
    assert len([item for item in world.journal.items if isinstance(item, Started)]) == 1


async def test_without_a_hard_budget_nobody_counts(build):
    world = build(**of(msgspec.structs.replace(KEY_BUDGET, amount=1, is_hard=False)))
    world.will_stream(*[delta()] * 2_000, *END)
    assert (await world.chat(stream=True, max_tokens=CAP)).body.endswith(b"data: [DONE]\n\n")


async def test_a_translated_stream_is_cut_in_the_callers_dialect(build):
    world = build(providers=(translating(build),), **tight())
    reply = world.will_stream(*ANTHROPIC_START, *[anthropic()] * 2_000)
    client = await world.chat(model="anthropic/claude-4", stream=True, max_tokens=CAP)
    assert reply.is_aborted
    assert b"[DONE]" not in client.body
    assert b"budget_exceeded" in client.body.rsplit(b"data: ", 1)[1]


async def test_nobody_goes_on_with_a_stream_that_was_cut(build):
    route = plain_route("two", Deployment("openai", "gpt-4o"), Deployment("groq", "llama-3"))
    route = msgspec.structs.replace(route, continues_midstream=True, retry=RetryPolicy(max_attempts=2))
    world = build(prices=PRICES, allowances=Allowances((Budget("b", Scope(ScopeKind.GATEWAY), USD // 230),)), routes=(route,))
    world.will_stream(*[delta()] * 2_000, *END)
    client = await world.chat(model="two", stream=True, max_tokens=CAP)
    assert b"budget_exceeded" in client.body
    assert len(world.record.attempts) == 1


def test_it_says_so_when_there_is_no_more_room():
    room = [64, 0]
    watch = OutputWatch(b'"delta"', 8, lambda: room.pop(0))
    lets_pass = 8 + 1 + 32
    assert not watch.is_over(b'"delta"' * lets_pass)
    assert not watch.is_over(b'"delta"' * 64)
    assert watch.is_over(b'"delta"')
    assert watch.n_seen == lets_pass + 65


def test_every_format_in_which_providers_stream_has_something_to_count():
    assert all(marker_of(each) for each in WireFormat)
    assert marker_of(None) == b""
