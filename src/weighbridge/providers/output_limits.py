"""What models write at most by their vendors' word: `output_limits.toml`, whose head explains the fields."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import resources

import msgspec

from weighbridge.core.model_sizes import SizeRule


class OutputLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row: at these types of the catalogue, models of these names write at most so many `tokens`, as the page `source` says."""

    at: tuple[str, ...]
    models: tuple[str, ...]
    tokens: int
    source: str


@cache
def load_output_limits() -> tuple[OutputLimit, ...]:
    """The rows, in the order of the file."""
    text = resources.files("weighbridge.providers").joinpath("output_limits.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text)["limits"], tuple[OutputLimit, ...])


def vendor_rules(limits: Iterable[OutputLimit], provider: str, provider_type: str) -> Iterable[SizeRule]:
    """What holds at a configured provider of a type of the catalogue, as rules for `provider/model`."""
    for limit in limits:
        if provider_type in limit.at:
            for model in limit.models:
                yield SizeRule(f"{provider}/{model}", max_output_tokens=limit.tokens, source=limit.source)
