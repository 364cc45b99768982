"""Budgets, limits and the journal as a caller and an operator see them, over fakes of the gateway's ports."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from weighbridge.core.allowances import Allowances, Budget, Measure, Period, RateLimit, Scope, ScopeKind, Shortage, Unit
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.model_sizes import SizeRule
from weighbridge.core.rates import Bracket, PriceBook, PriceRule, PriceState, Rates, UnknownAction, UnknownPolicy
from weighbridge.core.routes import Hedging, RetryPolicy, Route, RouteTarget, plain_route
from weighbridge.core.terms import Deployment, Dialect, Provenance, WireFormat
from weighbridge.ledger.terms import Charge, Settled, Started
from weighbridge.limits.counters import parse_counter
from weighbridge.limits.leases import Granted
from weighbridge.pipeline.bounds import ASSUMED_WINDOW
from weighbridge.providers.base import AuthStyle, CallPath

USD = 1_000_000_000
RATES = Bracket(Rates(input=1_000_000, output=10_000_000))
"""1,000 nano-dollars a token in, 10,000 a token out."""
PRICES = PriceBook(rules=(PriceRule("*", own=(RATES,), source="tests"),))
ANSWER = encode_json(
    {
        "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 50},
    }
)
COST = 100 * 1_000 + 50 * 10_000
ANTHROPIC = {"model": "claude-4", "max_tokens": 1_000, "messages": [{"role": "user", "content": "Hello"}]}
GEMINI = "/v1beta/models/gemini-2:generateContent"
ASKS = {"contents": [{"parts": [{"text": "Hello"}]}]}
KEY_BUDGET = Budget("per-key", Scope(ScopeKind.KEY, "*"), USD)


def of(*budgets, limits=(), **facts):
    return {"prices": PRICES, "allowances": Allowances(budgets, tuple(limits)), **facts}


def limit(measure, amount, scope=None, **facts):
    return RateLimit("a-limit", scope or Scope(ScopeKind.KEY, "*"), measure, amount, **facts)


def translating(build):
    formats = {WireFormat.ANTHROPIC_MESSAGES: CallPath("/messages")}
    return build.provider("anthropic", {Dialect.ANTHROPIC: ""}, AuthStyle.X_API_KEY, formats=formats)


def spent(world, budget_id="per-key"):
    """What the counters of a budget have: (spent, held)."""
    names = {charge.counter for item in world.journal.items for charge in _charges(item)}
    levels = [world.table.level(name) for name in names if parse_counter(name).budget_id == budget_id]
    return tuple(map(sum, zip(*levels, strict=True))) if levels else (0, 0)


def _charges(item):
    return item.holds if isinstance(item, Started) else item.charges


def charged(world):
    return [sum(charge.amount for charge in item.charges) for item in world.journal.items if isinstance(item, Settled)]


def will_answer(world, times=1):
    for _ in range(times):
        world.will_reply(ANSWER, length=len(ANSWER))


# --- budgets ----------------------------------------------------------------------------------------------------


async def test_what_an_answer_cost_is_charged_and_nothing_stays_held(build):
    world = build(**of(KEY_BUDGET))
    will_answer(world)
    client = await world.chat(max_tokens=200)
    assert client.status == 200
    assert spent(world) == (COST, 0)
    assert world.record.cost_nanousd == COST
    assert charged(world) == [COST]


async def test_while_a_request_is_under_way_its_worst_case_is_held(build):
    world = build(**of(KEY_BUDGET))
    world.upstream.script.append(None)
    task = asyncio.ensure_future(world.chat(max_tokens=200))
    await world.upstream.asked.wait()
    (started,) = world.journal.items
    size = len(world.sent_body)
    assert started.reserved_nanousd == (size + 1_024) * 1_000 + 200 * 10_000
    assert spent(world) == (0, started.reserved_nanousd)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_client_that_leaves_before_anything_came_is_charged_the_bound(build):
    world = build(**of(KEY_BUDGET))
    world.upstream.script.append(None)
    task = asyncio.ensure_future(world.chat(max_tokens=200))
    await world.upstream.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (attempt,) = world.record.attempts
    assert (attempt.cost_nanousd, attempt.price_state) == (None, PriceState.UNKNOWN)
    assert spent(world) == (attempt.reserved_nanousd, 0)


async def test_client_leaving_midstream_is_still_charged(build):
    world = build(**of(KEY_BUDGET))
    first = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
    reply = world.will_stream(first, is_open=True)
    task = asyncio.ensure_future(world.chat(stream=True, max_tokens=4_000))
    await reply.attached.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (attempt,) = world.record.attempts
    assert attempt.usage.provenance is Provenance.ESTIMATED
    assert attempt.price_state is PriceState.ESTIMATED
    assert 0 < attempt.usage.output < 4_000  # not more than bytes that came, and what may be under way
    assert spent(world) == (attempt.cost_nanousd, 0)


async def test_a_provider_that_was_never_reached_costs_nothing(build):
    world = build(**of(KEY_BUDGET))
    world.upstream.script.append(GatewayError(ErrorKind.PROVIDER_UNREACHABLE, "Cannot connect."))
    await world.chat(max_tokens=200)
    assert spent(world) == (0, 0)


async def test_a_refusal_by_the_provider_costs_nothing(build):
    world = build(**of(KEY_BUDGET))
    world.will_reply(b'{"error":{"message":"no"}}', status=400)
    assert (await world.chat(max_tokens=200)).status == 400
    assert spent(world) == (0, 0)


async def test_every_attempt_of_a_fallback_is_held_and_charged_on_its_own(build):
    policy = RetryPolicy(max_attempts=2)
    route = plain_route("two", Deployment("openai", "gpt-4o"), Deployment("groq", "llama-3"))
    world = build(**of(KEY_BUDGET), routes=(route,), retry=policy)
    world.upstream.script.append(GatewayError(ErrorKind.PROVIDER_TIMEOUT, "Too slow."))
    will_answer(world)
    client = await world.chat(model="two", max_tokens=100)
    assert client.status == 200
    lost, answered = world.record.attempts
    begun = [(item.attempt, item.reserved_nanousd) for item in world.journal.items if isinstance(item, Started)]
    # The first is said again when another follows it: its bound was what it came to.
    assert begun == [(0, lost.reserved_nanousd), (0, lost.reserved_nanousd), (1, answered.reserved_nanousd)]
    assert spent(world) == (lost.reserved_nanousd + answered.cost_nanousd, 0)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/chat/completions", {"model": "gpt-4o", "messages": [], "max_tokens": 300}, 429, "budget_exceeded"),
        ("/v1/responses", {"model": "gpt-4o", "input": "Hi", "max_output_tokens": 300}, 429, "budget_exceeded"),
        ("/v1/messages", ANTHROPIC, 402, "billing_error"),
        (GEMINI, ASKS | {"generationConfig": {"maxOutputTokens": 300}}, 429, "RESOURCE_EXHAUSTED"),
    ],
)
async def test_a_request_that_does_not_fit_is_refused_in_its_own_dialect(build, path, body, status, code):
    world = build(**of(msgspec.structs.replace(KEY_BUDGET, amount=2_000_000)))
    client = await world.ask("POST", path, body)
    assert client.status == status
    assert client.fields["x-should-retry"] == "false"
    error = client.json["error"]
    assert code in (error.get("code"), error.get("type"), error.get("status"))
    assert "key 'key_1'" in error["message"]
    assert "$0.002" in error["message"]
    assert not world.upstream.requests
    assert spent(world) == (0, 0)


async def test_the_refusal_says_what_is_spent_and_held_and_when_it_begins_anew(build):
    world = build(**of(msgspec.structs.replace(KEY_BUDGET, amount=10_000_000, period=Period.DAY, on_shortage=Shortage.REFUSE)))
    will_answer(world)
    await world.chat(max_tokens=100)
    refused = await world.chat(max_tokens=1_000)
    message = refused.json["error"]["message"]
    assert "($0.01 a day)" in message
    assert "$0.000600 is spent" in message
    assert "$0.00 held" in message
    assert "2027-01-16T00:00:00Z" in message  # the clock stands at 2027-01-15


async def test_an_output_that_does_not_fit_is_capped_and_the_cap_declared(build):
    world = build(**of(msgspec.structs.replace(KEY_BUDGET, amount=8_000_000)))
    will_answer(world)
    client = await world.chat(max_tokens=4_000)
    cap = decode_json(world.sent_body)["max_tokens"]
    assert 256 <= cap < 800
    assert client.fields["x-weighbridge-edits"] == f"capped:max_tokens={cap}"
    (started,) = (item for item in world.journal.items if isinstance(item, Started))
    assert 7_900_000 < started.reserved_nanousd <= 8_000_000


async def test_a_cap_that_nobody_named_takes_a_quarter_of_what_is_left(build):
    world = build(**of(KEY_BUDGET, Budget("small", Scope(ScopeKind.GATEWAY), 400_000_000)))
    will_answer(world)
    await world.chat()
    cap = decode_json(world.sent_body)["max_completion_tokens"]
    assert cap == 4_096  # nothing is known of the model's maximum, and every model takes this
    assert len(charged(world)) == 1


async def test_a_request_that_names_no_bound_holds_what_its_model_can_write(build):
    sizes = (SizeRule("openai/gpt-4o", max_output_tokens=20_000, source="its page"),)
    world = build(**of(KEY_BUDGET), sizes=sizes)
    world.upstream.script.append(None)
    task = asyncio.ensure_future(world.chat())
    await world.upstream.asked.wait()
    (started,) = world.journal.items
    assert started.reserved_nanousd == (len(world.sent_body) + 1_024) * 1_000 + 20_000 * 10_000
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_where_the_models_maximum_is_known_a_cap_may_come_near_it(build):
    sizes = (SizeRule("openai/gpt-4o", max_output_tokens=128_000, source="its page"),)
    world = build(**of(KEY_BUDGET), sizes=sizes)
    will_answer(world)
    await world.chat()
    assert decode_json(world.sent_body)["max_completion_tokens"] > 20_000  # a quarter of what is left


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/v1/chat/completions", {"model": "gpt-4o", "messages": [], "max_completion_tokens": 5_000}, "max_completion_tokens"),
        ("/v1/completions", {"model": "text-x", "prompt": "Hi", "max_tokens": 5_000}, "max_tokens"),
        ("/v1/responses", {"model": "gpt-4o", "input": "Hi", "max_output_tokens": 5_000}, "max_output_tokens"),
        ("/v1/messages", ANTHROPIC | {"max_tokens": 5_000}, "max_tokens"),
        (GEMINI, ASKS | {"generationConfig": {"maxOutputTokens": 5_000}}, "maxOutputTokens"),
    ],
)
async def test_each_dialect_has_its_own_word_for_the_cap(build, path, body, name):
    world = build(**of(msgspec.structs.replace(KEY_BUDGET, amount=10_000_000)))
    client = await world.ask("POST", path, body)
    sent = decode_json(world.sent_body)
    cap = sent.get("generationConfig", sent)[name]
    assert cap < 1_000
    assert f"capped:{name}={cap}" in client.fields["x-weighbridge-edits"]


async def test_a_translated_request_is_capped_too(build):
    world = build(**of(msgspec.structs.replace(KEY_BUDGET, amount=10_000_000)), providers=(translating(build),))
    client = await world.chat(model="anthropic/claude-4", max_tokens=5_000)
    cap = decode_json(world.sent_body)["max_tokens"]
    assert cap < 1_000
    assert client.status >= 200
    assert world.record.edits[-1] == f"capped:max_output_tokens={cap}"


async def test_thinking_that_would_not_fit_under_the_cap_is_refused(build):
    world = build(**of(msgspec.structs.replace(KEY_BUDGET, amount=10_000_000)))
    thinks = ANTHROPIC | {"max_tokens": 5_000, "thinking": {"type": "enabled", "budget_tokens": 2_000}}
    assert (await world.ask("POST", "/v1/messages", thinks)).status == 402


async def test_each_answer_that_is_asked_for_is_held(build):
    world = build(**of(KEY_BUDGET))
    world.upstream.script.append(None)
    task = asyncio.ensure_future(world.chat(max_tokens=200, n=3))
    await world.upstream.asked.wait()
    (started,) = world.journal.items
    assert started.reserved_nanousd == (len(world.sent_body) + 1_024) * 1_000 + 3 * 200 * 10_000
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_bound_that_is_said_twice_is_sent_once_for_all(build):
    world = build(**of(KEY_BUDGET))
    will_answer(world)
    await world.ask("POST", "/v1/chat/completions", b'{"model":"gpt-4o","max_tokens":5,"messages":[],"max_tokens":7}')
    assert world.sent_body == b'{"model":"gpt-4o","max_tokens":7,"messages":[],"max_tokens":7}'


async def test_a_key_with_a_maximum_has_its_requests_capped(build):
    world = build(keys=(build.virtual_key(max_output_tokens=64),), prices=PRICES)
    for asked in ({}, {"max_tokens": 1_000}):
        will_answer(world)
        client = await world.chat(**asked)
        sent = decode_json(world.sent_body)
        assert sent.get("max_tokens", sent.get("max_completion_tokens")) == 64
        assert "=64" in client.fields["x-weighbridge-edits"]
    will_answer(world)
    assert (await world.chat(max_tokens=10)).fields["x-weighbridge-edits"] == "none"


async def test_a_soft_budget_only_watches(build):
    world = build(**of(msgspec.structs.replace(KEY_BUDGET, amount=1, is_hard=False)))
    will_answer(world)
    assert (await world.chat(max_tokens=100)).status == 200
    assert spent(world) == (COST, 0)


async def test_a_budget_of_tokens_counts_what_goes_in_and_comes_out(build):
    world = build(**of(Budget("tokens", Scope(ScopeKind.GATEWAY), 10_000, Unit.TOKENS)))
    will_answer(world)
    assert (await world.chat(max_tokens=100)).status == 200
    assert spent(world, "tokens") == (150, 0)
    refused = await world.chat(max_tokens=100, messages=[{"role": "user", "content": "x" * 10_000}])
    assert refused.status == 429
    assert "10,000 tokens" in refused.json["error"]["message"]


async def test_an_unaffordable_fallback_leaves_the_first_failure_as_it_was(build):
    policy = RetryPolicy(max_attempts=2)
    route = plain_route("two", Deployment("openai", "gpt-4o"), Deployment("groq", "llama-3"))
    budget = Budget("groq", Scope(ScopeKind.PROVIDER, "groq"), 1)
    world = build(**of(budget), routes=(route,), retry=policy)
    world.will_reply(b'{"error":{"message":"boom"}}', status=500)
    client = await world.chat(model="two", max_tokens=100)
    assert (client.status, client.json["error"]["message"]) == (500, "boom")


async def test_a_target_without_budget_left_is_passed_over(build):
    route = plain_route("two", Deployment("openai", "gpt-4o"), Deployment("groq", "llama-3"))
    world = build(**of(Budget("model", Scope(ScopeKind.MODEL, "openai/gpt-4o"), 1)), routes=(route,))
    will_answer(world)
    client = await world.chat(model="two", max_tokens=100)
    assert (client.status, client.fields["x-weighbridge-provider"]) == (200, "groq")


@pytest.mark.parametrize(
    ("scope", "facts"),
    [
        (Scope(ScopeKind.GATEWAY), {}),
        (Scope(ScopeKind.ORGANISATION, "acme"), {"organisation": "acme"}),
        (Scope(ScopeKind.TEAM, "search"), {"team": "search"}),
        (Scope(ScopeKind.USER, "ada"), {"user": "ada"}),
        (Scope(ScopeKind.KEY, "key_1"), {}),
        (Scope(ScopeKind.KEY, "tests"), {}),
        (Scope(ScopeKind.TAG, "batch"), {"tags": ("batch",)}),
        (Scope(ScopeKind.TAG, "mine"), {}),
        (Scope(ScopeKind.END_USER, "eve"), {}),
        (Scope(ScopeKind.ROUTE, "gpt-4o"), {}),
        (Scope(ScopeKind.MODEL, "openai/gpt-4o"), {}),
        (Scope(ScopeKind.PROVIDER, "openai"), {}),
        (Scope(ScopeKind.PROVIDER_KEY, "openai#1"), {}),
    ],
)
async def test_a_budget_may_be_of_anything_that_a_request_belongs_to(build, scope, facts):
    others = Budget("other", Scope(scope.kind, "somebody-else"), 1)
    world = build(**of(Budget("it", scope, USD), others), keys=(build.virtual_key(**facts),))
    will_answer(world)
    client = await world.chat(max_tokens=100, user="eve", headers=[("x-weighbridge-tags", "mine, more")])
    assert client.status == 200
    assert spent(world, "it") == (COST, 0)
    assert spent(world, "other") == (0, 0)


async def test_each_subject_of_a_kind_has_an_account_of_its_own(build):
    world = build(**of(Budget("each", Scope(ScopeKind.END_USER, "*"), 4_000_000)))
    for user in ("ada", "bob"):
        will_answer(world)
        assert (await world.chat(max_tokens=250, user=user)).status == 200
    will_answer(world)
    assert (await world.chat(max_tokens=250)).status == 200  # who names nobody is nobody's account


@pytest.mark.parametrize("path", ["/openai/v1/fine_tuning/jobs", "/v1/batches"])
async def test_what_cannot_be_bounded_is_refused_under_a_hard_budget(build, path):
    world = build(**of(KEY_BUDGET))
    client = await world.ask("POST", path, {"model": "gpt-4o"})
    assert (client.status, client.json["error"]["code"]) == (403, "cannot_be_bounded")
    soft = build(**of(msgspec.structs.replace(KEY_BUDGET, is_hard=False)))
    assert (await soft.ask("POST", path, {"model": "gpt-4o"})).status == 200


async def test_a_realtime_session_for_whose_first_response_there_is_no_room_does_not_open(build):
    world = build(**of(msgspec.structs.replace(KEY_BUDGET, amount=ASSUMED_WINDOW * 1_000)))
    upgrade = [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", "a"), ("sec-websocket-version", "13")]
    client = await world.ask("GET", "/v1/realtime?model=gpt-4o", headers=upgrade, is_upgrade=True)
    assert (client.status, client.json["error"]["code"]) == (429, "budget_exceeded")
    assert not world.upstream.requests


async def test_questions_that_cost_nothing_hold_nothing(build):
    world = build(**of(msgspec.structs.replace(KEY_BUDGET, amount=1)))
    assert (await world.ask("GET", "/v1/files")).status == 200
    assert (await world.ask("POST", "/v1/messages/count_tokens", ANTHROPIC)).status == 200
    assert not [item for item in world.journal.items if isinstance(item, Started)]


async def test_a_race_holds_and_charges_both_attempts(build):
    targets = (RouteTarget(Deployment("openai", "gpt-4o")), RouteTarget(Deployment("groq", "llama-3")))
    route = Route("race", targets, retry=RetryPolicy(max_attempts=2), hedging=Hedging(min_ns=1_000_000))
    world = build(**of(KEY_BUDGET), routes=(route,))
    for _ in range(64):
        world.gateway.fleet.note_first_token(route, 1)
    world.upstream.script.append(None)
    will_answer(world)
    client = await world.chat(model="race", max_tokens=100)
    assert client.status == 200
    numbers = [item.attempt for item in world.journal.items if isinstance(item, Started)]
    assert numbers == [0, 1]
    lost = next(attempt for attempt in world.record.attempts if attempt.error)
    assert [item.provider for item in world.journal.items if isinstance(item, Started)] == ["openai", "groq"]
    assert spent(world) == (lost.reserved_nanousd + COST, 0)


# --- prices that nobody knows -----------------------------------------------------------------------------------


def unknown(action, **facts):
    return {"prices": PriceBook(unknown=UnknownPolicy(action, **facts)), "allowances": Allowances((KEY_BUDGET,))}


async def test_an_unknown_price_is_refused_where_the_operator_says_so(build):
    world = build(**unknown(UnknownAction.REFUSE))
    client = await world.chat(max_tokens=100)
    assert (client.status, client.json["error"]["code"]) == (403, "price_unknown")


async def test_an_unknown_price_is_counted_at_the_dearest_there_is(build):
    world = build(**unknown(UnknownAction.RESERVE_HIGH))
    will_answer(world)
    await world.chat(max_tokens=100)
    (attempt,) = world.record.attempts
    assert attempt.cost_nanousd is None
    assert attempt.reserved_nanousd == 100 * 150_000 + 50 * 600_000
    assert spent(world) == (attempt.reserved_nanousd, 0)


async def test_a_declared_ceiling_stands_in_for_the_price(build):
    world = build(**unknown(UnknownAction.CEILING, ceiling=Rates(input=2_000_000, output=4_000_000)))
    will_answer(world)
    await world.chat(max_tokens=100)
    assert (world.record.cost_nanousd, world.record.price_state) == (100 * 2_000 + 50 * 4_000, PriceState.ESTIMATED)
    assert spent(world) == (world.record.cost_nanousd, 0)


# --- rate limits ------------------------------------------------------------------------------------------------


async def test_requests_beyond_the_limit_are_told_when_to_come_back(build):
    world = build(**of(limits=[limit(Measure.REQUESTS, 2)]))
    will_answer(world, 2)
    assert [(await world.chat()).status for _ in range(2)] == [200, 200]
    refused = await world.chat()
    assert (refused.status, refused.json["error"]["code"]) == (429, "rate_limit_exceeded")
    assert refused.fields["x-should-retry"] == "true"
    assert 29 <= int(refused.fields["retry-after"]) <= 30
    assert "2 requests in 60 s" in refused.json["error"]["message"]
    world.clock.now += 30 * NS_PER_S
    will_answer(world)
    assert (await world.chat()).status == 200


async def test_tokens_are_drawn_as_expected_and_corrected_by_what_was_used(build):
    world = build(**of(limits=[limit(Measure.TOKENS, 1_500)]))
    for _ in range(5):  # 150 tokens each, although some 816 are expected
        will_answer(world)
        assert (await world.chat(max_tokens=800)).status == 200
    assert (await world.chat(max_tokens=800)).status == 429


async def test_requests_at_a_time_are_given_back_at_their_end(build):
    world = build(**of(limits=[limit(Measure.CONCURRENT, 1)]))
    world.upstream.script.append(None)
    task = asyncio.ensure_future(world.chat())
    await world.upstream.asked.wait()
    refused = await world.chat()
    assert refused.status == 429
    assert "1 requests at a time" in refused.json["error"]["message"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    will_answer(world)
    assert (await world.chat()).status == 200


async def test_dollars_a_minute_are_counted_when_they_are_known(build):
    world = build(**of(limits=[limit(Measure.USD, COST)]))
    will_answer(world)
    assert (await world.chat(max_tokens=100)).status == 200
    assert (await world.chat(max_tokens=100)).status == 429


async def test_a_target_at_its_limit_is_passed_over(build):
    route = plain_route("two", Deployment("openai", "gpt-4o"), Deployment("groq", "llama-3"))
    world = build(**of(limits=[limit(Measure.REQUESTS, 1, Scope(ScopeKind.PROVIDER, "openai"))]), routes=(route,))
    will_answer(world, 2)
    served = [(await world.chat(model="two")).fields["x-weighbridge-provider"] for _ in range(2)]
    assert served == ["openai", "groq"]


# --- the journal ------------------------------------------------------------------------------------------------


async def test_an_attempt_is_written_before_it_is_sent_and_its_end_before_the_client_has_it(world):
    world.journal.waits = True
    will_answer(world)
    client = world.client("POST", "/v1/chat/completions", {"model": "gpt-4o", "messages": []})
    task = asyncio.ensure_future(world.gateway.handle(client))
    while not world.journal.signals:
        await asyncio.sleep(0)
    assert not world.upstream.requests
    world.journal.signals[0].set()
    while len(world.journal.signals) < 2:
        await asyncio.sleep(0)
    assert world.upstream.requests
    assert not client.is_ended
    assert isinstance(world.journal.items[1], Settled)
    world.journal.signals[1].set()
    await task
    assert client.is_ended


async def test_nothing_is_admitted_while_the_journal_cannot_be_written(world):
    world.journal.is_full = True
    client = await world.chat()
    assert (client.status, client.json["error"]["code"]) == (503, "gateway_overloaded")
    assert not world.upstream.requests


async def test_the_journal_has_whom_a_request_belongs_to(build):
    key = build.virtual_key(team="search", user="ada", organisation="acme", tags=("batch",))
    world = build(keys=(key,), prices=PRICES)
    will_answer(world)
    await world.chat(user="eve", headers=[("x-weighbridge-tags", "mine, batch"), ("x-session-id", "run-7")])
    started, settled = world.journal.items
    assert (started.team, started.user, started.organisation, started.end_user) == ("search", "ada", "acme", "eve")
    record = settled.record
    assert record == world.record
    assert (record.team, record.user, record.organisation, record.end_user) == ("search", "ada", "acme", "eve")
    assert (record.session, record.tags, record.route) == ("run-7", ("batch", "mine"), "gpt-4o")


async def test_a_request_that_cannot_be_written_for_its_target_gives_back_what_it_held(build):
    world = build(**of(KEY_BUDGET), providers=(translating(build),))
    lossy = {
        "model": "anthropic/claude-4",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Hi"}],
        "logit_bias": {"5": 1},
    }
    client = await world.ask("POST", "/v1/chat/completions", lossy, [("x-weighbridge-strict", "true")])
    assert (client.status, client.json["error"]["code"]) == (400, "lossy_translation")
    assert spent(world) == (0, 0)
    assert not [item for item in world.journal.items if isinstance(item, Started)]


async def test_charges_of_one_counter_are_one(build):
    world = build(**of(KEY_BUDGET))
    will_answer(world)
    await world.chat(max_tokens=100)
    settled = world.journal.items[-1]
    (charge,) = settled.charges
    assert isinstance(charge, Charge)
    assert parse_counter(charge.counter)[:2] == ("per-key", "key_1")


async def test_who_shows_no_key_cannot_fill_the_disk(world):
    client = await world.ask("POST", "/v1/chat/completions", {"model": "gpt-4o", "messages": []}, auth=False)
    assert client.status == 401
    assert world.journal.items == []
    assert world.record.status == 401  # which the access log has


async def test_a_place_is_given_back_even_where_no_record_has_one(build):
    """The sink fills up while a request is being admitted: its Record finds no place, but its place among the concurrent is
    free."""
    world = build(
        **(of(limits=[limit(Measure.CONCURRENT, 1)]) | {"prices": PriceBook(unknown=UnknownPolicy(UnknownAction.REFUSE))})
    )
    admit = world.gateway._books.admit

    def admit_into_a_full_sink(exchange, now_ns):
        admit(exchange, now_ns)
        world.sink.is_full = True

    world.gateway._books.admit = admit_into_a_full_sink
    for _ in range(2):
        world.sink.is_full = False
        assert (await world.chat(max_tokens=5)).json["error"]["code"] == "price_unknown"


async def test_a_callers_trace_is_in_its_record_and_in_no_other(build):
    world = build()
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    will_answer(world, 4)
    for _ in range(3):  # a head that is known by then
        await world.chat(headers=[("traceparent", trace)])
    await world.chat()
    assert [record.trace for record in world.sink.records] == [trace] * 3 + [""]


# --- budgets that hosts share -----------------------------------------------------------------------------------


class Lends:
    """A lessor with a sum to lend to this host; None: it cannot be asked."""

    def __init__(self, world, amount):
        self.world = world
        self.amount = amount
        self.wants = []

    async def ask(self, wants):
        self.wants += wants
        if self.amount is None:
            return None
        granted = []
        for want in wants:
            given = min(self.amount, want.amount)
            self.amount -= given
            self.world.lend(want.counter, given)
            granted.append(Granted(want.counter, given, 7 * USD, 3 * USD))
        return granted


def sharing(build, amount, *budgets, **facts):
    world = build(**of(*(budgets or (KEY_BUDGET,)), has_leases=True, **facts))
    world.lessor.of = Lends(world, amount)
    return world


async def test_a_host_asks_for_what_it_lacks_once_and_goes_on(build):
    world = sharing(build, USD)
    will_answer(world)
    assert (await world.chat(max_tokens=200)).status == 200
    (want,) = world.lessor.of.wants
    (started, _settled) = world.journal.items
    assert (want.limit, want.amount, want.is_modest) == (USD, started.reserved_nanousd, False)
    assert spent(world) == (COST, 0)


async def test_what_is_on_lease_is_used_before_anybody_is_asked(build):
    world = sharing(build, 10 * USD)
    will_answer(world)
    await world.chat(max_tokens=200)
    world.lend(world.lessor.of.wants[0].counter, USD)
    will_answer(world)
    assert (await world.chat(max_tokens=200)).status == 200
    assert len(world.lessor.of.wants) == 1


async def test_where_hosts_have_nothing_left_together_the_refusal_says_so(build):
    world = sharing(build, 0, msgspec.structs.replace(KEY_BUDGET, on_shortage=Shortage.REFUSE))
    client = await world.chat(max_tokens=200)
    error = decode_json(client.body)["error"]
    assert (client.status, error["code"]) == (429, "budget_exceeded")
    assert "$7.00 is spent and $3.00 set aside for the hosts that share it" in error["message"]
    assert world.upstream.requests == []


async def test_a_request_without_a_bound_takes_what_it_gets(build):
    world = sharing(build, 50_000_000)
    will_answer(world)
    client = await world.chat()
    assert client.status == 200
    assert world.lessor.of.wants[0].is_modest
    assert "capped:max_completion_tokens" in client.fields["x-weighbridge-edits"]


async def test_a_store_that_is_away_admits_nothing_and_says_to_try_again(build):
    world = sharing(build, None)
    client = await world.chat(max_tokens=200)
    assert (client.status, client.json["error"]["code"]) == (503, "budgets_unavailable")
    assert "retry-after" in client.fields
    assert world.upstream.requests == []


async def test_a_soft_budget_asks_nobody(build):
    world = sharing(build, None, msgspec.structs.replace(KEY_BUDGET, is_hard=False))
    will_answer(world)
    assert (await world.chat(max_tokens=200)).status == 200


async def test_several_budgets_are_asked_for_at_once(build):
    other = Budget("all", Scope(ScopeKind.GATEWAY), 5 * USD)
    world = sharing(build, 10 * USD, KEY_BUDGET, other)
    will_answer(world)
    assert (await world.chat(max_tokens=200)).status == 200
    assert {want.limit for want in world.lessor.of.wants} == {USD, 5 * USD}


@pytest.mark.parametrize("path", ["/v1/files", "/v1/files/file_1/content", "/v1/responses/resp_1", "/v1/batches"])
async def test_what_no_provider_bills_is_free_and_known_to_be(build, path):
    world = build(**of(KEY_BUDGET))
    await world.ask("GET", path)
    assert (world.record.cost_nanousd, world.record.price_state) == (0, PriceState.KNOWN)
    assert spent(world) == (0, 0)
