from __future__ import annotations

import pytest

from weighbridge.core.allowances import Allowances, Budget, Scope, ScopeKind
from weighbridge.core.codec import encode_json
from weighbridge.core.rates import (
    Bracket,
    ListedModel,
    MatchKind,
    ModelMatch,
    Period,
    PriceBook,
    PriceRule,
    PriceState,
    RateCard,
    Rates,
    RegionFactor,
)
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Dialect, WireFormat
from weighbridge.ledger.terms import Started
from weighbridge.pipeline.attempt import credential_name
from weighbridge.pipeline.plan import Plan
from weighbridge.pipeline.target import Target
from weighbridge.providers.base import AuthStyle, CallPath, Credential


def target_with(build, n_keys, name="openai"):
    credentials = tuple(Credential(f"{name}#{n}", Secret(f"sk-{n}")) for n in range(1, n_keys + 1))
    return Target(build.provider(name, {Dialect.OPENAI: "/v1"}, credentials=credentials), Dialect.OPENAI, "gpt-4o", 1)


def test_credential_has_a_name_and_where_there_is_none_nothing(build):
    assert credential_name(target_with(build, 2), 1) == "openai#2"
    assert credential_name(target_with(build, 0), 0) == ""


async def test_each_request_uses_the_next_key_and_its_record_says_which(build):
    credentials = (Credential("openai#1", Secret("sk-1")), Credential("openai#2", Secret("sk-2")))
    world = build(providers=(build.provider("openai", {Dialect.OPENAI: "/v1"}, credentials=credentials),), routes=())
    for _ in range(3):
        await world.chat()
    used = [dict(line.split(b": ", 1) for line in r.head.split(b"\r\n")[1:-1])[b"authorization"] for r in world.upstream.requests]
    assert used == [b"Bearer sk-1", b"Bearer sk-2", b"Bearer sk-1"]
    assert [record.attempts[0].credential for record in world.sink.records] == ["openai#1", "openai#2", "openai#1"]


async def test_turns_go_on_over_a_swap(build):
    credentials = (Credential("openai#1", Secret("sk-1")), Credential("openai#2", Secret("sk-2")))
    world = build(providers=(build.provider("openai", {Dialect.OPENAI: "/v1"}, credentials=credentials),), routes=())
    await world.chat()
    world.gateway.swap(Plan(8, world.plan.providers, (), world.plan.keys))
    await world.chat()
    assert world.sink.records[1].attempts[0].credential == "openai#2"


async def test_provider_without_a_key_gets_none(build):
    local = build.provider("local", {Dialect.OPENAI: "/v1"}, AuthStyle.NONE)
    world = build(providers=(local,), routes=())
    await world.chat(model="anything")
    assert b"authorization" not in dict(world.sent_headers)
    assert world.record.attempts[0].credential == ""


def listed(name: str, rate: int, **tiers: int) -> ListedModel:
    """So many nano-dollars for each token, whichever way it goes; in a tier others."""
    bracket = {each: Bracket(Rates(input=each * 1_000, output=each * 1_000)) for each in (rate, *tiers.values())}
    of_tiers = {tier: (Period((bracket[each],)),) for tier, each in tiers.items()}
    return ListedModel(ModelMatch(MatchKind.EQUALS, name), RateCard(name, (Period((bracket[rate],)),), of_tiers))


LISTS = PriceBook(
    {"anthropic": (listed("claude-swift", 2, fast=12), listed("claude-wise", 5))},
    {"anthropic": ("anthropic",)},
    (PriceRule("*", regions=(RegionFactor("us", 1_100_000),)),),
)
MESSAGE = {"model": "anthropic/claude-swift", "max_tokens": 1_000, "messages": [{"role": "user", "content": "Hello"}]}


