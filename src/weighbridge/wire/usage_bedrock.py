"""Bedrock's `TokenUsage` as a `Usage`: its input is without what the cache had to do with, as Anthropic's is.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
"""

from __future__ import annotations

from typing import Final

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.core.terms import NO_USAGE, Provenance, Usage
from weighbridge.wire.tolerant_decoder import tolerant_decoder
from weighbridge.wire.usage import Count


class BedrockCacheDetail(msgspec.Struct, rename="camel", gc=False):
    """Cache writes of one life time (`5m`, `1h`)."""

    ttl: str | None = None
    input_tokens: Count = None


class BedrockUsage(msgspec.Struct, rename="camel", gc=False):
    """`usage` of a reply, and of the `metadata` event of a stream."""

    input_tokens: Count = None
    output_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_write_input_tokens: Count = None
    cache_details: list[BedrockCacheDetail] | None = None


def from_bedrock(usage: BedrockUsage) -> Usage:
    """Bedrock's counts, which are disjoint already; writes of an hour are told apart where the reply tells them apart."""
    if usage.input_tokens is None and usage.output_tokens is None:
        return NO_USAGE
    written, hour = usage.cache_write_input_tokens, 0
    provenance = Provenance.REPORTED
    if usage.cache_details:
        hour = sum(detail.input_tokens or 0 for detail in usage.cache_details if detail.ttl == "1h")
        listed = sum(detail.input_tokens or 0 for detail in usage.cache_details)
        if written is None:
            written = listed
        elif written != listed:
            hour, provenance = min(hour, written), Provenance.DERIVED
    return Usage(
        usage.input_tokens or 0,
        usage.cache_read_input_tokens or 0,
        (written or 0) - hour,
        hour,
        usage.output_tokens or 0,
        provenance=provenance,
    )


_salvage: Final = tolerant_decoder(BedrockUsage)


def read_bedrock_usage(value: object) -> Usage:
    """The `usage` of a decoded reply; `NO_USAGE` for what is none."""
    if not isinstance(value, dict):
        return NO_USAGE
    try:
        return from_bedrock(msgspec.convert(value, BedrockUsage))
    except msgspec.ValidationError:
        return from_bedrock(_salvage(encode_json(value)))
