from __future__ import annotations

from decimal import Decimal, InvalidOperation

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.money import NANO, Nanousd, format_usd, from_pico, from_usd, pico_as_usd


@pytest.mark.parametrize(
    ("dollars", "nano"),
    [
        ("0", 0),
        ("1", NANO),
        ("0.1", 100_000_000),
        ("0.000000005", 5),
        ("-2.5", -2_500_000_000),
        ("1e-9", 1),
        ("9223372036.854775807", 2**63 - 1),
        # half a nano-dollar goes to the even neighbour
        ("0.0000000005", 0),
        ("0.0000000015", 2),
        ("0.0000000025", 2),
        ("0.00000000250000001", 3),
        ("-0.0000000015", -2),
        (Decimal("0.3"), 300_000_000),
    ],
)
def test_dollars_are_rounded_once_half_to_even(dollars, nano):
    assert from_usd(dollars) == nano


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_amount_survives_as_text(nano):
    assert from_usd(str(Decimal(nano).scaleb(-9))) == nano


@pytest.mark.parametrize("text", ["", "a", "$1", "1,000", "0x1"])
def test_what_is_no_number_is_no_money(text):
    with pytest.raises(InvalidOperation):
        from_usd(text)


@pytest.mark.parametrize(("pico", "nano"), [(0, 0), (499, 0), (500, 1), (1_499, 1), (1_500, 2), (2_500, 3), (10**21, 10**18)])
def test_what_tokens_cost_is_rounded_half_up(pico, nano):
    assert from_pico(pico) == nano


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "$0.00"),
        (1_250_000_000, "$1.25"),
        (1_234_567_890_000_000, "$1,234,567.89"),
        (10_000_000, "$0.01"),
        (9_999_999, "$0.010000"),
        (4_000, "$0.000004"),
        (1, "$0.000000"),
        (123_456, "$0.000123"),
    ],
)
def test_amounts_for_people(nano, text):
    assert format_usd(Nanousd(nano)) == text


@given(st.integers(-(2**63), 2**63 - 1))
def test_no_amount_is_shown_in_scientific_notation(nano):
    assert "e" not in format_usd(Nanousd(nano)).lower()


@pytest.mark.parametrize(("pico", "text"), [(3_000_000, "0.000003"), (12_500_000_000_000, "12.5"), (0, "0"), (1, "0.000000000001")])
def test_a_rate_is_told_to_its_last_digit(pico, text):
    assert pico_as_usd(pico) == text
