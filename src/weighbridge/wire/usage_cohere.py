"""Cohere's `usage` as a `Usage`: its tokens of input contain the cached ones, its tokens of output the reasoning.

https://docs.cohere.com/reference/chat (usage). `billed_units` are smaller, since Cohere does not bill the words that it puts
around a prompt itself; they are what remains where an older model reports no tokens.
"""

from __future__ import annotations

from typing import Final

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.core.terms import NO_USAGE, Provenance, Usage
from weighbridge.wire.tolerant_decoder import tolerant_decoder
from weighbridge.wire.usage import Count


class CohereTokens(msgspec.Struct, gc=False):
    """`tokens` and `billed_units`. Image tokens are not read: recorded replies count them in neither total."""

    input_tokens: Count = None
    output_tokens: Count = None
    reasoning_tokens: Count = None


class CohereUsage(msgspec.Struct, gc=False):
    """`usage` of a reply, and of the `message-end` event of a stream."""

    tokens: CohereTokens | None = None
    billed_units: CohereTokens | None = None
    cached_tokens: Count = None


def from_cohere(usage: CohereUsage) -> Usage:
    """Cohere's counts made disjoint. Parts that exceed their total are cut, and then the counts are derived."""
    tokens = usage.tokens
    if tokens is None or (tokens.input_tokens is None and tokens.output_tokens is None):
        tokens = usage.billed_units
    if tokens is None or (tokens.input_tokens is None and tokens.output_tokens is None):
        return NO_USAGE
    total_input, output = tokens.input_tokens or 0, tokens.output_tokens or 0
    cached, reasoning = usage.cached_tokens or 0, tokens.reasoning_tokens or 0
    is_exact = cached <= total_input and reasoning <= output and tokens is usage.tokens
    cached = min(cached, total_input)
    return Usage(
        total_input - cached,
        cached,
        0,
        0,
        output,
        min(reasoning, output),
        provenance=Provenance.REPORTED if is_exact else Provenance.DERIVED,
    )


_salvage: Final = tolerant_decoder(CohereUsage)


def read_cohere_usage(value: object) -> Usage:
    """The `usage` of a decoded reply; `NO_USAGE` for what is none."""
    if not isinstance(value, dict):
        return NO_USAGE
    try:
        return from_cohere(msgspec.convert(value, CohereUsage))
    except msgspec.ValidationError:  # Cohere documents its counts as numbers, not integers
        return from_cohere(_salvage(encode_json(value)))
