from __future__ import annotations

from weighbridge.core.model_sizes import ASSUMED, ASSUMED_OUTPUT, SizeRule, sizes_of
from weighbridge.core.rates import ModelFacts

VENDORS = SizeRule("openai/gpt-5*", max_output_tokens=128_000, source="its page")
OPERATORS = SizeRule("openai/*", max_output_tokens=4_000, source="the configuration")
LISTED = ModelFacts(400_000)


def bound(*rules, facts=LISTED, name="openai/gpt-5"):
    sizes = sizes_of(rules, name, facts)
    return sizes.output_bound, sizes.source


def test_the_operator_goes_before_the_vendor_and_the_vendor_before_the_price_list():
    assert bound(OPERATORS, VENDORS) == (4_000, "the configuration")
    assert bound(VENDORS) == (128_000, "its page")
    assert bound(VENDORS, name="openai/o9") == (400_000, "the context window in the price list")
    assert bound() == (400_000, "the context window in the price list")


def test_a_model_of_which_nobody_says_anything_is_assumed_to_write_much():
    assert bound(facts=ModelFacts()) == (ASSUMED_OUTPUT, ASSUMED)


def test_a_lists_small_window_bounds_no_output():
    # Gemini's models that speak read 8,192 tokens and write 16,384.
    assert bound(facts=ModelFacts(8_192)) == (ASSUMED_OUTPUT, ASSUMED)


def test_a_window_that_the_operator_gives_holds_what_goes_in_and_out():
    own = SizeRule("openai/*", context_window=8_192, source="the configuration")
    sizes = sizes_of([own], "openai/gpt-5", LISTED)
    assert (sizes.output_bound, sizes.context_window, sizes.max_output_tokens) == (8_192, 8_192, None)
    assert sizes.source == "the context window in the configuration"


def test_each_size_is_the_first_rules_that_says_it():
    window = SizeRule("openai/gpt-5", context_window=9_000, source="the configuration")
    sizes = sizes_of([window, VENDORS], "openai/gpt-5", LISTED)
    assert (sizes.output_bound, sizes.context_window, sizes.source) == (128_000, 9_000, "its page")
