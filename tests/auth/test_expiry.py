from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.auth.expiry import expiry_wall_ns
from weighbridge.core.clock import NS_PER_S

NOW = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()) * NS_PER_S + 1


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600), (" 1d ", 86_400)]
)
def test_a_duration_counts_from_now_to_the_nanosecond(text, seconds):
    assert expiry_wall_ns(text, NOW) == NOW + seconds * NS_PER_S


@pytest.mark.parametrize("text", ["2027-01-01", "2027-01-01T00:00:00Z", "2027-01-01T05:30:00+05:30", "2027-01-01T00:00:00"])
def test_a_date_is_its_start_in_utc(text):
    assert expiry_wall_ns(text, NOW) == 1_798_761_600 * NS_PER_S


@pytest.mark.parametrize("text", ["0d", "2026-11-23", "1970-01-01", "0001-01-01"])
def test_a_key_cannot_be_made_for_the_past(text):
    with pytest.raises(ValueError, match="past"):
        expiry_wall_ns(text, NOW)


@pytest.mark.parametrize("text", ["9999-12-31", "999999999w"])
def test_a_time_that_the_database_cannot_hold_is_refused(text):
    with pytest.raises(ValueError, match="too far"):
        expiry_wall_ns(text, NOW)


@given(st.text(max_size=40))
def test_any_text_is_a_time_to_come_or_refused_in_words(text):
    with suppress(ValueError):
        assert NOW < expiry_wall_ns(text, NOW) < 2**63


@pytest.mark.parametrize("text", ["", "soon", "30", "30 d", "-1d", "1y", "2027-13-01", "٣d x"])
def test_what_is_no_time_is_refused_with_the_forms_that_are(text):
    with pytest.raises(ValueError, match="30d"):
        expiry_wall_ns(text, NOW)
