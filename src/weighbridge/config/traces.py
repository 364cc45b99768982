"""Where a configuration has its traces go."""

from __future__ import annotations

from weighbridge.config import schema
from weighbridge.telemetry.trace_sink import TraceTarget


def compile_traces(config: schema.Config) -> TraceTarget | None:
    """The collector; None where there is none."""
    written = config.traces
    if written.endpoint is None:
        return None
    return TraceTarget(written.endpoint, written.protocol, tuple(written.headers.items()), written.sample, written.service)
