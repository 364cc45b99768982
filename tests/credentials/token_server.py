"""A metadata or token server on loopback: answers every request with the next of its replies (the last one again and again)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class TokenServer:
    def __init__(self, replies: list[tuple[int, object]], by_end: dict[str, object]) -> None:
        self.replies = replies
        self.by_end = by_end
        self.asked: list[tuple[str, str, str]] = []
        self.base = ""

    def answer(self, method: str, path: str, body: str) -> tuple[int, bytes]:
        self.asked.append((method, path, body))
        for end, value in self.by_end.items():
            if path.partition("?")[0].endswith(end) or path.endswith(end):
                return 200, value.encode() if isinstance(value, str) else json.dumps(value).encode()
        status, value = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return status, value.encode() if isinstance(value, str) else json.dumps(value).encode()


@contextmanager
def token_server(*replies: tuple[int, object], by_end: dict[str, object] | None = None) -> Iterator[TokenServer]:
    """`by_end`: what is answered to paths (or queries) with this end, before the replies."""
    told = TokenServer(list(replies), by_end or {})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            status, body = told.answer(self.command, self.path, self.rfile.read(length).decode())
            self.send_response(status)
            self.send_header("content-type", "text/xml" if body.startswith(b"<") else "application/json")
            self.send_header("metadata-flavor", "Google")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the base class looks for these names
        do_PUT = do_GET  # noqa: N815

        def log_request(self, code: object = "-", size: object = "-") -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    told.base = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
