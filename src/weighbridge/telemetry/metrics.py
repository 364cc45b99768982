"""What Prometheus is told of settled exchanges: counted when they are in the ledger, so that no kill loses or doubles one.

Names follow two conventions: our own (`weighbridge_…`), and OpenTelemetry's for generative AI as Prometheus spells them
(https://github.com/open-telemetry/semantic-conventions-genai, buckets included). Each label takes a bounded number of values, since
callers choose some of them; what comes beyond is `other`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.money import NANO
from weighbridge.core.rates import PriceState
from weighbridge.core.terms import Attempt, Record, Usage
from weighbridge.telemetry.gen_ai import operation_name, provider_name
from weighbridge.telemetry.series import CounterSeries, HistogramSeries, SeriesCollector

OTHER: Final = "other"
"""In place of a value that is one too many."""
EXTRA_LABELS: Final = ("route", "team", "organisation", "user", "key")
"""Labels that an operator may add to requests, tokens and cost."""
DURATION_BUCKETS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKEN_BUCKETS: Final = tuple(float(4**power) for power in range(14))
FIRST_TOKEN_BUCKETS: Final = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
EACH_TOKEN_BUCKETS: Final = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
OVERHEAD_BUCKETS: Final = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)

_MAX_TARGETS: Final = 4_096
"""Whose labels are remembered; callers name some of the models, so that there is no end of them."""
_TARGET: Final = ("provider", "model")
_GEN_AI: Final = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")


class Bound:
    """At most so many values of a label."""

    __slots__ = ("_known", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def of(self, value: str) -> str:
        """The value, or `other`."""
        if value in self._known:
            return value
        if len(self._known) >= self._most:
            return OTHER
        self._known.add(value)
        return value


class _Target(NamedTuple):
    """Who answered, as labels."""

    names: tuple[str, str]
    provider: str
    """OpenTelemetry's word for it."""


