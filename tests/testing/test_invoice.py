"""Amounts by the simulators' own price table."""

from __future__ import annotations

import pytest

from weighbridge.core.terms import Usage
from weighbridge.testing import Prices
from weighbridge.testing.invoice import amount_of, up_to_the_cut

USAGE = Usage(input=1, cache_read=10, cache_write_5m=100, cache_write_1h=1000, output=3, reasoning=2, tool_calls=1)


@pytest.mark.parametrize(("tier", "factor"), [("default", 1), ("batch", 0.5), ("flex", 0.5), ("priority", 2)])
def test_an_amount_is_a_dot_product_times_the_tier(tier, factor):
    full = 1 * 1_000 + 10 * 100 + 100 * 1_250 + 1000 * 2_000 + 3 * 4_000 + 10_000_000
    assert amount_of(USAGE, Prices(), tier) == full * factor


def test_a_cut_stream_owes_what_was_generated():
    assert up_to_the_cut(USAGE, 1) == Usage(
        input=1, cache_read=10, cache_write_5m=100, cache_write_1h=1000, output=1, reasoning=1, tool_calls=1
    )
    assert up_to_the_cut(USAGE, 99) == USAGE
