from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.clock import NS_PER_MS, NS_PER_S
from weighbridge.wire.retry_hints import MAX_HINT_NS, duration_ns, hint_in_text_ns, retry_after_ns

NOW = 1_800_000_000 * NS_PER_S  # 2027-01-15 08:00:00 UTC


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({b"retry-after": b"20"}, 20),
        ({b"retry-after": b"0.5"}, 0.5),
        ({b"retry-after": b"Fri, 15 Jan 2027 08:00:30 GMT"}, 30),
        ({b"retry-after": b"Fri, 15 Jan 2027 07:59:30 GMT"}, 0),
        ({b"retry-after-ms": b"1500"}, 1.5),
        ({b"x-ms-retry-after-ms": b"250"}, 0.25),
        ({b"retry-after": b"1", b"retry-after-ms": b"0"}, 1),  # Azure, recorded
        ({b"x-ratelimit-reset-requests": b"6m0s"}, 360),
        ({b"x-ratelimit-reset-tokens": b"2m59.56s"}, 179.56),
        ({b"x-ratelimit-reset-requests": b"17ms"}, 0.017),
        ({b"x-ratelimit-reset": b"1800000012000"}, 12),  # OpenRouter: Unix milliseconds
        ({b"x-ratelimit-reset": b"1800000012"}, 12),
        ({b"anthropic-ratelimit-tokens-reset": b"2027-01-15T08:01:00Z"}, 60),
        ({b"anthropic-ratelimit-tokens-reset": b"2027-01-15T09:01:00+01:00"}, 60),
        ({b"retry-after": b"5", b"x-ratelimit-reset-requests": b"60s"}, 5),
    ],
)
def test_each_way_to_say_when(headers, seconds) -> None:
    assert retry_after_ns(headers, NOW) == pytest.approx(seconds * NS_PER_S)


def test_of_several_limits_the_one_that_is_used_up_counts() -> None:
    headers = {
        b"x-ratelimit-remaining-requests": b"0",
        b"x-ratelimit-reset-requests": b"40s",
        b"x-ratelimit-remaining-tokens": b"900",
        b"x-ratelimit-reset-tokens": b"2s",
    }
    assert retry_after_ns(headers, NOW) == 40 * NS_PER_S
    headers[b"x-ratelimit-remaining-requests"] = b"7"
    assert retry_after_ns(headers, NOW) == 2 * NS_PER_S


@pytest.mark.parametrize("value", [b"", b"soon", b"-3", b"1e9", b"\xff", b"Fri, 99 Jan 2027 08:00:30 GMT", b"9999-99-99T00:00:00Z"])
def test_what_makes_no_sense_is_no_hint(value) -> None:
    assert retry_after_ns({b"retry-after": value, b"x-ratelimit-reset": value}, NOW) is None


def test_no_hint_is_longer_than_a_day() -> None:
    assert retry_after_ns({b"retry-after": b"99999999"}, NOW) == MAX_HINT_NS


def test_durations_of_google_and_openai() -> None:
    assert [duration_ns(text) for text in ("26s", "36.5s", "1d2h3m4s", "20", "")] == [
        26 * NS_PER_S,
        36_500 * NS_PER_MS,
        (86_400 + 7200 + 184) * NS_PER_S,
        20 * NS_PER_S,
        None,
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Rate limit reached … Please try again in 6m11.5s. Visit https://x.test", 371.5),
        ("Please retry in 36.429s.", 36.429),
        ("Limit 3, Used 3. Please try again in 20s.", 20),
        ("Please retry after 12 seconds.", 12),
    ],
)
def test_a_sentence_may_name_the_wait(text, seconds) -> None:
    assert hint_in_text_ns(text) == pytest.approx(seconds * NS_PER_S)


def test_a_sentence_without_a_wait_has_no_hint() -> None:
    assert hint_in_text_ns("Please try again in a while.") is None


@given(st.dictionaries(st.sampled_from([b"retry-after", b"retry-after-ms", b"x-ratelimit-reset-tokens"]), st.binary(max_size=30)))
def test_no_header_raises(headers) -> None:
    hint = retry_after_ns(headers, NOW)
    assert hint is None or 0 <= hint <= MAX_HINT_NS
