"""Prices as operators write them: of models that no list has, discounts, and prices of their own."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from weighbridge.config.fields import Expiry
from weighbridge.config.section import Section, fault

_PERCENT: Final = re.compile(r"([0-9]{1,2}(?:\.[0-9]{1,4})?)%")


def _dollars(value: object) -> Decimal:
    return _number(value.removeprefix("$") if isinstance(value, str) else value, 1_000_000, "must be dollars, such as `0.25`")


def _number(value: object, most: int, complaint: str) -> Decimal:
    try:
        number = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or not 0 <= number <= most:
        raise ValueError(complaint)
    return number


def _discount(value: object) -> Decimal:
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a percentage such as `12.5%`")
    return Decimal(found[1]) / 100


def _editor(title: str, pattern: str) -> Any:
    return WithJsonSchema({"title": title, "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": pattern}]})


def _multiple(value: object) -> Decimal:
    return _number(value, 100, "must be a multiple such as `0.5`")


Multiple = Annotated[Decimal, BeforeValidator(_multiple), _editor("multiple", r"^[0-9.]+$|\$\{")]
Dollars = Annotated[Decimal, BeforeValidator(_dollars), _editor("dollars", r"^\$?[0-9.]+$|\$\{")]
Discount = Annotated[Decimal, BeforeValidator(_discount), _editor("percentage", r"^[0-9.]+%$|\$\{")]


class PriceRule(Section):
    """Prices for the models that `match`, in dollars per million tokens if nothing else is said. Of several rules that match, later
    ones go on top."""

    match: Annotated[str, Field(min_length=1, max_length=300)]
    """`provider/model`, with `*` for anything: `openai/gpt-5*`, `local/*`."""
    same_as: Annotated[str, Field(min_length=1, max_length=300)] | None = None
    """Priced like another: `openai/gpt-5`, or a provider alone for the model of the same name there."""
    input: Dollars | None = None
    """Input that is neither read from a cache nor written to one."""
    cache_read: Dollars | None = None
    """Input read from the prompt cache."""
    cache_write: Dollars | None = None
    """Input written to it for five minutes."""
    cache_write_1h: Dollars | None = None
    """Input written to it for an hour."""
    output: Dollars | None = None
    """Output, reasoning included."""
    request: Dollars | None = None
    """Dollars for each request; of a ranking that is billed by units (Cohere's), for each unit."""
    audio_hour: Dollars | None = None
    """Dollars for an hour of audio that is heard."""
    characters: Dollars | None = None
    """For a million characters that are spoken."""
    discount: Discount | None = None
    """Off what is listed, or off the prices of this rule."""
    tiers: dict[Annotated[str, Field(min_length=1, max_length=100)], Multiple] = Field({})
    """What a service tier costs, as a multiple of these prices or of those that are listed: `{batch: 0.5, priority: 2}`. Prices of
    your own have no tiers but these."""
    regions: dict[Annotated[str, Field(min_length=1, max_length=100)], Discount] = Field({})
    """What serving in a region costs more, by its name or a pattern: `{us: 10%, 'eu-*': 10%}`. It is the one that the provider
    names in its reply (Anthropic), else the provider's `region`."""
    starting: Expiry | None = Field(None, alias="from")
    """When it begins to count. Always if not given."""

    @model_validator(mode="after")
    def _says_something(self) -> PriceRule:
        pieces = (self.request, self.audio_hour, self.characters)
        own = (self.input, self.output, self.cache_read, self.cache_write, self.cache_write_1h, *pieces)
        has_own, has_pieces = (any(value is not None for value in values) for values in (own, pieces))
        if not (has_own or self.regions or self.tiers) and self.discount is None and self.same_as is None:
            raise fault("match", "comes without a price, a `discount`, `tiers`, `same_as` or `regions`")
        if has_own and not has_pieces and (self.input is None or self.output is None):
            raise fault("match", "needs both `input` and `output`")
        return self
