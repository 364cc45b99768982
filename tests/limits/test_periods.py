from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from weighbridge.core.allowances import Period
from weighbridge.limits.periods import ALWAYS, span_of, zone

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND
# With the moments around which their clocks or calendars did something unusual.
ODD = {
    "Europe/Berlin": ("2026-03-29T01:00:00", "2026-10-25T01:00:00"),
    "America/New_York": ("2026-03-08T07:00:00", "2026-11-01T06:00:00"),
    "Australia/Lord_Howe": ("2026-04-04T15:00:00", "2026-10-03T15:30:00"),  # by half an hour
    "Africa/Cairo": ("2026-04-23T22:00:00", "2026-10-29T21:00:00"),  # at midnight, which does not come or comes twice
    "America/Havana": ("2026-03-08T05:00:00", "2026-11-01T05:00:00"),
    "America/Sao_Paulo": ("2018-11-04T03:00:00", "2018-02-18T02:00:00"),
    "Pacific/Apia": ("2011-12-30T10:00:00",),  # a day without a Friday
    "Africa/Monrovia": ("1972-01-07T00:44:30",),  # by 44 and a half minutes
    "Asia/Kathmandu": ("1985-12-31T18:30:00",),
    "UTC": ("2024-02-29T00:00:00",),
}


def ns(text, timezone="UTC"):
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(timezone)).timestamp()) * SECOND


def span(period, timezone, moment):
    """A span's ends as its people read them on their clocks."""
    found = span_of(period, timezone, moment)
    return tuple(datetime.fromtimestamp(end // SECOND, ZoneInfo(timezone)).isoformat() for end in found)


around_changes = st.sampled_from(sorted(ODD)).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.builds(
            lambda moment, by: moment + by,
            st.sampled_from([ns(text) for text in ODD[name]]),
            st.one_of(st.integers(-2 * HOUR, 2 * HOUR), st.integers(-40 * 24 * HOUR, 40 * 24 * HOUR)),
        ),
    )
)
anywhere = st.tuples(st.sampled_from(sorted(ODD)), st.integers(0, 4_000_000_000 * SECOND))


@pytest.mark.slow
@given(st.sampled_from(Period), st.one_of(around_changes, anywhere), st.floats(0, 1, exclude_max=True))
@example(Period.HOUR, ("Australia/Lord_Howe", ns("2026-04-04T15:00:00")), 0.5)
@settings(max_examples=1_500, deadline=None)
def test_spans_tile_time_without_gaps_or_overlaps(period, where_and_when, share):
    timezone, moment = where_and_when
    found = span_of(period, timezone, moment)
    start, end = found
    assert start <= moment < end
    for within in (start, end - 1, start + int((end - start - 1) * share)):
        assert span_of(period, timezone, within) == found
    if found != ALWAYS:
        assert span_of(period, timezone, end).start_ns == end
        assert span_of(period, timezone, start - 1).end_ns == start


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        (Period.HOUR, "2026-05-14T15:00:00", "2026-05-14T16:00:00"),
        (Period.DAY, "2026-05-14T00:00:00", "2026-05-15T00:00:00"),
        (Period.WEEK, "2026-05-11T00:00:00", "2026-05-18T00:00:00"),  # a Monday
        (Period.MONTH, "2026-05-01T00:00:00", "2026-06-01T00:00:00"),
    ],
)
@pytest.mark.parametrize("timezone", ["UTC", "Asia/Kathmandu", "America/New_York"])
def test_a_period_begins_where_its_people_are(timezone, period, start, end):
    assert span_of(period, timezone, ns("2026-05-14T15:09:26", timezone)) == (ns(start, timezone), ns(end, timezone))


def test_a_total_never_ends():
    assert span_of(Period.TOTAL, "UTC", 5) == ALWAYS


@pytest.mark.parametrize(
    ("moment", "start", "end"),
    [
        ("2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
        ("2028-02-29T12:00:00", "2028-02-01", "2028-03-01"),
        ("2026-02-28T23:59:59", "2026-02-01", "2026-03-01"),
        ("2026-01-31T00:00:00", "2026-01-01", "2026-02-01"),
    ],
)
def test_months_end_when_they_do(moment, start, end):
    assert span(Period.MONTH, "UTC", ns(moment)) == (f"{start}T00:00:00+00:00", f"{end}T00:00:00+00:00")


@pytest.mark.parametrize(
    ("moment", "monday"), [("2026-05-11T00:00:00", 11), ("2026-05-17T23:59:59", 11), ("2026-05-18T00:00:00", 18)]
)
def test_weeks_begin_on_monday(moment, monday):
    assert span(Period.WEEK, "Europe/Berlin", ns(moment, "Europe/Berlin"))[0] == f"2026-05-{monday}T00:00:00+02:00"


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29T12:00:00", 23), ("2026-10-25T12:00:00", 25), ("2026-10-26T12:00:00", 24)])
def test_a_day_is_as_long_as_its_clocks_make_it(day, hours):
    start, end = span_of(Period.DAY, "Europe/Berlin", ns(day, "Europe/Berlin"))
    assert end - start == hours * HOUR


def test_the_hour_that_comes_twice_is_two_hours():
    first = span_of(Period.HOUR, "Europe/Berlin", ns("2026-10-25T00:30:00"))
    second = span_of(Period.HOUR, "Europe/Berlin", ns("2026-10-25T01:30:00"))
    assert second.start_ns == first.end_ns == first.start_ns + HOUR


def test_a_day_without_its_midnight_begins_at_its_first_moment():
    assert span(Period.DAY, "Africa/Cairo", ns("2026-04-24T12:00:00"))[0] == "2026-04-24T01:00:00+03:00"


def test_a_day_that_was_left_out_has_no_span():
    assert span(Period.DAY, "Pacific/Apia", ns("2011-12-30T09:59:59")) == ("2011-12-29T00:00:00-10:00", "2011-12-31T00:00:00+14:00")


def test_half_an_hour_between_two_clocks_is_an_hour_by_itself():
    assert span(Period.HOUR, "Australia/Lord_Howe", ns("2026-04-04T15:10:00")) == (
        "2026-04-05T01:30:00+10:30",
        "2026-04-05T02:00:00+10:30",
    )
    assert span(Period.HOUR, "Australia/Lord_Howe", ns("2026-10-03T15:45:00")) == (
        "2026-10-04T02:30:00+11:00",
        "2026-10-04T03:00:00+11:00",
    )


def test_a_fraction_of_a_second_belongs_to_its_second():
    start = ns("2026-05-14T15:00:00")
    assert span_of(Period.HOUR, "UTC", start - 1).end_ns == start
    assert datetime.fromtimestamp(start // SECOND, UTC).hour == 15


def test_a_zone_that_is_not_known_is_an_error():
    for name in ("Europe/Atlantis", "../etc/passwd"):
        with pytest.raises((ZoneInfoNotFoundError, ValueError)):
            zone(name)


def test_zones_are_known_on_a_host_that_knows_none():
    script = "from weighbridge.limits.periods import zone; print(zone('Europe/Berlin'), zone('UTC'))"
    environment = {**os.environ, "PYTHONTZPATH": ""}
    said = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True).stdout
    assert said == "Europe/Berlin UTC\n"
