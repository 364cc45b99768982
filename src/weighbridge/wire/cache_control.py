"""Marks of cached prefixes: Anthropic's, which many gateways and providers take in OpenAI's chat format as well, and OpenAI's.

Times to live differ. Anthropic and Bedrock know `5m` and `1h` (https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching),
OpenAI `30m`, which is what no time means, and `12h` (https://platform.openai.com/docs/guides/prompt-caching).
"""

from __future__ import annotations

from typing import Final

from weighbridge.wire.conversation import CacheBreakpoint
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.receipt import Receipt

_SECONDS: Final = {"5m": 300, "30m": 1_800, "1h": 3_600, "12h": 43_200}
_ANTHROPIC: Final = ("5m", "1h")
_OPENAI: Final = ("30m", "12h")


def read_cache(value: Json) -> CacheBreakpoint | None:
    """A `cache_control`, or OpenAI's `prompt_cache_breakpoint`, that is well formed enough to have a meaning."""
    if not isinstance(value, dict):
        return None
    ttl = value.get("ttl")
    return CacheBreakpoint(ttl if isinstance(ttl, str) else None)


def write_cache(cache: CacheBreakpoint, path: str, receipt: Receipt) -> JsonObject:
    """A `cache_control` for the breakpoint at `path`."""
    ttl = anthropic_ttl(cache, path, receipt)
    return {"type": "ephemeral"} if ttl is None else {"type": "ephemeral", "ttl": ttl}


def anthropic_ttl(cache: CacheBreakpoint, path: str, receipt: Receipt) -> str | None:
    """A time to live that Anthropic and Bedrock take: the shortest that is as long as the wish, or the longest.

    What is nobody's goes as it is, for them to refuse.
    """
    wanted = cache.ttl
    if wanted is None or wanted in _ANTHROPIC or wanted not in _SECONDS:
        return wanted
    longer = [ttl for ttl in _ANTHROPIC if _SECONDS[ttl] >= _SECONDS[wanted]]
    if longer:
        receipt.mapped(f"{path}.ttl", f"{longer[0]} for {wanted}")
        return longer[0]
    receipt.widened(f"{path}.ttl", f"{_ANTHROPIC[-1]} for {wanted}")
    return _ANTHROPIC[-1]


def write_breakpoint(cache: CacheBreakpoint, path: str, receipt: Receipt) -> JsonObject:
    """A `prompt_cache_breakpoint`. Anthropic's times become what no time means: twelve hours for one would cost what nobody asked
    for."""
    if cache.ttl in _OPENAI:
        return {"mode": "explicit", "ttl": cache.ttl}
    if cache.ttl is not None:
        receipt.mapped(f"{path}.ttl", "the provider's own time to live")
    return {"mode": "explicit"}