async def answered(build, usage, *, streams=False, caller="anthropic", **asked):
    """A message that Anthropic answers with this usage: the attempt, and what was held for it."""
    formats = {} if caller == "anthropic" else {WireFormat.ANTHROPIC_MESSAGES: CallPath("/messages")}
    provider = build.provider("anthropic", {Dialect.ANTHROPIC: ""}, AuthStyle.X_API_KEY, formats=formats)
    world = build(providers=(provider,), prices=LISTS, allowances=Allowances((Budget("b", Scope(ScopeKind.GATEWAY), 10**15),)))
    if streams:
        start = {"type": "message_start", "message": {"usage": {"input_tokens": usage["input_tokens"], "output_tokens": 1}}}
        events = [start, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}, {"type": "message_stop"}]
        world.will_stream(b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), encode_json(e)) for e in events))
    else:
        body = encode_json({"type": "message", "content": [], "stop_reason": "end_turn", "usage": usage})
        world.will_reply(body, length=len(body))
    path = "/v1/messages" if caller == "anthropic" else "/v1/chat/completions"
    await world.ask("POST", path, {**MESSAGE, **asked, "stream": streams}, [("anthropic-version", "2023-06-01")])
    (started,) = [item for item in world.journal.items if isinstance(item, Started)]
    return world.record.attempts[0], started.reserved_nanousd


@pytest.mark.parametrize("caller", ["anthropic", "openai"])
@pytest.mark.parametrize("streams", [False, True])
async def test_a_context_summed_up_and_advice_are_charged_beside_the_answer(build, streams, caller):
    iterations = [
        {"type": "compaction", "input_tokens": 9_000, "output_tokens": 100},
        {"type": "advisor_message", "model": "claude-wise", "input_tokens": 400, "output_tokens": 60},
        {"type": "message", "input_tokens": 50, "output_tokens": 10},
    ]
    usage = {"input_tokens": 50, "output_tokens": 10, "iterations": iterations}
    attempt, _held = await answered(build, usage, streams=streams, caller=caller)
    assert (attempt.usage.total_input, attempt.usage.total_output) == (9_450, 170)
    assert attempt.cost_nanousd == (9_000 + 100 + 50 + 10) * 2 + (400 + 60) * 5
    assert [part.model for part in attempt.apart] == ["", "claude-wise"]


async def test_an_answer_that_another_model_gave_after_a_refusal_has_that_models_price(build):
    iterations = [
        {"type": "message", "model": "claude-swift", "input_tokens": 50, "output_tokens": 0},
        {"type": "fallback_message", "model": "claude-wise", "input_tokens": 50, "output_tokens": 10},
    ]
    attempt, _held = await answered(build, {"input_tokens": 50, "output_tokens": 10, "iterations": iterations})
    assert attempt.cost_nanousd == 60 * 5


async def test_an_adviser_whose_price_nobody_knows_leaves_the_cost_unknown(build):
    iterations = [{"type": "advisor_message", "model": "claude-unheard-of", "input_tokens": 400, "output_tokens": 60}]
    attempt, _held = await answered(build, {"input_tokens": 50, "output_tokens": 10, "iterations": iterations})
    assert (attempt.cost_nanousd, attempt.price_state) == (None, PriceState.UNKNOWN)


async def test_inference_in_one_country_is_held_and_charged_at_a_tenth_more(build):
    usage = {"input_tokens": 500, "output_tokens": 100}
    anywhere, held_anywhere = await answered(build, {**usage, "inference_geo": "global"}, inference_geo="global")
    there, held_there = await answered(build, {**usage, "inference_geo": "us"}, inference_geo="us")
    # A workspace may have it by default, without a word in the request.
    by_default, held_by_default = await answered(build, {**usage, "inference_geo": "us"})
    assert (anywhere.cost_nanousd, there.cost_nanousd, by_default.cost_nanousd) == (1_200, 1_320, 1_320)
    assert held_there > 1.09 * held_anywhere
    assert held_by_default > held_anywhere  # although its body is shorter
    assert (there.region, anywhere.region) == ("us", "global")
    for streams in (False, True):
        translated, _held = await answered(build, {**usage, "inference_geo": "us"}, streams=streams, caller="openai")
        assert (translated.region, translated.cost_nanousd) == ("us", 1_320)


