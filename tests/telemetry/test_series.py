from __future__ import annotations

from threading import Lock

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from weighbridge.telemetry.series import CounterSeries, HistogramSeries, SeriesCollector

LABELS = st.tuples(st.text(max_size=4), st.sampled_from(["a", "b"]))
BUCKETS = (0.001, 0.25, 1.0, 4.0)


def told(registry):
    """Every sample, as a Prometheus reads them."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def registry_of(*series):
    registry = CollectorRegistry()
    registry.register(SeriesCollector(series, Lock()))
    return registry


@given(st.lists(st.tuples(LABELS, st.integers(0, 10**6))))
def test_a_counter_tells_what_the_librarys_own_would(added):
    series, registry = CounterSeries("n", "How many", ("one", "two")), CollectorRegistry()
    own = Counter("n", "How many", ("one", "two"), registry=registry)
    for labels, amount in added:
        series.add(labels, amount)
        own.labels(*labels).inc(amount)
    assert told(registry_of(series)) == told(registry)


@given(st.lists(st.tuples(LABELS, st.integers(0, 6_000) | st.sampled_from([1, 250, 1_000, 4_000]))))
def test_a_histogram_tells_what_the_librarys_own_would(observed):
    series, registry = HistogramSeries("t", "How long", ("one", "two"), BUCKETS, per=1_000), CollectorRegistry()
    own = Histogram("t", "How long", ("one", "two"), buckets=BUCKETS, registry=registry)
    exact = {}
    for labels, milliseconds in observed:
        series.observe(labels, milliseconds)
        own.labels(*labels).observe(milliseconds / 1_000)
        exact[labels] = exact.get(labels, 0) + milliseconds
    ours, theirs = told(registry_of(series)), told(registry)
    sums = {key: ours.pop(key) for key in [*ours] if key[0] == "t_sum"}
    assert ours == {key: value for key, value in theirs.items() if key[0] != "t_sum"}
    # Theirs is a sum of floats.
    assert sorted(sums.values()) == sorted(value / 1_000 for value in exact.values())


def test_a_sum_stays_exact_however_long_it_grows():
    series = CounterSeries("usd", "Dollars", (), per=10**9)
    for _ in range(10):
        series.add((), 2**53 + 1)
    assert told(registry_of(series)) == {("usd_total", ()): (10 * (2**53 + 1)) / 10**9}


def test_a_histogram_without_labels_is_told_from_the_start():
    assert told(registry_of(HistogramSeries("t", "How long", (), BUCKETS)))[("t_count", ())] == 0


def test_openmetrics_is_spoken_too():
    series = HistogramSeries("t", "How long", (), BUCKETS)
    series.observe((), 3)
    text = generate_openmetrics(registry_of(series, CounterSeries("n", "How many", ()))).decode()
    assert 't_bucket{le="4.0"} 1.0' in text
    assert text.endswith("# EOF\n")
