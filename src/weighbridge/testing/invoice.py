"""What a simulated provider bills: exact, in integer nano-dollars, by a price table of its own.

What is billed when something goes wrong:

| what happened | billed |
|---|---|
| refused (4xx, 429, 5xx), hang or close before the head, malformed head | nothing |
| a whole reply, however it is cut or garbled on the wire | everything: it was generated before the head left |
| a stream that is cut, hangs, fails, or whose client leaves | the prompt, and the tokens of the chunks that began to be sent |
| 200 with empty content | the prompt |
"""

from __future__ import annotations

from typing import Final

import msgspec

from weighbridge.core.money import Nanousd
from weighbridge.core.terms import Usage

_TIER_IN_HALVES: Final = {"default": 2, "standard": 2, "auto": 2, "batch": 1, "flex": 1, "priority": 4}


class Prices(msgspec.Struct, frozen=True):
    """Nano-dollars a token, or a piece. Even numbers, so that the half price of a batch is exact."""

    input: int = 1_000
    cache_read: int = 100
    cache_write_5m: int = 1_250
    cache_write_1h: int = 2_000
    output: int = 4_000
    input_audio: int = 6_000
    input_image: int = 2_000
    output_audio: int = 12_000
    output_image: int = 30_000
    tool_call: int = 10_000_000
    audio_second: int = 100_000
    character: int = 15_000


class Bill(msgspec.Struct, frozen=True):
    """What a reply costs if it gets through whole."""

    endpoint: str
    model: str
    usage: Usage
    tier: str = "default"


class LineItem(msgspec.Struct, frozen=True):
    """One billed generation. `request` is its number in the journal."""

    request: int
    endpoint: str
    model: str
    usage: Usage
    tier: str
    amount: Nanousd


class Invoice(msgspec.Struct, frozen=True):
    """All line items in the order in which the exchanges ended."""

    items: tuple[LineItem, ...]

    @property
    def total(self) -> Nanousd:
        """The sum, in nano-dollars."""
        return Nanousd(sum(item.amount for item in self.items))


def amount_of(usage: Usage, prices: Prices, tier: str) -> Nanousd:
    """A usage priced: a dot product, times the tier's factor."""
    at_full_price = (
        usage.input * prices.input
        + usage.cache_read * prices.cache_read
        + usage.cache_write_5m * prices.cache_write_5m
        + usage.cache_write_1h * prices.cache_write_1h
        + usage.output * prices.output
        + usage.input_audio * prices.input_audio
        + usage.input_image * prices.input_image
        + usage.output_audio * prices.output_audio
        + usage.output_image * prices.output_image
        + usage.tool_calls * prices.tool_call
        + usage.audio_ms // 1_000 * prices.audio_second
        + usage.characters * prices.character
    )
    return Nanousd(at_full_price * _TIER_IN_HALVES[tier] // 2)


def up_to_the_cut(usage: Usage, generated: int) -> Usage:
    """The usage of a stream of which only `generated` output tokens began to be sent."""
    output = min(usage.output, generated)
    return msgspec.structs.replace(usage, output=output, reasoning=min(usage.reasoning, output))
