"""Counters and histograms as whole numbers by their labels, told to prometheus-client when it asks.

Its own take a lock and several checks for each number, and look their labels up anew each time: 24 µs of a Record's, where these
take 6. What is summed up stays whole (nano-dollars, nanoseconds) until it is told, so that a sum is exact however long it grows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from threading import Lock

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

Labels = tuple[str, ...]
"""Values in the order of a series' labels."""


class CounterSeries:
    """Sums by labels; `per` parts are one of what is told."""

    __slots__ = ("_labels", "_name", "_per", "_sums", "_text")

    def __init__(self, name: str, text: str, labels: Sequence[str], per: int = 1) -> None:
        self._name, self._text, self._labels, self._per = name, text, tuple(labels), per
        self._sums: dict[Labels, int] = {}

    def add(self, labels: Labels, amount: int = 1) -> None:
        """So many parts more."""
        sums = self._sums
        sums[labels] = sums.get(labels, 0) + amount

    def family(self) -> Metric:
        """As Prometheus is told."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for labels, amount in self._sums.items():
            family.add_metric(labels, amount / self._per)
        return family


class HistogramSeries:
    """How many were at most so large, by labels; `per` parts are one of what is told, `buckets` among it."""

    __slots__ = ("_bounds", "_counts", "_edges", "_labels", "_name", "_per", "_text")

    def __init__(self, name: str, text: str, labels: Sequence[str], buckets: Sequence[float], per: int = 1) -> None:
        self._name, self._text, self._labels, self._per = name, text, tuple(labels), per
        self._bounds = [round(bound * per) for bound in buckets]
        self._edges = [*map(floatToGoString, buckets), "+Inf"]
        self._counts: dict[Labels, list[int]] = {}
        """For each bound how many are in the bucket that ends there, then how many are beyond, then the sum of all."""
        if not labels:
            self._counts[()] = self._nothing()

    def observe(self, labels: Labels, amount: int) -> None:
        """One more, of so many parts."""
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._counts[labels] = self._nothing()
        counts[bisect_left(self._bounds, amount)] += 1
        counts[-1] += amount

    def _nothing(self) -> list[int]:
        return [0] * (len(self._bounds) + 2)

    def family(self) -> Metric:
        """As Prometheus is told."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for labels, counts in self._counts.items():
            buckets = list(zip(self._edges, map(float, accumulate(counts[:-1])), strict=True))
            family.add_metric(labels, buckets, counts[-1] / self._per)
        return family


class SeriesCollector(Collector):
    """Tells series under the lock that whoever counts holds too."""

    def __init__(self, series: Sequence[CounterSeries | HistogramSeries], lock: Lock) -> None:
        self._series = series
        self._lock = lock

    def collect(self) -> Iterator[Metric]:
        """All of them as they are at one time."""
        with self._lock:
            families = [each.family() for each in self._series]
        yield from families
