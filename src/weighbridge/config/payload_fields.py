"""Payloads as operators write it: of which requests it is kept what was asked and answered, for how long, and what is taken out."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, field_validator

from weighbridge.config.fields import Days, RouteName, Size
from weighbridge.config.section import Section, written
from weighbridge.core.payloads import PayloadRules

_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,4})?)%")
_PPM: Final = 10_000
"""Of a per cent."""
_MOST_BYTES: Final = 16 * 1024 * 1024
_MAX_PATTERN: Final = 500
Redacted = Literal["secrets", "media", "emails", "cards", "ibans"]


def _share(value: object) -> int:
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    share = Decimal(found[1]) * _PPM if found is not None else Decimal(-1)
    if not 0 < share <= 100 * _PPM:
        raise ValueError("must be a percentage such as `5%`, more than nothing and at most `100%`")
    return int(share)


def _pattern(text: str) -> str:
    try:
        compiled = re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression ({error})") from None
    if compiled.match(""):
        raise ValueError("must not fit an empty text")
    return text


Share = Annotated[
    int, BeforeValidator(_share), WithJsonSchema({"title": "percentage", "type": "string", "pattern": r"^[0-9.]+%$|\$\{"})
]
Pattern = Annotated[str, Field(min_length=1, max_length=_MAX_PATTERN), AfterValidator(_pattern)]


class Payloads(Section):
    """What was asked and answered is kept, in the gateway's database, for whoever may read it. Nothing of it if not given."""

    keep: Days
    """For how long."""
    share: Share = written("100%")
    """Of how many requests, by chance."""
    routes: list[RouteName] = []
    """Only of these routes; of all, and of models that are asked for directly, if empty."""
    teams: list[str] = []
    """Only of keys of these teams; of all if empty."""
    max_size: Size = written("256kB")
    """Of a request, and of a reply: what is longer is kept up to there."""
    redact: list[Redacted] = ["secrets", "media"]
    """What is taken out before it is kept: API keys and tokens, base64 (images, sound), e-mail addresses, cards, IBANs."""
    patterns: Annotated[list[Pattern], Field(max_length=50)] = []
    """Regular expressions of your own for what is to be taken out, too."""

    @field_validator("max_size")
    @classmethod
    def _is_bounded(cls, value: int) -> int:
        if value > _MOST_BYTES:
            raise ValueError("must be at most `16MB`")
        return value

    def rules(self) -> PayloadRules:
        """As workers take it."""
        return PayloadRules(self.share, frozenset(self.routes), frozenset(self.teams), self.max_size)
