"""A budget that is used up reaches a webhook, from a gateway as a user starts it."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue

import pytest

from weighbridge.core.codec import decode_json

PATIENCE_S = 30


@pytest.fixture
def hook():
    """A webhook that puts what it gets into a queue."""
    notices = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            notices.put(decode_json(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", notices
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_budget_that_is_nearly_used_is_told_at_a_webhook(start_gateway, hook):
    url, notices = hook
    config = {
        "providers": {"demo": {}},
        "budgets": [{"scope": "gateway", "amount": "10 tokens", "hard": False, "period": "total"}],
        "alerts": {"to": {"own": {"webhook": url}}},
    }
    gateway = start_gateway(config)
    assert gateway.admin("/alerts/test", "POST") == {"destinations": {"own": ""}}
    assert notices.get(timeout=PATIENCE_S)["title"] == "This is a test"
    key = (gateway.data_dir / "first.key").read_text().strip()
    assert gateway.chat("so many words that they are more than ten tokens", key=key).status == 200
    told = notices.get(timeout=PATIENCE_S)
    assert (told["rule"], told["state"], told["severity"]) == ("budget", "firing", "critical")
    assert [alert["id"] for alert in gateway.admin("/alerts")["data"]] == [told["id"]]
