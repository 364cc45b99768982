"""A collector gets the spans of a gateway as a user starts it, and a caller's own trace goes on in them."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue

import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

PATIENCE_S = 30
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def collector():
    spans = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            body = gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body
            for resource in trace_service_pb2.ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        spans.put(span)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", spans
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_callers_trace_goes_on_to_the_attempt_and_holds_no_prompt(start_gateway, collector):
    endpoint, spans = collector
    gateway = start_gateway({"providers": {"demo": {}}, "traces": {"endpoint": endpoint}})
    key = (gateway.data_dir / "first.key").read_text().strip()
    body = {"model": "demo/echo", "messages": [{"role": "user", "content": "a planted prompt"}]}
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
    reply = gateway.request("POST", "/v1/chat/completions", body, key=key, headers=headers)
    assert reply.status == 200
    request, attempt = (spans.get(timeout=PATIENCE_S) for _ in range(2))
    assert (request.trace_id.hex(), request.parent_span_id.hex(), request.name) == (TRACE, SPAN, "chat demo/echo")
    assert (attempt.trace_id, attempt.parent_span_id) == (request.trace_id, request.span_id)
    told = f"{request}{attempt}"
    assert reply.headers["x-weighbridge-request-id"] in told
    assert "planted" not in told
    assert key not in told
