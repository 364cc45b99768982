"""Money is an integer number of nano-dollars, rounded once: dollars that people wrote half to even, what tokens cost half up.

One nano-dollar is 1e-9 USD: the cheapest known token (0.005 $/M) costs 5 of them, and 2**63 of them are nine billion dollars.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, NewType

Nanousd = NewType("Nanousd", int)

NANO: Final = 1_000_000_000
_CENT_MILLIONTH: Final = Decimal("0.000001")


def from_usd(dollars: str | Decimal) -> Nanousd:
    """Exact dollars as nano-dollars. Takes text or `Decimal`, not float: 0.1 has no float. Raises `decimal.InvalidOperation`."""
    return Nanousd(int((Decimal(dollars) * NANO).to_integral_value(ROUND_HALF_EVEN)))


PICO_PER_NANO: Final = 1_000
"""Rates are whole pico-dollars a token: $1 a million tokens is 1,000,000 of them, so that $0.075 a million loses nothing."""


def from_pico(picodollars: int) -> Nanousd:
    """What tokens cost, rounded half up, as every invoice does. Not for negative amounts, of which there are no tokens."""
    return Nanousd((picodollars + PICO_PER_NANO // 2) // PICO_PER_NANO)


def from_pico_difference(picodollars: int) -> int:
    """The difference of two costs, rounded half away from zero, so that a gain and the same loss make nothing."""
    rounded = (abs(picodollars) + PICO_PER_NANO // 2) // PICO_PER_NANO
    return rounded if picodollars >= 0 else -rounded


def pico_as_usd(picodollars: int) -> str:
    """Dollars, exactly: `0.000003`, `12.5`."""
    return format((Decimal(picodollars) / (NANO * PICO_PER_NANO)).normalize(), "f")


def format_usd(amount: Nanousd) -> str:
    """For people: `$1.25`, `$0.000004` (six decimals below one cent, never scientific notation)."""
    dollars = Decimal(amount) / NANO
    return f"${dollars:,.2f}" if abs(dollars) >= Decimal("0.01") or not amount else f"${dollars.quantize(_CENT_MILLIONTH)}"
