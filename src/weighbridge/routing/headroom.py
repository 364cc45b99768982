"""How much of a rate limit is left, by the provider's own headers.

OpenAI and those who follow it send `x-ratelimit-limit-requests` and `x-ratelimit-remaining-requests`, and the same for tokens
(https://platform.openai.com/docs/guides/rate-limits); Anthropic `anthropic-ratelimit-tokens-limit` and `…-remaining` for requests,
tokens, input and output tokens (https://docs.anthropic.com/en/api/rate-limits). Gemini and Bedrock send none.
"""

from __future__ import annotations

from typing import Final

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.ports import Headers

VALID_NS: Final = 60 * NS_PER_S
"""Limits are per minute: after that long without an answer nothing is known."""


def headroom(headers: Headers) -> float | None:
    """The share that is left of the limit that is nearest to its end, between 0 and 1; None where the headers name none."""
    remaining = [(name, value) for name, value in headers if b"remaining" in name and b"ratelimit" in name]
    if not remaining:
        return None
    limits = {name: value for name, value in headers if b"limit" in name}
    shares = []
    for name, value in remaining:
        left, limit = _count(value), _count(limits.get(name.replace(b"remaining", b"limit"), b""))
        if left is not None and limit:
            shares.append(min(1.0, left / limit))
    return min(shares) if shares else None


def _count(value: bytes) -> float | None:
    """A number of requests or tokens; None for anything else, `-1` (Azure: no limit) among it."""
    text = value.strip()
    return float(text) if text.replace(b".", b"", 1).isdigit() and len(text) < 20 else None
