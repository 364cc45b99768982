from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.control.instants import instant_s, rfc3339, rfc3339_ns
from weighbridge.core.errors import GatewayError

NOW_NS = 1_800_000_000_000_000_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("now", 1_800_000_001),
        ("-24h", 1_800_000_000 - 86_400),
        ("-7d", 1_800_000_000 - 7 * 86_400),
        ("-30m", 1_800_000_000 - 1_800),
        ("-4w", 1_800_000_000 - 28 * 86_400),
        ("2026-11-25", 1_795_564_800),
        ("2026-11-25T01:00:00+01:00", 1_795_564_800),
        ("2026-11-25T00:00:00Z", 1_795_564_800),
    ],
)
def test_times_are_absolute_or_relative(text, seconds):
    assert instant_s(text, NOW_NS) == seconds


@pytest.mark.parametrize("text", ["", "yesterday", "-7", "-7y", "2026-13-01", "1960-01-01", "+7d", "-99999999999d"])
def test_anything_else_is_refused_with_a_sentence(text):
    with pytest.raises(GatewayError, match="is no time"):
        instant_s(text, NOW_NS)


@given(st.integers(0, 253_402_300_799))
def test_what_is_written_is_read_back(seconds):
    assert instant_s(rfc3339(seconds), NOW_NS) == seconds
    assert instant_s(rfc3339_ns(seconds * 10**9), NOW_NS) == seconds
