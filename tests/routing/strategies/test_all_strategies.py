"""What every strategy promises."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.routing.conftest import NOW, Request, candidate

from weighbridge.core.clock import SystemRng
from weighbridge.routing.strategies import STRATEGIES

MEMBERS = st.lists(
    st.builds(
        dict,
        weight=st.floats(0.01, 100),
        in_flight=st.integers(0, 50),
        first_token_ns=st.sampled_from([0.0, 1e8, 2e9]),
        total_ns=st.sampled_from([0.0, 1e9]),
        measured_ns=st.integers(0, NOW),
        headroom=st.floats(0, 1),
        headroom_until_ns=st.sampled_from([0, NOW + 1]),
        pace=st.floats(0.1, 1),
        input_rate=st.sampled_from([1.0, 2.5, float("inf")]),
        output_rate=st.sampled_from([10.0, float("inf")]),
    ),
    min_size=2,
    max_size=10,
)
REQUESTS = st.builds(
    Request, is_stream=st.booleans(), sticky=st.binary(max_size=4), prefixes=st.lists(st.binary(min_size=1, max_size=3))
)


@pytest.mark.parametrize("name", STRATEGIES)
@given(facts=MEMBERS, request_=REQUESTS, seed=st.integers(0, 2**32))
def test_an_order_holds_every_member_once_and_repeats_from_its_seed(name, facts, request_, seed):
    members = [candidate(f"p{i}/m", **each) for i, each in enumerate(facts)]
    strategy = STRATEGIES[name]()
    order = copy.copy(strategy).order(members, request_, SystemRng(seed), NOW)
    assert sorted(member.id for member in order) == sorted(member.id for member in members)
    assert [m.id for m in strategy.order(members, request_, SystemRng(seed), NOW)] == [m.id for m in order]
