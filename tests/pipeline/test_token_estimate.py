"""Attempts whose usage nobody tells, and a tokenizer that counts what was seen of them."""

from __future__ import annotations

import asyncio

import pytest

from weighbridge.core.allowances import Allowances, Budget, Prepaid, Scope, ScopeKind
from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import TokensSeen
from weighbridge.core.rates import Bracket, PriceBook, PriceRule, PriceState, Rates, Tariff
from weighbridge.core.routes import RetryPolicy, plain_route
from weighbridge.core.terms import Deployment, Dialect, Provenance, WireFormat
from weighbridge.ledger.tariffs import TariffRule
from weighbridge.providers.base import AuthStyle, CallPath

PRICES = PriceBook(rules=(PriceRule("*", own=(Bracket(Rates(input=1_000_000, output=10_000_000)),)),))
DELTA = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
COUNTED = TokensSeen(9, 40)
GONE = GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "Gone.")


@pytest.fixture
def counting(build):
    def built(answer=COUNTED, **facts):
        world = build(prices=PRICES, counts_tokens=True, **facts)
        world.counter.answer = answer
        return world

    return built


async def break_off(world, *pieces, **asked):
    world.will_stream(*pieces, error=GONE)
    await world.chat(stream=True, **{"max_tokens": 4_000, **asked})
    (attempt,) = world.record.attempts
    return attempt


async def test_what_a_broken_stream_used_is_counted(counting):
    world = counting()
    attempt = await break_off(world, DELTA, DELTA)
    assert (attempt.usage.input, attempt.usage.output) == (9, 40)
    assert attempt.usage.provenance is Provenance.COUNTED
    assert (attempt.cost_nanousd, attempt.price_state) == (9 * 1_000 + 40 * 10_000, PriceState.ESTIMATED)
    (seen,) = world.counter.asked
    assert (seen.model, seen.written, seen.n_written) == ("gpt-4o", DELTA + DELTA, 2 * len(DELTA))
    assert b'"Hello"' in seen.asked


async def test_of_a_long_stream_the_beginning_is_sent_and_all_of_it_is_told(counting):
    world = counting()
    await break_off(world, *[DELTA] * 1_000)
    (seen,) = world.counter.asked
    assert len(seen.written) == 16 * 1024
    assert seen.n_written == 1_000 * len(DELTA)


async def test_a_budget_counts_the_safe_estimate_of_what_the_account_says_was_likely(counting):
    budget = Budget("b", Scope(ScopeKind.KEY, "*"), 1_000_000_000)
    world = counting(allowances=Allowances((budget,)))
    reply = world.will_stream(DELTA, is_open=True)
    task = asyncio.ensure_future(world.chat(stream=True, max_tokens=4_000))
    await reply.attached.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (attempt,) = world.record.attempts
    assert attempt.usage.provenance is Provenance.COUNTED
    (charge,) = world.journal.items[-1].charges
    assert attempt.cost_nanousd == 9 * 1_000 + 40 * 10_000
    assert charge.amount > (len(DELTA) + 2_048) * 10_000


async def test_who_pays_in_advance_is_charged_what_the_ledger_says(counting):
    allowances = Allowances((), (), (Prepaid("key:key_1", 1_000_000_000),))
    world = counting(allowances=allowances, tariffs=(TariffRule(Scope(ScopeKind.GATEWAY), Tariff(charges_estimates=True)),))
    attempt = await break_off(world, DELTA)
    assert [charge.amount for charge in world.journal.items[-1].charges] == [attempt.cost_nanousd]
    assert attempt.cost_nanousd == 9 * 1_000 + 40 * 10_000


async def test_an_estimate_is_never_above_what_the_attempt_could_use(counting):
    attempt = await break_off(counting(TokensSeen(10**9, 10**9)), DELTA, max_tokens=300)
    assert attempt.usage.output == 300
    assert attempt.usage.input < 2_000


