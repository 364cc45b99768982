from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from weighbridge.limits.leases import LeaseWant, NoLessor, grant_of, is_short

AMOUNTS = st.integers(0, 2**62)


@given(st.integers(-(2**62), 2**62), AMOUNTS, st.booleans())
def test_nobody_gets_more_than_is_free(free, amount, is_modest):
    granted = grant_of(free, LeaseWant("c", 1, amount, is_modest))
    assert 0 <= granted <= max(0, free)


@given(AMOUNTS, AMOUNTS)
def test_what_fits_is_given_whole_and_an_eighth_at_least(free, amount):
    granted = grant_of(free, LeaseWant("c", 1, amount))
    assert granted >= min(free, amount)
    assert granted >= free // 8


@given(AMOUNTS, AMOUNTS)
def test_who_can_do_with_less_leaves_the_most_of_it_to_others(free, amount):
    assert grant_of(free, LeaseWant("c", 1, amount, is_modest=True)) <= free // 4


@given(AMOUNTS, AMOUNTS, st.booleans())
def test_a_host_is_short_where_it_got_less_than_it_can_do_with(free, amount, is_modest):
    want = LeaseWant("c", 1, amount, is_modest)
    granted = grant_of(free, want)
    if free >= amount:
        assert not is_short(granted, want)
    if not granted and amount >= 4:
        assert is_short(granted, want)


def test_a_host_that_has_everything_lacks_nothing():
    assert asyncio.run(NoLessor().ask([LeaseWant("c", 1, 1)])) == ()
