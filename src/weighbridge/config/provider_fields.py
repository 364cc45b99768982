"""Kinds of values that only a provider's entry has: parts of a cloud's addresses, formats, quirks."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from weighbridge.config.fields import Duration
from weighbridge.config.problems import did_you_mean
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.terms import WireFormat
from weighbridge.wire.quirks import Quirks

_PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""Names of regions, projects, resources and versions; nothing that could lead a URL to another host."""

_SHORTEST_PROBE_NS: Final = 5 * NS_PER_S
"""Vendors limit the rate of their lists, too."""
_LONGEST_PROBE_NS: Final = 86_400 * NS_PER_S


def _url_part(text: str) -> str:
    if not _PART.fullmatch(text):
        raise ValueError("has 1 to 128 letters, digits, `.`, `_` and `-`")
    return text


def _format(value: object) -> WireFormat:
    if isinstance(value, WireFormat):
        return value
    try:
        return WireFormat(str(value))
    except ValueError:
        raise ValueError(f"must be one of {', '.join(WireFormat)}") from None


def _quirks(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be a mapping of quirks")  # noqa: TRY004 - pydantic takes it for a bug
    return {str(name): _quirk(str(name), given) for name, given in value.items()}


def _quirk(name: str, given: object) -> object:
    if name not in Quirks.__struct_fields__:
        hint = did_you_mean(name, Quirks.__struct_fields__)
        raise ValueError(f"knows no `{name}`" + (f"; {hint}" if hint else ""))
    try:
        # Not strict: after `${…}` was replaced, numbers come as text.
        return getattr(msgspec.convert({name: given}, Quirks, strict=False), name)
    except msgspec.ValidationError:
        # Its own text quotes the value.
        raise ValueError(f"has a value for `{name}` that it cannot have") from None


def _probe(value: int) -> int:
    if not _SHORTEST_PROBE_NS <= value <= _LONGEST_PROBE_NS:
        raise ValueError("must be between `5s` and `1d`")
    return value


ProbeInterval = Annotated[Duration, AfterValidator(_probe)]
UrlPart = Annotated[str, AfterValidator(_url_part), WithJsonSchema({"title": "text", "type": "string"})]
FormatName = Annotated[
    WireFormat,
    BeforeValidator(_format),
    WithJsonSchema({"title": "format", "type": "string", "enum": [str(f) for f in WireFormat]}),
]
QuirkValues = Annotated[
    dict[str, Any],
    BeforeValidator(_quirks),
    WithJsonSchema(
        {
            "title": "mapping",
            "type": "object",
            "properties": {name: {} for name in Quirks.__struct_fields__},
            "additionalProperties": False,
        }
    ),
]
