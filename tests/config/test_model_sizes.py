from __future__ import annotations

import pytest

from weighbridge.config.load import load_config
from weighbridge.config.model_sizes import compile_sizes
from weighbridge.config.problems import ConfigError
from weighbridge.core.model_sizes import sizes_of
from weighbridge.core.rates import ModelFacts


@pytest.fixture
def bound(tmp_path):
    def of(text, name):
        file = tmp_path / "weighbridge.yaml"
        file.write_text("providers: {mine: {type: openai, api_key: sk-1}, demo: {}}\n" + text)
        sizes = sizes_of(compile_sizes(load_config(file, environ={}).config), name, ModelFacts())
        return sizes.output_bound, sizes.source

    return of


def test_a_provider_has_its_types_models_under_its_own_name(bound):
    assert bound("", "mine/gpt-4o")[0] == 16_384
    assert bound("", "openai/gpt-4o")[0] == 65_536


def test_later_entries_of_the_operators_go_on_top_of_earlier_ones_and_of_vendors(bound):
    told = "model_limits: [{match: 'mine/*', max_output_tokens: 9000}, {match: 'mine/gpt-4o', max_output_tokens: 50}]"
    assert bound(told, "mine/gpt-4o") == (50, "the configuration")
    assert bound(told, "mine/gpt-5") == (9_000, "the configuration")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("{match: 'a/*'}", "comes without"),
        ("{match: 'a/*', max_output_tokens: 0}", "max_output_tokens"),
        ("{match: 'a/*', context_window: -1}", "context_window"),
        ("{max_output_tokens: 5}", "match"),
    ],
)
def test_an_entry_that_says_nothing_or_nonsense_is_refused(bound, wrong, words):
    with pytest.raises(ConfigError) as refused:
        bound(f"model_limits: [{wrong}]", "a/b")
    assert words in str(refused.value.problems)
