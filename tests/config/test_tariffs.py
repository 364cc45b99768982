from __future__ import annotations

import pytest
from tests.storage.test_ledger_store import record

from weighbridge.config.load import load_config
from weighbridge.config.problems import ConfigError
from weighbridge.config.tariffs import compile_tariffs
from weighbridge.core.rates import Tariff
from weighbridge.ledger.tariffs import Tariffs


@pytest.fixture
def tariffs(tmp_path):
    def of(text):
        file = tmp_path / "weighbridge.yaml"
        file.write_text("providers: {demo: {}}\n" + text)
        return Tariffs(compile_tariffs(load_config(file, environ={}).config))

    return of


def test_a_markup_and_a_discount_are_millionths(tariffs):
    found = tariffs("tariffs: [{scope: 'team:search', markup: 12.5%, discount: 2%}, {scope: gateway, markup: '-10%'}]")
    assert found.of(record(team="search")) == Tariff(125_000, 20_000)
    assert found.of(record(team="ads")) == Tariff(-100_000, 0)


def test_estimates_are_charged_where_the_tariff_says_so(tariffs):
    found = tariffs("tariffs: [{scope: 'team:search', estimates: charge}, {scope: gateway}]")
    assert [found.of(record(team=team)).charges_estimates for team in ("search", "ads")] == [True, False]


def test_own_keys_are_free_unless_a_tariff_has_a_fee_for_them(tariffs):
    found = tariffs("tariffs: [{scope: 'team:search', markup: 20%, own_keys: 5%}, {scope: gateway, markup: 20%}]")
    assert [found.of(record(team=team)).own_key_ppm for team in ("search", "ads")] == [50_000, 0]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("{scope: 'model:openai/gpt-5', markup: 5%}", "cannot be a model"),
        ("{scope: gateway, markup: 5}", "percentage"),
        ("{scope: gateway, markup: '-101%'}", "at least"),
        ("{scope: gateway, discount: '-5%'}", "percentage"),
        ("{scope: gateway, estimates: perhaps}", "waive"),
        ("{scope: gateway, own_keys: '-5%'}", "not less than nothing"),
        ("{markup: 5%}", "scope"),
    ],
)
def test_what_no_tariff_can_be_is_told(tariffs, wrong, words):
    with pytest.raises(ConfigError) as refused:
        tariffs(f"tariffs: [{wrong}]")
    assert words in "\n".join(problem.render(None) for problem in refused.value.problems)
