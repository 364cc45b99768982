from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.config.units import parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("250ms", 250_000_000),
        ("5s", 5_000_000_000),
        ("1.5s", 1_500_000_000),
        ("30m", 1_800_000_000_000),
        ("2h", 7_200_000_000_000),
        ("1d", 86_400_000_000_000),
        ("0s", 0),
    ],
)
def test_durations_are_read_exactly(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["30", "", "s", "-1s", "5 s", "5S", "1h30m", "5sec", "1e3s", "٣s", "31d", "999999999999d"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("value", "n_bytes"), [("64kB", 65_536), ("64KB", 65_536), ("64MB", 67_108_864), ("1GB", 1 << 30), ("7B", 7), ("9", 9), (9, 9)]
)
def test_sizes_count_in_powers_of_1024(value: str | int, n_bytes: int) -> None:
    assert parse_size(value) == n_bytes


@pytest.mark.parametrize("value", ["", "0", 0, -1, "-1kB", "1.5MB", "64 MB", "64mb", "1TB", "2000GB", "kB"])
def test_other_sizes_are_refused(value: str | int) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_size(value)


@given(st.text(max_size=20))
def test_no_text_breaks_the_readers(text: str) -> None:
    for read in (parse_duration, parse_size):
        # Any other exception fails the test.
        with contextlib.suppress(ValueError):
            assert read(text) >= 0
