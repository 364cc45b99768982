"""Limits that hosts share as a caller sees them: answered by whoever keeps them, or by nobody."""

from __future__ import annotations

import asyncio

import pytest

from weighbridge.core.allowances import Allowances, Budget, Measure, Period, RateLimit, Scope, ScopeKind
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.codec import encode_json
from weighbridge.core.rates import Bracket, PriceBook, PriceRule, Rates
from weighbridge.core.routes import Hedging, RetryPolicy, Route, RouteTarget, plain_route
from weighbridge.core.terms import Deployment
from weighbridge.limits.shared import Asked, Outcome
from weighbridge.testing.books import memory_table

RATES = Bracket(Rates(input=1_000_000, output=10_000_000))
PRICES = PriceBook(rules=(PriceRule("*", own=(RATES,), source="tests"),))
ANSWER = encode_json(
    {
        "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 50},
    }
)
COST = 100 * 1_000 + 50 * 10_000
OPENAI = Scope(ScopeKind.PROVIDER, "openai")
GATEWAY = Scope(ScopeKind.GATEWAY)


class Keeper:
    """`SharedLimits` over a table of its own, which answers at once, when it is told to (`waits`), or not at all (`is_away`)."""

    def __init__(self):
        self.table = memory_table()
        self.now = 1
        self.refuses = self.is_away = self.waits = False
        self.n_hosts = 1
        self.waiting = []
        self.held = []
        self.settled = []

    def ask(self, draws):
        asked = Asked(draws)
        if self.waits:
            self.waiting.append(asked)
        else:
            self.answer(asked)
        return asked

    def answer(self, asked):
        if not self.is_away:
            asked.short = self.table.draw(asked.draws, self.now)
            asked.outcome = Outcome.REFUSED if asked.short is not None else Outcome.GIVEN
            if asked.is_abandoned and asked.short is None:
                self.settle(asked.draws, [0] * len(asked.draws))
        asked.signal.set()

    def hold(self, draws):
        self.held += [draw.slot.name for draw in draws if not draw.per_ns]

    def settle(self, draws, used):
        self.settled += [(draw.slot.name, amount) for draw, amount in zip(draws, used, strict=True)]
        self.table.settle((), (), draws, used)

    def used(self, measure):
        """How much of a limit is in use: what a draw of nothing is told."""
        (name,) = {name for name, _ in self.settled if name.endswith(measure)}
        return self.table.level(name)


def limit(measure, amount, scope=GATEWAY, **facts):
    return RateLimit(f"{scope.kind}/{measure}", scope, measure, amount, **facts)


@pytest.fixture
def keeper():
    return Keeper()


@pytest.fixture
def host(build, keeper):
    """Build hosts under some limits, all of which ask one keeper."""

    def make(*limits, budgets=(), **facts):
        return build(shared_limits=keeper, prices=PRICES, allowances=Allowances(tuple(budgets), limits), **facts)

    return make


def will_answer(world, times=1):
    for _ in range(times):
        world.will_reply(ANSWER, length=len(ANSWER))


# --- answered ---------------------------------------------------------------------------------------------------


async def test_hosts_have_one_limit_together(host):
    one, other = host(rule := limit(Measure.REQUESTS, 3)), host(rule)
    for world in (one, other):
        will_answer(world, 2)
    assert [(await world.chat()).status for world in (one, other, one, other)] == [200, 200, 200, 429]


async def test_what_is_left_is_told_from_what_all_hosts_have_used(host):
    one, other = host(rule := limit(Measure.REQUESTS, 3)), host(rule)
    will_answer(one)
    will_answer(other)
    await one.chat()
    told = (await other.chat()).fields
    assert (told["x-ratelimit-limit-requests"], told["x-ratelimit-remaining-requests"]) == ("3", "1")
    assert told["x-ratelimit-reset-requests"] == "40s"
    will_answer(one)
    await one.chat()
    refused = await other.chat()
    assert (refused.status, refused.json["error"]["code"]) == (429, "rate_limit_exceeded")
    assert refused.fields["retry-after"] == "20"
    assert refused.fields["x-ratelimit-remaining-requests"] == "0"