async def test_what_the_provider_has_told_is_not_counted(counting):
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":1}}\n\n'
    end = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    world = counting()
    world.will_stream(DELTA, end, usage, b"data: [DONE]\n\n")
    await world.chat(stream=True)
    assert world.counter.asked == []
    assert world.record.usage.provenance is Provenance.REPORTED


async def test_an_answer_of_which_its_provider_says_nothing_is_counted(counting):
    world = counting()
    body = encode_json({"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]})
    world.will_reply(body, length=len(body))
    await world.chat()
    (attempt,) = world.record.attempts
    assert (attempt.usage.input, attempt.usage.output, attempt.usage.provenance) == (9, 40, Provenance.COUNTED)


async def test_what_shows_not_all_that_the_model_reads_keeps_its_bound(counting):
    world = counting(TokensSeen(None, 40))
    picture = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}]
    attempt = await break_off(world, DELTA, messages=picture)
    (seen,) = world.counter.asked
    assert seen.asked == b""
    assert (attempt.usage.output, attempt.usage.provenance) == (40, Provenance.ESTIMATED)
    assert attempt.usage.input > 1_000


async def test_output_that_cannot_be_counted_is_estimated_by_its_bytes(counting):
    attempt = await break_off(counting(TokensSeen(9, None)), DELTA)
    assert (attempt.usage.input, attempt.usage.provenance) == (9, Provenance.ESTIMATED)
    assert attempt.usage.output == len(DELTA) + 2_048


@pytest.mark.parametrize("answer", [None, TokensSeen(None, None)])
async def test_without_an_answer_bytes_are_what_counts(counting, answer):
    attempt = await break_off(counting(answer), DELTA)
    assert attempt.usage.provenance is Provenance.ESTIMATED
    assert attempt.usage.output == len(DELTA) + 2_048


async def test_a_client_that_leaves_while_its_text_is_counted_is_settled_all_the_same(counting):
    world = counting(...)
    world.will_stream(DELTA, error=GONE)
    task = asyncio.ensure_future(world.chat(stream=True))
    while not world.counter.asked:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.record.usage.provenance is Provenance.ESTIMATED


async def test_where_it_is_off_nothing_is_kept_or_asked(build):
    world = build(prices=PRICES)
    attempt = await break_off(world, DELTA)
    assert (world.counter.asked, attempt.usage.provenance) == ([], Provenance.ESTIMATED)


async def test_a_translated_stream_is_counted_by_its_providers_bytes(counting, build):
    formats = {WireFormat.ANTHROPIC_MESSAGES: CallPath("/messages")}
    anthropic = build.provider("anthropic", {Dialect.ANTHROPIC: ""}, AuthStyle.X_API_KEY, formats=formats)
    world = counting(providers=(anthropic,))
    start = b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","model":"c","usage":{"input_tokens":3}}}\n\n'
    block = (
        b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
    )
    text = (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}\n\n'
    )
    world.will_stream(start, block, text, error=GONE)
    await world.chat(model="anthropic/claude-4", stream=True, max_tokens=500)
    (attempt,) = world.record.attempts
    (seen,) = world.counter.asked
    assert (seen.asked, seen.written) == (b"", start + block + text)  # what went in was told
    assert (attempt.usage.input, attempt.usage.output, attempt.usage.provenance) == (3, 40, Provenance.COUNTED)


async def test_a_stream_that_others_follow_is_told_from_the_one_that_is_counted(counting):
    route = plain_route("two", Deployment("openai", "gpt-4o"), Deployment("groq", "llama-3"))
    world = counting(routes=(route,), retry=RetryPolicy(max_attempts=2, backoff_ns=0))
    world.will_reply(b'{"error":{"message":"boom"}}', status=500)
    world.will_stream(DELTA, error=GONE)
    await world.chat(model="two", stream=True)
    (seen,) = world.counter.asked
    assert seen.model == "llama-3"
