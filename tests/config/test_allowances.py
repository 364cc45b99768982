from __future__ import annotations

import pytest

from weighbridge.config.compile import compile_plan
from weighbridge.config.load import load_config
from weighbridge.config.problems import ConfigError
from weighbridge.core.allowances import Budget, Measure, Period, RateLimit, Scope, ScopeKind, Shortage, Unit
from weighbridge.core.rates import UnknownAction

USD = 1_000_000_000


@pytest.fixture
def plan(tmp_path):
    def of(text):
        file = tmp_path / "weighbridge.yaml"
        file.write_text("providers: {demo: {}}\n" + text)
        return compile_plan(load_config(file, environ={}), version=1, stored_keys=())

    return of


def test_a_budget_in_dollars_is_in_nano_dollars(plan):
    (budget,) = plan("budgets: [{scope: 'team:search', amount: $0.50}]").allowances.budgets
    assert budget == Budget("team:search/usd/month", Scope(ScopeKind.TEAM, "search"), USD // 2)


def test_every_field_of_a_budget_counts(plan):
    text = (
        "budgets: [{scope: 'key:*', amount: 1_000 tokens, period: day, timezone: Europe/Berlin, hard: false, on_shortage: refuse, "
        "alert_at: ['50%', '99.5%'], id: mine}]"
    )
    (budget,) = plan(text).allowances.budgets
    assert budget == Budget(
        "mine",
        Scope(ScopeKind.KEY, "*"),
        1_000,
        Unit.TOKENS,
        Period.DAY,
        "Europe/Berlin",
        is_hard=False,
        on_shortage=Shortage.REFUSE,
        alert_at_ppm=(500_000, 995_000),
    )


@pytest.mark.parametrize(
    ("text", "measure", "amount", "per_ns"),
    [
        ("requests: 60", Measure.REQUESTS, 60, 60 * USD),
        ("tokens: 1000, per: 1s", Measure.TOKENS, 1_000, USD),
        ("input_tokens: 5", Measure.INPUT_TOKENS, 5, 60 * USD),
        ("tokens: 2_000_000", Measure.TOKENS, 2_000_000, 60 * USD),
        ("output_tokens: 5, per: 1d", Measure.OUTPUT_TOKENS, 5, 86_400 * USD),
        ("dollars: 0.25", Measure.USD, USD // 4, 60 * USD),
        ("concurrent: 3", Measure.CONCURRENT, 3, 60 * USD),
    ],
)
def test_a_limit_measures_one_thing(plan, text, measure, amount, per_ns):
    (limit,) = plan(f"limits: [{{scope: gateway, {text}}}]").allowances.limits
    assert (limit.measure, limit.amount, limit.per_ns, limit.scope) == (measure, amount, per_ns, Scope(ScopeKind.GATEWAY))


def test_a_limits_id_and_burst(plan):
    (limit,) = plan("limits: [{scope: 'model:openai/gpt-5', requests: 60, burst: 5, id: slow}]").allowances.limits
    assert limit == RateLimit("slow", Scope(ScopeKind.MODEL, "openai/gpt-5"), Measure.REQUESTS, 60, burst=5)


def test_unknown_prices_may_have_a_ceiling(plan):
    unknown = plan("unknown_prices: {action: ceiling, ceiling: {input: 1, output: 2}}").prices.unknown
    assert (unknown.action, unknown.ceiling.input, unknown.ceiling.output) == (UnknownAction.CEILING, 1_000_000, 2_000_000)
    assert plan("").prices.unknown.action is UnknownAction.RESERVE_HIGH


def test_a_key_says_whom_it_belongs_to_and_what_it_may(plan):
    text = (
        "keys: [{name: a, key: wb-a-key-of-the-tests, team: t, user: u, organisation: o, tags: [x, y], addresses: [10.0.0.0/8], "
        "max_output_tokens: 99}]"
    )
    (key,) = plan(text).keys
    assert (key.team, key.user, key.organisation, key.tags) == ("t", "u", "o", ("x", "y"))
    assert (key.addresses, key.max_output_tokens) == (("10.0.0.0/8",), 99)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("budgets: [{scope: search, amount: $1}]", "must be `gateway`, or one of"),
        ("budgets: [{scope: team, amount: $1}]", "must name whom it counts: `team:…`"),
        ("budgets: [{scope: 'gateway:x', amount: $1}]", "must be `gateway`, or one of"),
        ("budgets: [{scope: gateway, amount: lots}]", "must be dollars or tokens"),
        ("budgets: [{scope: gateway, amount: $-1}]", "must be dollars or tokens"),
        ("budgets: [{scope: gateway, amount: $1, timezone: Mars/Olympus}]", "must be a time zone"),
        ("budgets: [{scope: gateway, amount: $1, alert_at: [80]}]", "must be a percentage"),
        ("budgets: [{scope: gateway, amount: $1, id: 'a b'}]", "must be letters, digits"),
        ("budgets: [{scope: gateway, amount: $1}, {scope: gateway, amount: $2}]", "two entries under the id 'gateway/usd/month'"),
        ("limits: [{scope: gateway}]", "needs exactly one of `requests`"),
        ("limits: [{scope: gateway, requests: 1, tokens: 1}]", "needs exactly one of `requests`"),
        ("limits: [{scope: gateway, requests: 1, per: 2d}]", "at most `1d`"),
        ("limits: [{scope: gateway, dollars: 1, burst: 5}]", "cannot be told for `dollars`"),
        ("unknown_prices: {action: ceiling}", "goes with `action: ceiling`"),
        ("unknown_prices: {ceiling: {input: 1, output: 1}}", "goes with `action: ceiling`"),
        ("keys: [{name: a, key: wb-a-key-of-the-tests, addresses: [example.com]}]", "must be a network"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(plan, text, said):
    with pytest.raises(ConfigError) as failed:
        plan(text)
    assert said in "\n".join(problem.message for problem in failed.value.problems)
