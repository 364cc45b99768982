"""What Prometheus is told of settled exchanges: counted when they are in the ledger, so that no kill loses or doubles one.

Names follow two conventions: our own (`weighbridge_…`), and OpenTelemetry's for generative AI as Prometheus spells them
(https://github.com/open-telemetry/semantic-conventions-genai, buckets included). Each label takes a bounded number of values, since
callers choose some of them; what comes beyond is `other`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.money import NANO
from weighbridge.core.rates import PriceState
from weighbridge.core.terms import Attempt, Operation, Record, Usage
from weighbridge.telemetry.gen_ai import operation_name, provider_name

OTHER: Final = "other"
"""In place of a value that is one too many."""
EXTRA_LABELS: Final = ("route", "team", "organisation", "user", "key")
"""Labels that an operator may add to requests, tokens and cost."""
DURATION_BUCKETS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKEN_BUCKETS: Final = tuple(float(4**power) for power in range(14))
FIRST_TOKEN_BUCKETS: Final = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
EACH_TOKEN_BUCKETS: Final = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
OVERHEAD_BUCKETS: Final = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)

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


class Metrics:
    """Counters and histograms over settled exchanges, in a registry of their own. `labels` are some of `EXTRA_LABELS`."""

    def __init__(self, labels: Sequence[str] = (), max_values: int = 200) -> None:
        # Without a second series for each counter that tells when it began.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._extra = tuple(name for name in EXTRA_LABELS if name in labels)
        self._bounds = {name: Bound(max_values) for name in (*EXTRA_LABELS, "provider", "model", "credential")}
        self._lock = Lock()
        self._make()

    def _make(self) -> None:
        extra, registry = self._extra, self.registry
        self._requests = Counter(
            "weighbridge_requests",
            "Requests by who answered, their HTTP status and the kind of their error (empty: none).",
            (*_TARGET, "operation", "dialect", "status", "error_type", *extra),
            registry=registry,
        )
        self._tokens = Counter(
            "weighbridge_tokens",
            "Tokens of all attempts, by kind: input is what no prompt cache has to do with, reasoning is part of output.",
            (*_TARGET, "kind", *extra),
            registry=registry,
        )
        self._cost = Counter(
            "weighbridge_cost_usd",
            "What providers charge, in dollars, by what is known of it. The ledger has it in whole nano-dollars.",
            (*_TARGET, "price_state", *extra),
            registry=registry,
        )
        self._unknown = Counter(
            "weighbridge_unknown_costs", "Attempts whose cost nobody knows: they are in no sum.", _TARGET, registry=registry
        )
        self._attempts = Counter(
            "weighbridge_attempts",
            "Attempts at providers, retries, fallbacks and hedges included.",
            (*_TARGET, "credential", "status", "error_type"),
            registry=registry,
        )
        same, other = "Attempts that followed one at the same target.", "Attempts that followed one at another target."
        self._retries = Counter("weighbridge_retries", same, _TARGET, registry=registry)
        self._fallbacks = Counter("weighbridge_fallbacks", other, _TARGET, registry=registry)
        self._make_histograms()

    def _make_histograms(self) -> None:
        registry = self.registry

        def made(name: str, text: str, labels: Sequence[str], buckets: Sequence[float]) -> Histogram:
            return Histogram(name, text, tuple(labels), buckets=tuple(buckets), registry=registry)

        whole = "From a request's head to its reply's last byte."
        self._duration = made("weighbridge_request_duration_seconds", whole, _TARGET, DURATION_BUCKETS)
        self._overhead = made("weighbridge_overhead_seconds", "What the gateway itself added to a request.", (), OVERHEAD_BUCKETS)
        operation = "gen_ai_client_operation_duration_seconds"
        self._operation = made(operation, "An attempt at a provider.", (*_GEN_AI, "error_type"), DURATION_BUCKETS)
        usage = "gen_ai_client_token_usage"
        self._usage = made(usage, "Tokens of an attempt.", (*_GEN_AI, "gen_ai_token_type"), TOKEN_BUCKETS)
        first = "gen_ai_server_time_to_first_token_seconds"
        self._first = made(first, "To the first byte of a stream.", _GEN_AI, FIRST_TOKEN_BUCKETS)
        each = "gen_ai_server_time_per_output_token_seconds"
        self._each = made(each, "Between the tokens of a stream after its first.", _GEN_AI, EACH_TOKEN_BUCKETS)

    def observe(self, records: Iterable[Record]) -> None:
        """Count exchanges that have been settled. May be called from any thread."""
        with self._lock:
            for record in records:
                self._observe(record)

    def _observe(self, record: Record) -> None:
        target, extra = self._target(record.provider, record.model), self._extras(record)
        status, error = str(record.status), record.error or ""
        self._requests.labels(*target, record.operation.value, record.dialect.value, status, error, *extra).inc()
        self._duration.labels(*target).observe(record.duration_ns / NS_PER_S)
        self._overhead.observe(record.overhead_ns / NS_PER_S)
        before: Attempt | None = None
        for attempt in record.attempts:
            self._attempt(record, attempt, before, extra)
            before = attempt
        if record.is_stream and record.first_byte_ns >= 0:
            self._stream(record)

    def _attempt(self, record: Record, attempt: Attempt, before: Attempt | None, extra: tuple[str, ...]) -> None:
        target, error = self._target(attempt.provider, attempt.model), attempt.error or ""
        # Customers bring any number of keys: they are one here, and by name in the ledger.
        credential = "own" if attempt.is_own_key else self._bounds["credential"].of(attempt.credential)
        self._attempts.labels(*target, credential, str(attempt.status), error).inc()
        if before is not None:
            is_retry = (before.provider, before.model) == (attempt.provider, attempt.model)
            (self._retries if is_retry else self._fallbacks).labels(*target).inc()
        for kind, count in _kinds(attempt.usage):
            if count:
                self._tokens.labels(*target, kind, *extra).inc(count)
        if attempt.cost_nanousd is None:
            self._unknown.labels(*target).inc()
        elif attempt.cost_nanousd:
            # A float: exact to 15 digits, which the ledger is for.
            self._cost.labels(*target, _state(attempt), *extra).inc(attempt.cost_nanousd / NANO)
        names = self._gen_ai(record.operation, attempt.provider, attempt.model)
        if attempt.end_ns > attempt.sent_ns:
            self._operation.labels(*names, error).observe((attempt.end_ns - attempt.sent_ns) / NS_PER_S)
        for kind, count in (("input", attempt.usage.total_input), ("output", attempt.usage.total_output)):
            if count:
                self._usage.labels(*names, kind).observe(count)

    def _stream(self, record: Record) -> None:
        names = self._gen_ai(record.operation, record.provider, record.model)
        self._first.labels(*names).observe(record.first_byte_ns / NS_PER_S)
        n_tokens = record.usage.total_output
        if record.error is None and n_tokens > 1:
            self._each.labels(*names).observe((record.duration_ns - record.first_byte_ns) / NS_PER_S / (n_tokens - 1))

    # --- labels -------------------------------------------------------------------------------------------------

    def _target(self, provider: str, model: str) -> tuple[str, str]:
        return self._bounds["provider"].of(provider), self._bounds["model"].of(model)

    def _extras(self, record: Record) -> tuple[str, ...]:
        values = {
            "route": record.route or record.requested_model,
            "team": record.team,
            "organisation": record.organisation,
            "user": record.user,
            "key": record.key_id,
        }
        return tuple(self._bounds[name].of(values[name]) for name in self._extra)

    def _gen_ai(self, operation: Operation, provider: str, model: str) -> tuple[str, str, str]:
        known, bounded = self._target(provider, model)
        return operation_name(operation), provider_name(known), bounded


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
