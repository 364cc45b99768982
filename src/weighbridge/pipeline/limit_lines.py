"""What replies tell callers of their rate limits at the gateway, in the headers that their SDKs and agents read.

Under the dialect's own names, unless the provider's reply has those: then they are the provider's and pass as they are, and ours
are `x-weighbridge-ratelimit-…`. OpenAI: https://platform.openai.com/docs/guides/rate-limits, Anthropic:
https://docs.anthropic.com/en/api/rate-limits. Google's API has none; its callers get OpenAI's, which are the most widely read.
"""

from __future__ import annotations

from typing import Final

from weighbridge.core.allowances import Measure
from weighbridge.core.clock import NS_PER_MS, utc_from_ns
from weighbridge.core.terms import Dialect
from weighbridge.pipeline.exchange import Exchange

_NAMES: Final = {
    Measure.REQUESTS: "requests",
    Measure.TOKENS: "tokens",
    Measure.INPUT_TOKENS: "input-tokens",
    Measure.OUTPUT_TOKENS: "output-tokens",
}
_THEIRS: Final = b"ratelimit-"
_OPENAI: Final = {
    measure: f"x-ratelimit-limit-{name}: %d\r\nx-ratelimit-remaining-{name}: %d\r\nx-ratelimit-reset-{name}: %b\r\n".encode()
    for measure, name in _NAMES.items()
}
_ANTHROPIC: Final = {
    measure: (
        f"anthropic-ratelimit-{name}-limit: %d\r\nanthropic-ratelimit-{name}-remaining: %d\r\n"
        f"anthropic-ratelimit-{name}-reset: %b\r\n"
    ).encode()
    for measure, name in _NAMES.items()
}
_OURS: Final = {measure: lines.replace(b"x-", b"x-weighbridge-") for measure, lines in _OPENAI.items()}
_DIALECT_OF_DATES: Final = Dialect.ANTHROPIC


def limit_lines(exchange: Exchange, reply_lines: bytes) -> bytes:
    """Header lines, for each measure of the limit that has the least left. `reply_lines` are those of the provider's."""
    account = exchange.account
    if account.refused is not None:
        found = {account.refused[0].measure: account.refused}
    else:
        found = {}
        for limit, draw in zip(account.accounts.limits, account.draws, strict=False):
            measure = limit.measure
            if measure not in found or draw.left < found[measure][1].left:
                found[measure] = (limit, draw)
    words = _OPENAI
    if _THEIRS in reply_lines:
        words = _OURS
    elif exchange.dialect is _DIALECT_OF_DATES:
        words = _ANTHROPIC
    lines = b""
    for measure, (limit, draw) in found.items():
        if measure in words:
            when = _date(exchange.start_wall_ns + draw.full_ns) if words is _ANTHROPIC else _duration(draw.full_ns)
            left = draw.left
            lines += words[measure] % (limit.burst, max(0, left), when)
    return lines


def _date(wall_ns: int) -> bytes:
    """As Anthropic writes it (RFC 3339)."""
    return utc_from_ns(wall_ns).isoformat(timespec="seconds").replace("+00:00", "Z").encode()


def _duration(ns: int) -> bytes:
    """As OpenAI writes it: `6ms`, `1.5s`, `1m30s`, `2h0m0s`."""
    milliseconds = -(-ns // NS_PER_MS)
    if milliseconds < _MS_PER_S:
        return b"%dms" % milliseconds
    seconds = milliseconds // _MS_PER_S
    if seconds < 60:
        rest = milliseconds % _MS_PER_S
        return b"%d.%03ds" % (seconds, rest) if rest else b"%ds" % seconds
    minutes, seconds = divmod(seconds, 60)
    return b"%dm%ds" % (minutes, seconds) if minutes < 60 else b"%dh%dm%ds" % (*divmod(minutes, 60), seconds)


_MS_PER_S: Final = 1_000
