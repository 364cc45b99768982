"""Spans at a collector: OpenTelemetry's own messages, over real sockets."""

from __future__ import annotations

import gzip
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, HTTPServer

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from tests.storage.test_ledger_store import attempt, record

from weighbridge.core.secret import Secret
from weighbridge.telemetry import trace_sink
from weighbridge.telemetry.trace_sink import TraceSink, TraceTarget


class Collected:
    """What a collector got."""

    def __init__(self):
        self.requests = []
        self.headers = []
        self.is_away = False

    @property
    def spans(self):
        return [span for each in self.requests for one in each.resource_spans for scope in one.scope_spans for span in scope.spans]

    @property
    def resources(self):
        pairs = [pair for each in self.requests for one in each.resource_spans for pair in one.resource.attributes]
        return {pair.key: pair.value.string_value for pair in pairs}


@pytest.fixture
def collected():
    return Collected()


@pytest.fixture
def over_http(collected):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if collected.is_away:
                self.send_response(400)
            else:
                assert self.path == "/v1/traces"
                collected.headers.append(dict(self.headers))
                collected.requests.append(trace_service_pb2.ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def over_grpc(collected):
    class Service(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request, context):  # noqa: N802 - as the service calls it
            collected.requests.append(request)
            collected.headers.append(dict(context.invocation_metadata()))
            return trace_service_pb2.ExportTraceServiceResponse()

    server = grpc.server(futures.ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.mark.parametrize("protocol", ["http", "grpc"])
async def test_spans_reach_a_collector_with_who_sends_them(collected, request, protocol):
    endpoint = request.getfixturevalue(f"over_{protocol}")
    target = TraceTarget(endpoint, protocol, (("x-key", Secret("shared")),), service="edge")
    sink = TraceSink(target, "1.2.3")
    sink.offer([record(number, attempt(5), attempt(7)) for number in range(300)])
    await sink.stop()
    assert len(collected.spans) == sink.n_sent == 900
    assert len({span.span_id for span in collected.spans}) == 900
    assert (collected.resources["service.name"], collected.resources["service.version"]) == ("edge", "1.2.3")
    assert collected.headers[0]["x-key"] == "shared"
    names = {pair.key for span in collected.spans for pair in span.attributes}
    assert {"gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.usage.input_tokens", "weighbridge.cost_usd"} <= names


async def test_what_waits_while_the_collector_is_away_is_sent_when_it_is_back(collected, over_http, capsys):
    sink = TraceSink(TraceTarget(over_http), "1")
    collected.is_away = True
    sink.offer([record(1)])
    await sink.flush()
    await sink.flush()
    assert (collected.spans, sink.n_sent) == ([], 0)
    collected.is_away = False
    await sink.stop()
    assert len(collected.spans) == 2
    said = capsys.readouterr().err
    assert said.count("does not take spans") == 1
    assert "takes spans again" in said


async def test_the_oldest_are_dropped_and_counted_where_too_many_wait(collected, over_http, monkeypatch):
    monkeypatch.setattr(trace_sink, "MAX_WAITING", 10)
    sink = TraceSink(TraceTarget(over_http), "1")
    collected.is_away = True
    sink.offer([record(number) for number in range(15)])
    await sink.flush()
    assert sink.n_dropped == 5
    collected.is_away = False
    await sink.stop()
    ids = {pair.value.string_value for span in collected.spans for pair in span.attributes if pair.key == "weighbridge.request_id"}
    assert ids == {f"req_{number}" for number in range(5, 15)}


async def test_only_what_is_sampled_is_kept(collected, over_http):
    sink = TraceSink(TraceTarget(over_http, share_ppm=0), "1")
    sink.offer([record(1), record(2, trace="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")])
    await sink.stop()
    assert {span.name for span in collected.spans} == {"chat smart", "chat gpt-5"}