class Metrics:
    """Counters and histograms over settled exchanges, in a registry of their own. `labels` are some of `EXTRA_LABELS`."""

    def __init__(self, labels: Sequence[str] = (), max_values: int = 200) -> None:
        self._extra = tuple(name for name in EXTRA_LABELS if name in labels)
        self._bounds = {name: Bound(max_values) for name in (*EXTRA_LABELS, "provider", "model", "credential")}
        self._targets: dict[tuple[str, str], _Target] = {}
        self._lock = Lock()
        self._make_counters()
        self._make_histograms()
        counters = (self._requests, self._tokens, self._cost, self._unknown, self._attempts, self._retries, self._fallbacks)
        histograms = (self._duration, self._overhead, self._operation, self._usage, self._first, self._each)
        self.registry = CollectorRegistry()
        self.registry.register(SeriesCollector((*counters, *histograms), self._lock))

    def _make_counters(self) -> None:
        extra = self._extra
        self._requests = CounterSeries(
            "weighbridge_requests",
            "Requests by who answered, their HTTP status and the kind of their error (empty: none).",
            (*_TARGET, "operation", "dialect", "status", "error_type", *extra),
        )
        self._tokens = CounterSeries(
            "weighbridge_tokens",
            "Tokens of all attempts, by kind: input is what no prompt cache has to do with, reasoning is part of output.",
            (*_TARGET, "kind", *extra),
        )
        self._cost = CounterSeries(
            "weighbridge_cost_usd",
            "What providers charge, in dollars, by what is known of it. The ledger has it in whole nano-dollars.",
            (*_TARGET, "price_state", *extra),
            per=NANO,
        )
        self._unknown = CounterSeries("weighbridge_unknown_costs", "Attempts whose cost nobody knows: they are in no sum.", _TARGET)
        self._attempts = CounterSeries(
            "weighbridge_attempts",
            "Attempts at providers, retries, fallbacks and hedges included.",
            (*_TARGET, "credential", "status", "error_type"),
        )
        same, other = "Attempts that followed one at the same target.", "Attempts that followed one at another target."
        self._retries = CounterSeries("weighbridge_retries", same, _TARGET)
        self._fallbacks = CounterSeries("weighbridge_fallbacks", other, _TARGET)

    def _make_histograms(self) -> None:
        def of_seconds(name: str, text: str, labels: Sequence[str], buckets: Sequence[float]) -> HistogramSeries:
            return HistogramSeries(name, text, labels, buckets, per=NS_PER_S)

        whole = "From a request's head to its reply's last byte."
        self._duration = of_seconds("weighbridge_request_duration_seconds", whole, _TARGET, DURATION_BUCKETS)
        own = "What the gateway itself added to a request."
        self._overhead = of_seconds("weighbridge_overhead_seconds", own, (), OVERHEAD_BUCKETS)
        operation = "gen_ai_client_operation_duration_seconds"
        self._operation = of_seconds(operation, "An attempt at a provider.", (*_GEN_AI, "error_type"), DURATION_BUCKETS)
        usage = "gen_ai_client_token_usage"
        self._usage = HistogramSeries(usage, "Tokens of an attempt.", (*_GEN_AI, "gen_ai_token_type"), TOKEN_BUCKETS)
        first = "gen_ai_server_time_to_first_token_seconds"
        self._first = of_seconds(first, "To the first byte of a stream.", _GEN_AI, FIRST_TOKEN_BUCKETS)
        each = "gen_ai_server_time_per_output_token_seconds"
        self._each = of_seconds(each, "Between the tokens of a stream after its first.", _GEN_AI, EACH_TOKEN_BUCKETS)

    def observe(self, records: Iterable[Record]) -> None:
        """Count exchanges that have been settled. May be called from any thread."""
        with self._lock:
            for record in records:
                self._observe(record)

    def _observe(self, record: Record) -> None:
        target, extra = self._target(record.provider, record.model), self._extras(record) if self._extra else ()
        error = record.error or ""
        self._requests.add((*target.names, record.operation, record.dialect, str(record.status), error, *extra))
        self._duration.observe(target.names, record.duration_ns)
        self._overhead.observe((), record.overhead_ns)
        before: Attempt | None = None
        for attempt in record.attempts:
            self._attempt(record, attempt, before, extra)
            before = attempt
        if record.is_stream and record.first_byte_ns >= 0:
            self._stream(record)

    def _attempt(self, record: Record, attempt: Attempt, before: Attempt | None, extra: tuple[str, ...]) -> None:
        target, error = self._target(attempt.provider, attempt.model), attempt.error or ""
        names = target.names
        # Customers bring any number of keys: they are one here, and by name in the ledger.
        credential = "own" if attempt.is_own_key else self._bounds["credential"].of(attempt.credential)
        self._attempts.add((*names, credential, str(attempt.status), error))
        if before is not None:
            is_retry = (before.provider, before.model) == (attempt.provider, attempt.model)
            (self._retries if is_retry else self._fallbacks).add(names)
        for kind, count in _kinds(attempt.usage):
            if count:
                self._tokens.add((*names, kind, *extra), count)
        if attempt.cost_nanousd is None:
            self._unknown.add(names)
        elif attempt.cost_nanousd:
            self._cost.add((*names, _state(attempt), *extra), attempt.cost_nanousd)
        gen_ai = (operation_name(record.operation), target.provider, names[1])
        if attempt.end_ns > attempt.sent_ns:
            self._operation.observe((*gen_ai, error), attempt.end_ns - attempt.sent_ns)
        for kind, count in (("input", attempt.usage.total_input), ("output", attempt.usage.total_output)):
            if count:
                self._usage.observe((*gen_ai, kind), count)

    def _stream(self, record: Record) -> None:
        target = self._target(record.provider, record.model)
        gen_ai = (operation_name(record.operation), target.provider, target.names[1])
        self._first.observe(gen_ai, record.first_byte_ns)
        n_tokens = record.usage.total_output
        if record.error is None and n_tokens > 1:
            self._each.observe(gen_ai, (record.duration_ns - record.first_byte_ns) // (n_tokens - 1))

    # --- labels -------------------------------------------------------------------------------------------------

    def _target(self, provider: str, model: str) -> _Target:
        found = self._targets.get((provider, model))
        if found is None:
            if len(self._targets) >= _MAX_TARGETS:
                self._targets.clear()
            names = self._bounds["provider"].of(provider), self._bounds["model"].of(model)
            found = self._targets[provider, model] = _Target(names, provider_name(names[0]))
        return found

    def _extras(self, record: Record) -> tuple[str, ...]:
        values = {
            "route": record.route or record.requested_model,
            "team": record.team,
            "organisation": record.organisation,
            "user": record.user,
            "key": record.key_id,
        }
        return tuple(self._bounds[name].of(values[name]) for name in self._extra)


def _kinds(usage: Usage) -> tuple[tuple[str, int], ...]:
    cached = usage.cache_read + usage.cache_write_5m + usage.cache_write_1h
    return (
        ("input", usage.total_input - cached),
        ("cache_read", usage.cache_read),
        ("cache_write", usage.cache_write_5m + usage.cache_write_1h),
        ("output", usage.total_output),
        ("reasoning", usage.reasoning),
    )


def _state(attempt: Attempt) -> str:
    return "estimated" if attempt.price_state is PriceState.ESTIMATED else "known"
