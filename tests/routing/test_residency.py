from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.terms import DataDemand, DataTerms
from weighbridge.routing.residency import is_within, joined, unmet

REGIONS = st.lists(st.sampled_from(["eu", "us", "eu-west-1", "us-east-1", "europe-west4"]), max_size=2, unique=True).map(tuple)
DEMANDS = st.builds(DataDemand, REGIONS, st.booleans(), st.none() | st.integers(0, 30), st.booleans())
TERMS = st.builds(
    DataTerms,
    st.sampled_from(["", "eu", "eu-west-1", "us-east-1", "europe-west4"]),
    st.none() | st.booleans(),
    st.none() | st.integers(0, 60),
    st.none() | st.booleans(),
)


@pytest.mark.parametrize(
    ("region", "wanted", "inside"),
    [
        ("eu", "eu", True),
        ("eu-west-1", "eu", True),
        ("europe-west4", "eu", True),
        ("EU", "eu", True),
        ("us-east-1", "us", True),
        ("us", "us-east-1", False),
        ("eu", "us", False),
        ("eurasia", "eu", False),
        ("", "eu", False),
    ],
)
def test_a_region_is_within_its_family(region, wanted, inside):
    assert is_within(region, wanted) is inside


@given(TERMS, DEMANDS, DEMANDS)
def test_who_meets_two_demands_together_meets_each(terms, one, other):
    both = joined(one, other)
    if unmet(terms, both) is None:
        assert unmet(terms, one) is None
        assert unmet(terms, other) is None


@given(TERMS, DEMANDS)
def test_nothing_that_was_not_declared_meets_a_demand(terms, demand):
    if not demand.is_empty:
        assert unmet(None, demand) is not None
        assert unmet(DataTerms(), demand) is not None
    else:
        assert unmet(terms, demand) is None


def test_zero_retention_meets_every_bound_on_it():
    assert unmet(DataTerms(zdr=True), DataDemand(max_retention_days=0)) is None
    assert unmet(DataTerms(retention_days=30), DataDemand(max_retention_days=7)) == "retention of 30 days is more than 7 days"


def test_demands_that_exclude_each_other_are_met_by_nobody():
    both = joined(DataDemand(("eu",)), DataDemand(("us",)))
    assert all(unmet(DataTerms(region), both) is not None for region in ("eu", "us", "none-at-all", ""))