@pytest.mark.parametrize(
    ("measure", "used"),
    [(Measure.TOKENS, 150), (Measure.INPUT_TOKENS, 100), (Measure.OUTPUT_TOKENS, 50), (Measure.USD, COST), (Measure.CONCURRENT, 0)],
)
async def test_what_was_used_is_told_when_it_is_known(host, keeper, measure, used):
    world = host(limit(measure, 10**9), limit(measure, 10**9, OPENAI))
    will_answer(world)
    assert (await world.chat(max_tokens=800)).status == 200
    assert sorted(keeper.settled) == [
        (f"gateway/{measure}\x1f\x1f{measure}", used),
        (f"provider/{measure}\x1fopenai\x1f{measure}", used),
    ]


async def test_a_target_at_its_limit_is_passed_over_and_leaves_nothing_held(host, keeper):
    route = plain_route("two", Deployment("openai", "gpt-4o"), Deployment("groq", "llama-3"))
    budget = Budget("b", GATEWAY, 10**9, period=Period.TOTAL)
    world = host(limit(Measure.REQUESTS, 1, OPENAI), budgets=(budget,), routes=(route,))
    will_answer(world, 2)
    served = [(await world.chat(model="two")).fields["x-weighbridge-provider"] for _ in range(2)]
    assert served == ["openai", "groq"]
    names = {charge.counter for item in world.journal.items for charge in getattr(item, "charges", ())}
    assert [world.table.level(name) for name in names] == [(2 * COST, 0)]


async def test_who_waits_for_the_answer_of_limits_holds_up_nobody_else(host, keeper):
    world = host(limit(Measure.REQUESTS, 2))
    keeper.waits = True
    tasks = [asyncio.ensure_future(world.chat()) for _ in range(3)]
    while len(keeper.waiting) < 3:
        await asyncio.sleep(0)
    will_answer(world, 2)
    for asked in reversed(keeper.waiting):
        keeper.answer(asked)
    assert sorted(client.status for client in await asyncio.gather(*tasks)) == [200, 200, 429]


@pytest.mark.parametrize("scope", [GATEWAY, OPENAI])
@pytest.mark.parametrize("is_answered_first", [False, True])
async def test_who_leaves_before_the_answer_has_taken_nothing(host, keeper, scope, is_answered_first):
    world = host(limit(Measure.CONCURRENT, 1, scope))
    keeper.waits = True
    task = asyncio.ensure_future(world.chat())
    while not keeper.waiting:
        await asyncio.sleep(0)
    if is_answered_first:
        keeper.answer(keeper.waiting[0])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    if not is_answered_first:
        keeper.answer(keeper.waiting[0])
    keeper.waits = False
    will_answer(world)
    assert (await world.chat()).status == 200
    assert len(world.sink.records) == 2


async def test_a_second_call_that_is_overtaken_while_it_asks_has_taken_nothing(host, keeper):
    targets = (RouteTarget(Deployment("openai", "gpt-4o")), RouteTarget(Deployment("groq", "llama-3")))
    route = Route("race", targets, retry=RetryPolicy(max_attempts=2), hedging=Hedging(min_ns=1_000_000))
    world = host(limit(Measure.CONCURRENT, 1, Scope(ScopeKind.PROVIDER, "groq")), routes=(route,))
    for _ in range(64):
        world.gateway.fleet.note_first_token(route, 1)
    slow = world.will_reply(length=len(ANSWER), is_open=True)
    keeper.waits = True
    task = asyncio.ensure_future(world.chat(model="race"))
    while not keeper.waiting:
        await asyncio.sleep(0)
    slow.sink.on_data(ANSWER)
    slow.sink.on_end()
    assert (await task).fields["x-weighbridge-provider"] == "openai"
    keeper.answer(keeper.waiting[0])
    keeper.waits = False
    will_answer(world)
    assert (await world.chat(model="groq/llama-3")).status == 200


# --- by nobody --------------------------------------------------------------------------------------------------


