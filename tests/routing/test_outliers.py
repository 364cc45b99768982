from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.clock import NS_PER_S
from weighbridge.routing.outliers import FIRST_EJECTION_NS, LONGEST_EJECTION_NS, Sample, ejection_ns, outliers

GOOD = Sample(100, 1, 0.3 * NS_PER_S, 0.3 * NS_PER_S)


def test_who_fails_far_more_often_than_its_peers_is_one():
    ((index, reason),) = outliers([GOOD, GOOD._replace(failed=60), GOOD])
    assert index == 1
    assert reason == "ejected: 60% of 100 failed, 1% at its peers"


def test_who_is_far_slower_than_its_peers_and_than_itself_is_one():
    slow = GOOD._replace(latency_ns=5.0 * NS_PER_S, usual_ns=0.5 * NS_PER_S)
    assert [index for index, _ in outliers([GOOD, slow])] == [1]
    assert outliers([GOOD, slow._replace(usual_ns=4.0 * NS_PER_S)]) == []  # it always was


def test_where_all_are_bad_nobody_is_worse():
    assert outliers([GOOD._replace(failed=70)] * 3) == []


def test_few_outcomes_say_nothing():
    assert outliers([GOOD, Sample(5, 5, 0, 0)]) == []
    assert outliers([GOOD._replace(failed=90)]) == []


def test_what_chance_brings_about_between_equal_targets_is_none():
    noisy, lucky = Sample(22, 14, 0, 0), Sample(22, 7, 0, 0)  # each fails every second time
    assert outliers([noisy, lucky]) == []
    assert outliers([noisy._replace(volume=110, failed=70), lucky._replace(volume=110, failed=35)]) != []
    assert outliers([Sample(20, 12, 0, 0), Sample(20, 0, 0, 0)]) != []


def test_each_further_ejection_is_longer_up_to_a_bound():
    waits = [ejection_ns(times) for times in range(1, 30)]
    assert waits[0] == FIRST_EJECTION_NS
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_EJECTION_NS


SAMPLES = st.builds(
    lambda volume, share, latency, usual: Sample(volume, int(volume * share), latency, usual),
    st.integers(0, 200),
    st.floats(0, 1),
    st.floats(0, 1e11),
    st.floats(0, 1e11),
)


@given(st.lists(SAMPLES, min_size=2, max_size=8))
def test_who_is_best_in_everything_is_never_one(samples):
    best = Sample(100, 0, 1.0, 1.0)
    assert 0 not in {index for index, _ in outliers([best, *samples])}
    assert {index for index, _ in outliers(samples)} <= {i for i, sample in enumerate(samples) if sample.volume >= 20}
