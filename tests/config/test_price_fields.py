from __future__ import annotations

from decimal import Decimal

import pytest
from pydantic import ValidationError

from weighbridge.config.price_fields import PriceRule


@pytest.mark.parametrize(("given", "dollars"), [("0.25", "0.25"), ("$1.5", "1.5"), (2, "2"), (0.1, "0.1"), (0, "0")])
def test_dollars_in_each_spelling(given, dollars):
    assert PriceRule.model_validate({"match": "a/*", "input": given, "output": 1}).input == Decimal(dollars)


@pytest.mark.parametrize("given", ["free", "-1", -1, "1e9", True, "NaN"])
def test_what_is_no_price_is_refused(given):
    with pytest.raises(ValidationError):
        PriceRule.model_validate({"match": "a/*", "input": given, "output": 1})


@pytest.mark.parametrize("rule", [{}, {"input": 1}, {"output": 1}, {"discount": "110%"}, {"discount": 0.1}, {"cache_read": 1}])
def test_a_rule_that_says_half_is_refused(rule):
    with pytest.raises(ValidationError):
        PriceRule.model_validate({"match": "a/*", **rule})


def test_a_discount_is_a_percentage():
    assert PriceRule.model_validate({"match": "a/*", "discount": "12.5%"}).discount == Decimal("0.125")
