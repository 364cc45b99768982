from __future__ import annotations

import copy
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.routing.conftest import NOW, Request, candidate

from weighbridge.core.clock import SystemRng
from weighbridge.core.routes import RouteTarget
from weighbridge.core.terms import DataDemand, DataTerms
from weighbridge.routing.decide import Wishes, decide, rehearsal
from weighbridge.routing.members import Branch, Preferences
from weighbridge.routing.strategies import STRATEGIES

NO_WISHES = Wishes()
FULL = os.environ.get("WEIGHBRIDGE_PROOF") == "full"


def names(order):
    return [member.id for member in order]


@pytest.fixture
def decided(branch_of, request_of, rng):
    def of(*members, wishes=NO_WISHES, request=None, **branch):
        return names(decide(branch_of(*members, **branch), request or request_of(), wishes, rng, NOW))

    return of


# --- who is well


def test_those_that_are_not_well_come_last_the_soonest_first(make, decided):
    members = [make("a/m", retry_at_ns=NOW + 9), make("b/m", retry_at_ns=NOW + 5), make("c/m"), make("d/m", is_probing=True)]
    assert decided(*members) == ["c/m", "b/m", "a/m", "d/m"]


def test_where_nobody_is_well_the_soonest_is_tried(make, decided):
    assert decided(make("a/m", retry_at_ns=NOW + 9), make("b/m", retry_at_ns=NOW + 5)) == ["b/m", "a/m"]


def test_who_is_due_again_has_its_place_back(make, decided):
    assert decided(make("a/m", retry_at_ns=NOW), make("b/m")) == ["a/m", "b/m"]


def test_no_weight_means_only_when_all_others_have_failed(make, decided):
    assert decided(make("a/m", weight=0), make("b/m"), make("c/m")) == ["b/m", "c/m", "a/m"]
    assert decided(make("a/m", weight=0)) == ["a/m"]


def test_a_deployment_that_is_named_twice_is_tried_once(make, decided, branch_of):
    one = make("a/m")
    assert decided(one, make("b/m"), branch_of(one, make("c/m"), name="inner")) == ["a/m", "b/m", "c/m"]


def test_a_route_within_a_route_stands_in_its_place(make, decided, branch_of):
    inner = branch_of(make("b/m"), make("c/m", retry_at_ns=NOW + 1), name="inner")
    assert decided(make("a/m"), inner, make("d/m")) == ["a/m", "b/m", "d/m", "c/m"]


# --- who may not


def test_a_target_whose_condition_does_not_hold_is_no_candidate(make, decided, request_of):
    spec = RouteTarget(when="tools")
    conditional = make("a/m", condition=lambda traits: traits.values({"tools"})["tools"], spec=spec)
    assert decided(conditional, make("b/m"), request=request_of(values={"tools": True})) == ["a/m", "b/m"]
    lost = []
    assert decided(conditional, make("b/m"), request=request_of(values={"tools": False}), wishes=Wishes(lost=lost)) == ["b/m"]
    assert [(each.id, reason) for each, reason in lost] == [("a/m", "condition does not hold: tools")]


def test_a_route_whose_condition_does_not_hold_takes_its_targets_with_it(make, decided, branch_of):
    inner = branch_of(make("b/m"), make("c/m"), name="inner", condition=lambda _: False)
    lost = []
    assert decided(make("a/m"), inner, wishes=Wishes(lost=lost)) == ["a/m"]
    assert names(each for each, _ in lost) == ["b/m", "c/m"]


def test_data_never_goes_where_it_may_not(make, decided):
    eu = make("eu/m", terms=DataTerms("eu-west-1", zdr=True))
    members = [make("us/m", terms=DataTerms("us-east-1", zdr=True)), make("silent/m"), eu]
    lost = []
    assert decided(*members, wishes=Wishes(DataDemand(("eu",), zdr=True), lost=lost)) == ["eu/m"]
    assert {each.id: reason for each, reason in lost}["silent/m"] == "region 'not declared' is none of eu"
    eu.live.retry_at_ns = NOW + 10**12
    assert decided(*members, wishes=Wishes(DataDemand(("eu",)))) == ["eu/m"]
    assert decided(*members, wishes=Wishes(DataDemand(("cn",)))) == []


# --- what the request prefers