async def test_while_nobody_answers_each_host_goes_by_its_part(host, keeper):
    keeper.is_away, keeper.n_hosts = True, 2
    one, other = host(rule := limit(Measure.REQUESTS, 5)), host(rule)
    for world in (one, other):
        will_answer(world, 3)
        assert [(await world.chat()).status for _ in range(3)] == [200, 200, 429]
    assert (await one.chat()).fields["retry-after"] == "24"
    one.clock.now += 24 * NS_PER_S
    assert [(await one.chat()).status for _ in range(2)] == [200, 429]


async def test_a_part_counts_what_the_host_has_used_of_the_whole(host, keeper):
    keeper.n_hosts = 2
    one, other = host(rule := limit(Measure.TOKENS, 4_000)), host(rule)
    for _ in range(12):  # 150 tokens each: 1,800
        will_answer(one)
        assert (await one.chat(max_tokens=50)).status == 200
    keeper.is_away = True
    for world, more in ((one, 1), (other, 13)):  # each its 2,000
        will_answer(world, 14)
        statuses = [(await world.chat(max_tokens=140)).status for _ in range(14)]
        assert statuses == [200] * more + [429] * (14 - more)


async def test_a_host_that_has_used_all_that_there_was_has_its_part_again_in_good_time(host, keeper):
    keeper.n_hosts = 2
    world = host(limit(Measure.REQUESTS, 60))
    for _ in range(600):  # one a second, for ten minutes: all of it
        will_answer(world)
        world.clock.now += NS_PER_S
        keeper.now += NS_PER_S
        assert (await world.chat()).status == 200
    keeper.is_away = True
    will_answer(world)
    assert (await world.chat()).status == 200


async def test_a_part_counts_what_is_under_way(host, keeper):
    keeper.n_hosts = 2
    world = host(limit(Measure.CONCURRENT, 4))
    tasks = []
    for _ in range(3):
        world.upstream.script.append(None)
        tasks.append(asyncio.ensure_future(world.chat()))
        while len(world.upstream.requests) < len(tasks):
            await asyncio.sleep(0)
    keeper.is_away = True
    assert (await world.chat()).status == 429
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    will_answer(world)
    assert (await world.chat()).status == 200


async def test_a_part_is_one_request_at_least(host, keeper):
    keeper.is_away, keeper.n_hosts = True, 8
    world = host(limit(Measure.REQUESTS, 2))
    will_answer(world)
    assert [(await world.chat()).status for _ in range(2)] == [200, 429]


async def test_what_a_host_lets_in_by_itself_is_told_when_somebody_can_be(host, keeper):
    keeper.is_away, keeper.n_hosts = True, 1
    world = host(limit(Measure.CONCURRENT, 1), limit(Measure.TOKENS, 10**6))
    world.upstream.script.append(None)
    task = asyncio.ensure_future(world.chat())
    await world.upstream.asked.wait()
    name = "gateway/concurrent\x1f\x1fconcurrent"
    assert keeper.held == [name]
    assert (await world.chat()).status == 429
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert keeper.settled == [(name, 0)]  # its tokens are this host's business
    will_answer(world)
    assert (await world.chat()).status == 200


@pytest.mark.parametrize("scope", [GATEWAY, OPENAI])
async def test_while_nobody_answers_what_a_limit_counts_may_be_refused(host, keeper, scope):
    keeper.is_away = keeper.refuses = True
    world = host(limit(Measure.REQUESTS, 5, scope))
    refused = await world.chat()
    assert (refused.status, refused.json["error"]["code"]) == (503, "limits_unavailable")
    assert refused.fields["retry-after"] == "1"
    anthropic = await world.ask("POST", "/v1/messages", {"model": "claude-4", "max_tokens": 9, "messages": []})
    if scope is GATEWAY:
        assert (anthropic.status, anthropic.json["error"]["type"]) == (503, "overloaded_error")


async def test_what_no_limit_counts_asks_nobody(host, keeper):
    keeper.is_away = keeper.refuses = True
    world = host(limit(Measure.REQUESTS, 5, Scope(ScopeKind.TEAM, "*")))
    will_answer(world)
    assert (await world.chat()).status == 200
