"""When a provider says that it may be asked again: one duration out of the many ways to say so.

https://www.rfc-editor.org/rfc/rfc9110#field.retry-after (seconds or a date); `retry-after-ms` (OpenAI, Azure),
`x-ms-retry-after-ms` (Azure); `x-ratelimit-reset-*` (OpenAI `6m0s`, Groq `2m59.56s`, others seconds, OpenRouter Unix milliseconds);
`anthropic-ratelimit-*-reset` (RFC 3339); Google's `RetryInfo` and "Please try again in 6m11.5s" in the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from weighbridge.core.clock import NS_PER_MS, NS_PER_S

MAX_HINT_NS: Final = 24 * 3600 * NS_PER_S
"""A day: quotas are per day at most, and what says more is a mistake or a date of another kind."""

_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_UNITS_S: Final = (86_400.0, 3600.0, 60.0, 1.0, 0.001)
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
_IN_TEXT: Final = re.compile(
    r"(?:try again|retry)(?: your request)? (?:in|after) ((?:\d+(?:\.\d+)?(?:ms|[dhms]))+|\d+(?:\.\d+)? seconds?)", re.IGNORECASE
)
_EPOCH_S: Final = 1e9
"""A number above is Unix time and no duration: 30 years."""
_EPOCH_MS: Final = 1e12
_HTTP_DATE: Final = "%a, %d %b %Y %H:%M:%S %Z"
_UNIX: Final = datetime(1970, 1, 1, tzinfo=UTC)


def retry_after_ns(headers: Mapping[bytes, bytes], now_wall_ns: int) -> int | None:
    """What the headers of an error say, in nanoseconds from now, or None. `headers` have lower-case names.

    Where several explicit headers disagree the longest counts: Azure sends `retry-after-ms: 0` beside `retry-after: 1`.
    """
    hints = [
        _plain_ms(headers.get(b"retry-after-ms")),
        _plain_ms(headers.get(b"x-ms-retry-after-ms")),
        _moment(headers.get(b"retry-after"), now_wall_ns),
    ]
    given = [hint for hint in hints if hint is not None]
    return _bounded(max(given)) if given else _reset_ns(headers, now_wall_ns)


def _reset_ns(headers: Mapping[bytes, bytes], now_wall_ns: int) -> int | None:
    """When the limits that are used up are refilled; where none says that it is used up, the soonest refill."""
    used_up: list[int] = []
    others: list[int] = []
    for name, value in headers.items():
        if b"ratelimit" not in name or b"reset" not in name:
            continue
        reset = _moment(value, now_wall_ns)
        if reset is not None:
            remaining = headers.get(name.replace(b"reset", b"remaining"), b"").strip()
            (used_up if remaining in (b"0", b"0.0") else others).append(reset)
    if used_up:
        return _bounded(max(used_up))
    return _bounded(min(others)) if others else None


def duration_ns(text: str) -> int | None:
    """`17s`, `6m0s`, `1h2m3.5s`, `17ms` or a bare number of seconds; None for what is no duration."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return int(float(text) * NS_PER_S)
    found = _DURATION.fullmatch(text)
    if found is None or not text:
        return None
    return int(sum(float(number) * unit for number, unit in zip(found.groups(), _UNITS_S, strict=True) if number) * NS_PER_S)


def hint_in_text_ns(message: str) -> int | None:
    """The wait that a sentence names (OpenAI, Groq, Gemini), or None."""
    found = _IN_TEXT.search(message)
    if found is None:
        return None
    hint = duration_ns(found[1].partition(" ")[0])
    return None if hint is None else _bounded(hint)


def _plain_ms(value: bytes | None) -> int | None:
    if value is None or not _NUMBER.fullmatch(text := value.decode("latin-1").strip()):
        return None
    return int(float(text) * NS_PER_MS)


def _moment(value: bytes | None, now_wall_ns: int) -> int | None:
    """A duration, Unix time, RFC 3339 or an HTTP date as nanoseconds from now; past ones are 0."""
    if value is None:
        return None
    text = value.decode("latin-1").strip()
    if _NUMBER.fullmatch(text):
        number = float(text)
        if number < _EPOCH_S:
            return int(number * NS_PER_S)
        return max(0, int(number * (NS_PER_MS if number >= _EPOCH_MS else NS_PER_S)) - now_wall_ns)
    if (duration := duration_ns(text)) is not None:
        return duration
    date = _date(text)
    return None if date is None else max(0, int((date - _UNIX).total_seconds() * NS_PER_S) - now_wall_ns)


def _date(text: str) -> datetime | None:
    try:
        # `%Z` takes "GMT" and leaves the date naive; so is an RFC 3339 date without a zone. Both mean UTC.
        date = datetime.fromisoformat(text) if text[:4].isdigit() else datetime.strptime(text, _HTTP_DATE)  # noqa: DTZ007
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def _bounded(hint_ns: int) -> int:
    return min(hint_ns, MAX_HINT_NS)