@pytest.mark.parametrize(
    ("preferences", "order"),
    [
        (Preferences(), ["a/m", "b/m", "b/n", "c/m"]),
        (Preferences(order=("c", "b/n")), ["c/m", "b/n", "a/m", "b/m"]),
        (Preferences(order=("c", "b"), allow_fallbacks=False), ["c/m", "b/m", "b/n"]),
        (Preferences(only=("b",)), ["b/m", "b/n"]),
        (Preferences(only=("b/n", "a")), ["a/m", "b/n"]),
        (Preferences(ignore=("b", "c/m")), ["a/m"]),
        (Preferences(sort="price"), ["b/m", "b/n", "a/m", "c/m"]),
        (Preferences(sort="latency"), ["c/m", "a/m", "b/m", "b/n"]),
        (Preferences(sort="throughput"), ["c/m", "a/m", "b/m", "b/n"]),
        (Preferences(max_input_rate=2.0), ["b/m", "b/n"]),
        (Preferences(max_output_rate=9.0), ["a/m", "b/m"]),
        (Preferences(allow_fallbacks=False), ["a/m"]),
    ],
)
def test_what_a_request_prefers(make, decided, preferences, order):
    members = [
        make("a/m", input_rate=5.0, output_rate=5.0, total_ns=2e9),
        make("b/m", input_rate=1.0, output_rate=1.0),
        make("b/n", input_rate=2.0, output_rate=10.0),
        make("c/m", first_token_ns=1e9),
    ]
    assert decided(*members, wishes=Wishes(None, preferences)) == order


# --- laws

LEAVES = st.builds(
    dict,
    weight=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    in_flight=st.integers(0, 9),
    total_ns=st.sampled_from([0.0, 1e9]),
    retry_at_ns=st.sampled_from([0, NOW - 1, NOW + 5, NOW + 9]),
    is_probing=st.booleans(),
    pace=st.sampled_from([0.1, 1.0]),
    terms=st.sampled_from([None, DataTerms("eu"), DataTerms("us", zdr=True)]),
    input_rate=st.sampled_from([1.0, float("inf")]),
    output_rate=st.sampled_from([2.0, float("inf")]),
)
TREES = st.recursive(
    st.tuples(st.just("leaf"), st.integers(0, 6), LEAVES),
    lambda inner: st.tuples(st.sampled_from(list(STRATEGIES)), st.lists(inner, min_size=1, max_size=4), st.booleans()),
    max_leaves=10,
)
REQUESTS = st.builds(Request, is_stream=st.booleans(), sticky=st.sampled_from([b"", b"ann"]), prefixes=st.just([b"x"]))
WISHES = st.builds(
    dict,
    demand=st.sampled_from([None, DataDemand(("eu",)), DataDemand(zdr=True)]),
    preferences=st.sampled_from([None, Preferences(ignore=("p3",)), Preferences(sort="price")]),
)


def built(tree, live):
    kind, first, second = tree
    if kind == "leaf":
        return live.setdefault(first, candidate(f"p{first}/m", **second))
    members = [built(inner, live) for inner in first]
    return Branch("b", members, STRATEGIES[kind](), condition=None if second else lambda _: len(members) != 2)


def leaves(member):
    return [leaf for inner in member.members for leaf in leaves(inner)] if isinstance(member, Branch) else [member]


@given(TREES.filter(lambda tree: tree[0] != "leaf"), REQUESTS, WISHES, st.integers(0, 999))
def test_a_decision_is_complete_without_repetition_and_puts_the_well_first(tree, request_, wishes, seed):
    root = built(tree, {})
    lost = []
    order = decide(root, request_, Wishes(**wishes, lost=lost), SystemRng(seed), NOW)
    assert len(set(names(order))) == len(order)
    assert set(order) | {each for each, _ in lost} == set(leaves(root))
    well = [each.live.retry_at_ns <= NOW and not each.live.is_probing for each in order]
    assert well == sorted(well, reverse=True)
    soonest = [each.live.retry_at_ns for each in order if each.live.retry_at_ns > NOW and not each.live.is_probing]
    assert soonest == sorted(soonest)


@pytest.mark.slow
@settings(max_examples=10_000 if FULL else 300, deadline=None)
@given(TREES.filter(lambda tree: tree[0] != "leaf"), REQUESTS, WISHES, st.integers(0, 999), st.integers(1, 5))
def test_a_rehearsal_tells_the_next_decision_and_changes_nothing(tree, request_, wishes, seed, times):
    root, rng = built(tree, {}), SystemRng(seed)
    for _ in range(times):
        told = decide(rehearsal(root), request_, Wishes(**wishes, lost=[]), copy.deepcopy(rng), NOW)
        again = decide(rehearsal(root), request_, Wishes(**wishes), copy.deepcopy(rng), NOW)
        assert names(told) == names(again) == names(decide(root, request_, Wishes(**wishes), rng, NOW))
