from __future__ import annotations

import pytest

from weighbridge.config.load import ConfigError, load_config
from weighbridge.config.prices import compile_prices
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.terms import Usage
from weighbridge.ledger.price_book import card_for
from weighbridge.ledger.pricing import Pricer

PROVIDERS = """
providers:
  openai: {api_key: sk-aaaaaaaaaaaaaaaa}
  anthropic: {api_key: sk-aaaaaaaaaaaaaaaa}
  spare: {type: openai, base_url: "https://api.example.com/v1", api_key: sk-aaaaaaaaaaaaaaaa}
  local: {type: openai, base_url: "http://10.0.0.5:8000/v1", api_keys: []}
  demo:
"""


FAR_NS = 1_800_000_000 * NS_PER_S


@pytest.fixture
def prices_of(tmp_path):
    def of(rules):
        file = tmp_path / "weighbridge.yaml"
        file.write_text(PROVIDERS + rules)
        return compile_prices(load_config(file, environ={}).config)

    return of


@pytest.fixture
def cost(prices_of):
    def of(rules, name, usage, at_wall_ns=FAR_NS):
        provider, _, model = name.partition("/")
        card = card_for(prices_of(rules), provider, model)
        return None if card is None else Pricer(card).price(usage, at_wall_ns=at_wall_ns).amount

    return of


def test_a_listed_model_has_its_lists_price(cost):
    assert cost("", "openai/gpt-5", Usage(input=1_000_000)) == 1_250_000_000


def test_the_demo_is_free_and_a_server_of_ones_own_unknown(cost):
    assert cost("", "demo/echo", Usage(input=5, output=5)) == 0
    assert cost("", "local/llama", Usage(input=5)) is None


def test_the_operator_prices_what_no_list_has(cost):
    rules = "prices:\n  - {match: local/*, input: 0.1, output: $0.40, request: 0.001}\n"
    assert cost(rules, "local/llama", Usage(input=1_000_000, output=1_000_000)) == 100_000_000 + 400_000_000 + 1_000_000


def test_a_contracts_discount_and_its_day(cost):
    rules = "prices:\n  - {match: 'openai/*', discount: 20%, from: 2027-01-01}\n"
    new_year = 1_798_761_600 * NS_PER_S
    assert cost(rules, "openai/gpt-5", Usage(input=1_000_000), new_year - 1) == 1_250_000_000
    assert cost(rules, "openai/gpt-5", Usage(input=1_000_000), new_year) == 1_000_000_000


def test_what_a_region_costs_more(prices_of):
    card = card_for(prices_of("prices:\n  - {match: 'openai/*', regions: {us: 12.5%, 'eu-*': 10%}}\n"), "openai", "gpt-5")
    assert [(each.region, each.factor) for each in card.regions] == [("us", 1_125_000), ("eu-*", 1_100_000)]


def test_inference_of_anthropics_in_the_united_states_alone_costs_a_tenth_more(prices_of):
    card = card_for(prices_of(""), "anthropic", "claude-opus-4-6")
    usage = Usage(input=1_000)
    assert Pricer(card).price(usage, region="us").amount == Pricer(card).price(usage, region="global").amount * 11 // 10


def test_a_copy_of_a_model_is_priced_like_it(cost):
    rules = "prices:\n  - {match: local/mine, same_as: openai/gpt-5}\n"
    assert cost(rules, "local/mine", Usage(input=1_000_000)) == 1_250_000_000


def test_tiers_cost_multiples_of_own_prices_and_of_listed_ones(prices_of):
    rules = """
prices:
  - {match: 'local/*', input: 1, output: 10, discount: 10%, tiers: {batch: 0.5, priority: 2}}
  - {match: 'openai/gpt-5', tiers: {batch: 0.25}}
"""
    book = prices_of(rules)

    def cost_in(tier, name):
        provider, _, model = name.partition("/")
        return Pricer(card_for(book, provider, model)).price(Usage(input=1_000_000), tier=tier, at_wall_ns=FAR_NS).amount

    assert [cost_in(tier, "local/any") for tier in (None, "batch", "priority", "flex")] == [
        900_000_000,
        450_000_000,
        1_800_000_000,
        900_000_000,
    ]
    assert cost_in("batch", "openai/gpt-5") * 4 == cost_in(None, "openai/gpt-5")
    assert cost_in("flex", "openai/gpt-5") * 2 == cost_in(None, "openai/gpt-5")  # as the list has it


@pytest.mark.parametrize("multiple", ["-1", "half", "true", "101"])
def test_a_multiple_is_a_number(prices_of, multiple):
    with pytest.raises(ConfigError, match="must be a multiple"):
        prices_of(f"prices:\n  - {{match: 'openai/*', tiers: {{batch: {multiple}}}}}\n")
