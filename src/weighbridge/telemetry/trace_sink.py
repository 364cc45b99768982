"""Takes settled exchanges to an OpenTelemetry collector (OTLP over HTTP or gRPC): in batches, off every request's path.

The queue is bounded. While the collector is away the newest wait, the oldest are dropped and counted, and that it is away is said
once. Nothing that the ledger needs depends on it. The exporters come with the extra `otel`, and are imported only where traces are
configured.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from weighbridge.core.secret import Secret
from weighbridge.core.terms import Record

if TYPE_CHECKING:  # the SDK takes 100 ms to import
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import SpanExporter

MAX_WAITING: Final = 20_000
"""Records, some 20 MB."""
_BATCH: Final = 256
_PAUSE_S: Final = 1.0
_TIMEOUT_S: Final = 10
_MISSING: Final = "traces need the extra `otel`: pip install 'weighbridge[otel]'"


class TraceTarget(NamedTuple):
    """Where spans go. `protocol` is `http` or `grpc`; `share_ppm` of the requests without a caller's trace are sampled."""

    endpoint: str
    protocol: str = "http"
    headers: tuple[tuple[str, Secret], ...] = ()
    share_ppm: int = 1_000_000
    service: str = "weighbridge"


class TraceSinkError(Exception):
    """Traces are configured and cannot be had."""


class TraceSink:
    """One for each control plane. Raises `TraceSinkError` where the extra is not installed."""

    def __init__(self, target: TraceTarget, version: str) -> None:
        self._target = target
        self._exporter = _exporter(target)
        self._resource = _resource(target.service, version)
        self._waiting: deque[Record] = deque(maxlen=MAX_WAITING)
        self._is_away = False
        self.n_sent = 0
        self.n_dropped = 0

    def offer(self, records: Sequence[Record]) -> None:
        """Exchanges that have been settled. May be called from any thread; never waits."""
        from weighbridge.telemetry.spans import is_sampled  # noqa: PLC0415 -- needs the SDK, which is there by now

        for record in records:
            if is_sampled(record, self._target.share_ppm):
                self.n_dropped += len(self._waiting) == MAX_WAITING
                self._waiting.append(record)

    async def run(self) -> None:
        """Send what comes, until cancelled."""
        while True:
            await asyncio.sleep(_PAUSE_S)
            await self.flush()

    async def flush(self) -> None:
        """Send what waits, as far as the collector takes it."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            if not await asyncio.to_thread(self._export, batch):
                self._put_back(batch)
                return

    async def stop(self) -> None:
        """Send what waits, once, and close."""
        await self.flush()
        await asyncio.to_thread(self._exporter.shutdown)

    def _export(self, batch: Sequence[Record]) -> bool:
        from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415

        from weighbridge.telemetry.spans import spans_of  # noqa: PLC0415

        spans = [span for record in batch for span in spans_of(record, self._resource)]
        try:
            is_sent = self._exporter.export(spans) is SpanExportResult.SUCCESS
        except (OSError, RuntimeError, ValueError) as error:  # exporters mostly say it by their result
            is_sent = False
            if not self._is_away:
                sys.stderr.write(f"The traces' collector: {type(error).__name__}\n")
        if is_sent != (not self._is_away):
            sys.stderr.write(
                "The traces' collector takes spans again.\n" if is_sent else "The traces' collector does not take spans.\n"
            )
        self._is_away = not is_sent
        self.n_sent += len(spans) if is_sent else 0
        return is_sent

    def _put_back(self, batch: Sequence[Record]) -> None:
        room = MAX_WAITING - len(self._waiting)
        kept = batch[-room:] if room else ()
        self.n_dropped += len(batch) - len(kept)
        self._waiting.extendleft(reversed(kept))


def _exporter(target: TraceTarget) -> SpanExporter:
    headers = {name: value.reveal() for name, value in target.headers}
    try:
        if target.protocol == "grpc":
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc  # noqa: PLC0415

            is_insecure = not target.endpoint.startswith("https://")
            return Grpc(endpoint=target.endpoint, insecure=is_insecure, headers=headers, timeout=_TIMEOUT_S)
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http  # noqa: PLC0415

        return Http(endpoint=f"{target.endpoint.rstrip('/')}/v1/traces", headers=headers, timeout=_TIMEOUT_S)
    except ImportError:
        raise TraceSinkError(_MISSING) from None


def _resource(service: str, version: str) -> Resource:
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415

    return Resource.create({"service.name": service, "service.version": version})
