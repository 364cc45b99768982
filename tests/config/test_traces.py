from __future__ import annotations

import pytest

from weighbridge.config.load import load_config
from weighbridge.config.problems import ConfigError
from weighbridge.config.traces import compile_traces
from weighbridge.core.secret import Secret
from weighbridge.telemetry.trace_sink import TraceTarget


@pytest.fixture
def traces(tmp_path):
    def of(text):
        file = tmp_path / "weighbridge.yaml"
        file.write_text("providers: {demo: {}}\n" + text)
        return compile_traces(load_config(file, environ={}).config)

    return of


def test_without_a_collector_there_are_none(traces):
    assert traces("") is None


def test_every_field_counts(traces):
    text = "traces: {endpoint: 'http://c:4317', protocol: grpc, headers: {x-key: abc}, sample: 12.5%, service: edge}"
    assert traces(text) == TraceTarget("http://c:4317", "grpc", (("x-key", Secret("abc")),), 125_000, "edge")
    assert traces("traces: {endpoint: 'http://c:4318'}") == TraceTarget("http://c:4318")


@pytest.mark.parametrize("wrong", ["endpoint: collector", "protocol: udp", "sample: 2", "service: ''"])
def test_what_is_wrong_is_refused(traces, wrong):
    with pytest.raises(ConfigError):
        traces(f"traces: {{{wrong}}}")