async def test_advice_is_held_as_often_and_as_long_as_the_request_allows(build):
    usage = {"input_tokens": 50, "output_tokens": 10}
    _attempt, plain = await answered(build, usage)
    advisor = {"type": "advisor_20260301", "name": "advisor", "model": "claude-wise", "max_uses": 3, "max_tokens": 2_000}
    _attempt, held = await answered(build, usage, tools=[advisor])
    assert held > plain + 3 * 2_000 * 5
    _attempt, longer = await answered(build, usage, tools=[advisor | {"max_uses": 6}])
    assert longer > held + 3 * 2_000 * 5
    unheard_of = advisor | {"model": "claude-unheard-of"}
    _attempt, unknown = await answered(build, usage, tools=[unheard_of])
    assert unknown < held


PICTURES = PriceBook(
    {"openai": (listed("gpt-5", 2), listed("gpt-image-1", 5))},
    {"openai": ("openai",)},
)


async def pictured(build, *, prices=PICTURES, **asked):
    """A response that a picture was made for, of 1,056 tokens: the attempt, and what was held for it."""
    world = build(prices=prices, allowances=Allowances((Budget("b", Scope(ScopeKind.GATEWAY), 10**15),)))
    item = {"type": "image_generation_call", "id": "ig", "status": "completed", "quality": "medium", "size": "1024x1024"}
    usage = {"input_tokens": 50, "output_tokens": 10, "total_tokens": 60}
    body = encode_json({"id": "r", "status": "completed", "model": "gpt-5", "output": [item], "usage": usage})
    world.will_reply(body, length=len(body))
    await world.ask("POST", "/v1/responses", {"model": "openai/gpt-5", "max_output_tokens": 100, "input": "Draw it", **asked})
    (started,) = [item for item in world.journal.items if isinstance(item, Started)]
    return world.record.attempts[0], started.reserved_nanousd


async def test_a_picture_within_a_response_is_held_and_charged_at_the_price_of_the_model_that_makes_it(build):
    tools = [{"type": "image_generation"}]
    attempt, held = await pictured(build, tools=tools)
    assert (attempt.cost_nanousd, attempt.price_state) == (60 * 2 + 1_056 * 5, PriceState.ESTIMATED)
    assert [part.model for part in attempt.apart] == ["gpt-image-1"]
    _attempt, once = await pictured(build, tools=tools, max_tool_calls=1)
    _attempt, without = await pictured(build, tools=[{"type": "code_interpreter"}])
    assert once > without + 6_240 * 5
    assert held > once + 3 * 6_240 * 5


async def test_a_picture_that_nobody_knows_the_price_of_leaves_the_cost_unknown(build):
    prices = PriceBook({"openai": (listed("gpt-5", 2),)}, {"openai": ("openai",)})
    attempt, _held = await pictured(build, prices=prices, tools=[{"type": "image_generation"}])
    assert (attempt.cost_nanousd, attempt.price_state) == (None, PriceState.UNKNOWN)


async def test_what_nobody_lists_costs_what_its_provider_says(build):
    world = build(prices=PriceBook())
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13, "cost": 0.00000537}
    body = encode_json({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": usage})
    world.will_reply(body, length=len(body))
    await world.chat()
    (attempt,) = world.record.attempts
    assert (attempt.cost_nanousd, attempt.price_state) == (5_370, PriceState.KNOWN)


async def test_fast_mode_is_held_and_charged_at_its_own_price(build):
    usage = {"input_tokens": 50, "output_tokens": 10, "service_tier": "standard"}
    slow, held_slow = await answered(build, {**usage, "speed": "standard"})
    fast, held_fast = await answered(build, {**usage, "speed": "fast"}, speed="fast")
    assert (slow.cost_nanousd, fast.cost_nanousd, fast.tier) == (60 * 2, 60 * 12, "fast")
    assert held_fast > 5 * held_slow
