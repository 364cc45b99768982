"""A small storage that speaks S3 on loopback: it checks each signature with botocore, and keeps objects in memory.

Lists have pages of two names, so that whoever lists has to ask on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from unittest.mock import patch
from urllib.parse import parse_qs, quote, unquote
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCESS_KEY, SECRET_KEY, REGION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "eu-central-1"
PAGE = 2
_lock = threading.Lock()


class S3Server:
    """What came and what is kept. `statuses` are answered next, in place of doing what was asked (or after that, where it
    `is_done_nevertheless`)."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        """By their paths, bucket and all, decoded."""
        self.asked: list[tuple[str, str]] = []
        self.hosts: list[str] = []
        self.statuses: list[int] = []
        self.is_done_nevertheless = False
        self.came: Queue[bytes] = Queue()
        """Objects as they are written."""
        self.base = ""

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        path, _, query = target.partition("?")
        self.asked.append((method, unquote(path)))
        self.hosts.append(headers["host"])
        if not is_signed(method, target, headers, body):
            return 403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>"
        status = self.statuses.pop(0) if self.statuses else 0
        if status and not self.is_done_nevertheless:
            return status, b"<Error><Code>SlowDown</Code></Error>"
        found = self._do(method, unquote(path), query, headers, body)
        return (status, b"") if status else found

    def _do(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if query:
            return 200, self._page(path.rstrip("/") + "/", {name: each[0] for name, each in parse_qs(query).items()})
        if method == "PUT":
            if headers.get("if-none-match") == "*" and path in self.objects:
                return 412, b"<Error><Code>PreconditionFailed</Code></Error>"
            self.objects[path] = body
            self.came.put(body)
        elif method == "DELETE":
            self.objects.pop(path, None)
            return 204, b""
        elif path not in self.objects:
            return 404, b"<Error><Code>NoSuchKey</Code></Error>"
        return 200, self.objects[path] if method == "GET" else b""

    def _page(self, bucket: str, asked: dict[str, str]) -> bytes:
        names = sorted(path.removeprefix(bucket) for path in self.objects if path.startswith(bucket + asked.get("prefix", "")))
        after = asked.get("continuation-token", "")
        left = [name for name in names if not after or name > after.removeprefix("&")]
        items = "".join(
            f"<Contents><Key>{quote(name, safe='/')}</Key><Size>{len(self.objects[bucket + name])}</Size></Contents>"
            for name in left[:PAGE]
        )
        more = f"<NextContinuationToken>{escape('&' + left[PAGE - 1])}</NextContinuationToken>" if len(left) > PAGE else ""
        return f"<?xml version='1.0'?><ListBucketResult>{items}{more}</ListBucketResult>".encode()


def is_signed(method: str, target: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether botocore would have signed this very request so, and the body is the one that was signed."""
    if headers.get("x-amz-content-sha256") != sha256(body).hexdigest():
        return False
    request = AWSRequest(method=method, url=f"http://{headers['host']}{target}", data=body, headers={"Host": headers["host"]})
    request.context["payload_signing_enabled"] = True  # which it leaves out over https
    at = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    # A lock: the patch is the process's, and requests come on threads of their own.
    with _lock, patch("botocore.auth.get_current_datetime", lambda: at):
        S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY, headers.get("x-amz-security-token")), "s3", REGION).add_auth(request)
    return request.headers["Authorization"] == headers.get("authorization")


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """One that runs while this does."""
    told = S3Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are two writes: the second would wait 40 ms for an acknowledgement

        def do_GET(self) -> None:
            self._answer()

        def do_PUT(self) -> None:
            self._answer()

        def do_DELETE(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, content = told.answer(self.command, self.path, headers, body)
            self.send_response(status)
            if status != 204:
                self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    told.base = f"http://127.0.0.1:{server.server_port}"
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
