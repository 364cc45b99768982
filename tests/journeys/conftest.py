"""The whole gateway as real processes on real sockets, in front of simulated providers.

One gateway serves every test of a session; tests that break a gateway start their own with `start_gateway`.
"""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.testing import SimulatedAnthropic, SimulatedGemini, SimulatedOpenAI, StaticReply, StaticServer, running

APP_KEY = "wb-journeys-app-0123456789"
NARROW_KEY = "wb-journeys-narrow-0123456789"
EXPIRED_KEY = "wb-journeys-expired-0123456789"

# Generous: only a failing test waits for it.
PATIENCE_S = 15.0


class Lines:
    """What a process prints, line by line as it comes."""

    def __init__(self, stream):
        self.all = []
        self._stream = stream
        self._is_over = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self._stream:
            with self._changed:
                self.all.append(line.decode(errors="replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    @property
    def text(self):
        return "\n".join(self.all)

    def wait_for(self, found):
        """The first true value of `found(lines)`."""
        with self._changed:
            value = self._changed.wait_for(lambda: found(self.all) or (self._is_over and "over"), PATIENCE_S)
        assert value not in (None, False, "over"), f"it was never printed; what was:\n{self.text}"
        return value

    def wait_for_match(self, pattern):
        return self.wait_for(lambda lines: re.search(pattern, "\n".join(lines)))

    def join(self):
        """Until every process that could print has ended: workers inherit their parent's streams."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "a process outlived the gateway"
        self._stream.close()


class GatewayProcess:
    """`weighbridge serve` as a user starts it."""

    def __init__(self, directory: Path, config, *arguments):
        self.config_file = directory / "weighbridge.yaml"
        self.data_dir = directory / "data"
        self.base_url = ""
        self.port = 0
        self.stderr = self.stdout = self._process = None
        self._arguments = arguments
        self.write_config(config)

    def write_config(self, config):
        """JSON is YAML. Written beside and renamed, as an editor does. A test that wants retries, or one
        failure to count for the next request, says so."""
        if isinstance(config, dict):
            config = {"retry": {"attempts": 1}, "health": {"breakers": False, "keys": False}, **config}
        beside = self.config_file.with_suffix(".new")
        beside.write_bytes(config if isinstance(config, bytes) else encode_json(config))
        beside.rename(self.config_file)

    def launch(self):
        """Start the process without waiting for it to serve."""
        own = ("--config", str(self.config_file), "--data-dir", str(self.data_dir), "--port", "0")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "weighbridge", "serve", *own, *self._arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=bare_environment(),
        )
        self.stdout, self.stderr = Lines(self._process.stdout), Lines(self._process.stderr)
        return self

    def start(self):
        self.launch()
        welcome = self.stderr.wait_for_match(r"(?s)serves on (https?://\S+).*print\(reply")
        self.base_url = welcome[1]
        self.port = urlsplit(self.base_url).port
        return self

    @property
    def pid(self):
        return self._process.pid

    def signal(self, number):
        self._process.send_signal(number)

    def wait(self):
        """The exit status, once the process has ended and all that it printed is read."""
        status = self._process.wait(PATIENCE_S)
        for lines in (self.stdout, self.stderr):
            lines.join()
        return status

    def stop(self):
        """End it as an operator does, and fail if it reported a bug in itself."""
        if self._process.returncode is None:
            self.signal(signal.SIGTERM)
            try:
                status = self.wait()
            except subprocess.TimeoutExpired:
                self._process.kill()
                self.wait()
                raise
            assert status == 0, self.stderr.text
        assert "bug in" not in self.stderr.text, self.stderr.text
        assert "Traceback" not in self.stderr.text, self.stderr.text

    # --- what is asked of it

    def connection(self, context=None):
        if context is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        return http.client.HTTPSConnection("localhost", self.port, timeout=PATIENCE_S, context=context)

    def request(self, method, path, body=None, *, key=APP_KEY, headers=(), context=None):
        """One request on a connection of its own: status, headers (names in lower case, as a list and a dict), body."""
        connection = self.connection(context)
        try:
            lines = {"authorization": f"Bearer {key}"} if key else {}
            if body is not None:
                lines["content-type"] = "application/json"
            raw = body if body is None or isinstance(body, bytes) else encode_json(body)
            connection.request(method, path, raw, lines | dict(headers))
            reply = connection.getresponse()
            pairs = [(name.lower(), value) for name, value in reply.getheaders()]
            return SimpleNamespace(status=reply.status, pairs=pairs, headers=dict(pairs), body=reply.read())
        finally:
            connection.close()

    def chat(self, text="hello", *, key=APP_KEY, model="demo/echo", **fields):
        body = {"model": model, "messages": [{"role": "user", "content": text}]} | fields
        return self.request("POST", "/v1/chat/completions", body, key=key)

    def admin(self, path, method="GET", body=None):
        """The admin API's answer, which has to be a good one."""
        reply = self.request(method, f"/admin/v1{path}", body, key=(self.data_dir / "admin.key").read_text().strip())
        assert reply.status < 300, reply.body
        return decode_json(reply.body)

    def workers(self, condition=lambda worker: worker["state"] == "ready"):
        """What the admin API says of the workers, once all of them fulfil a condition."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            workers = self.admin("/status")["workers"]
            if all(condition(worker) for worker in workers):
                return workers
            assert time.monotonic() < deadline, workers

    def record_of(self, request_id):
        """The line of the access log for a request, once it is written."""

        def found(lines):
            return next((line for line in lines if request_id in line), None)

        return decode_json(self.stdout.wait_for(found).encode())

    def booked(self, request_id):
        """What the admin API says of a request, once it is in the ledger."""
        key, deadline = (self.data_dir / "admin.key").read_text().strip(), time.monotonic() + PATIENCE_S
        while True:
            reply = self.request("GET", f"/admin/v1/requests/{request_id}", key=key)
            if reply.status == 200:
                return decode_json(reply.body)
            assert reply.status == 404, reply.body
            assert time.monotonic() < deadline, request_id

    def weighbridge(self, *arguments):
        """Another command on the same data directory, as from a second terminal. What it prints."""
        command = [sys.executable, "-m", "weighbridge", *arguments, "--data-dir", str(self.data_dir)]
        done = subprocess.run(command, capture_output=True, check=True, env=bare_environment(), timeout=PATIENCE_S)
        return done.stdout.decode().strip()


def bare_environment():
    """Without keys and proxies of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not re.search("_API_KEY|_BASE_URL|_PROXY", name, re.IGNORECASE)}


class HandDriven:
    """A provider whose every byte a test sends itself, when it wants to: the order of events replaces time."""

    def __init__(self):
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(PATIENCE_S)
        self.origin = f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    @contextmanager
    def exchange(self):
        """The next request that arrives, whole, and the reply to it in the test's hands."""
        accepted, _ = self._listening.accept()
        with accepted:
            accepted.settimeout(PATIENCE_S)
            yield Exchange(accepted)

    def close(self):
        self._listening.close()


class Exchange:
    """One request and its reply."""

    def __init__(self, connected):
        self._socket = connected
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        self.head, _, self.body = data.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: *(\d+)", self.head)[1])
        while len(self.body) < length:
            self.body += self._receive()

    def _receive(self):
        data = self._socket.recv(65536)
        assert data, "the gateway closed its connection in the middle of a request"
        return data

    def send(self, data):
        self._socket.sendall(data)

    def start_stream(self):
        self.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n")

    def send_chunk(self, data):
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def end_stream(self):
        self.send(b"0\r\n\r\n")

    def wait_until_left(self):
        """Until the gateway closes its side; a reset is a way to do so."""
        with suppress(ConnectionResetError):
            assert self._socket.recv(65536) == b""


# --- one set of providers and one gateway for a whole session


@pytest.fixture(scope="session")
def upstreams():
    """The providers behind the gateway of the session."""
    with ExitStack() as stack:
        hand = HandDriven()
        stack.callback(hand.close)
        yield SimpleNamespace(
            openai=stack.enter_context(running(SimulatedOpenAI())),
            anthropic=stack.enter_context(running(SimulatedAnthropic())),
            gemini=stack.enter_context(running(SimulatedGemini())),
            static=stack.enter_context(running(StaticServer(lambda _: StaticReply.whole(b"{}")))),
            hand=hand,
        )


def configured(upstreams):
    """The configuration of the session's gateway."""
    openai, anthropic, gemini = upstreams.openai, upstreams.anthropic, upstreams.gemini
    quick = {"first_byte": "200ms", "between_bytes": "200ms"}
    dead = {"type": "openai", "base_url": "http://127.0.0.1:9/v1", "api_key": "x"}
    return {
        "server": {"drain_timeout": "5s"},
        "access_log": {"format": "json"},
        "providers": {
            "openai": {"base_url": openai.base_url, "api_key": openai.keys[0], "models": openai.models},
            "anthropic": {"base_url": anthropic.base_url, "api_key": anthropic.keys[0], "models": anthropic.models},
            "gemini": {"base_url": gemini.base_url, "api_key": gemini.keys[0], "models": gemini.models},
            "demo": {},
            "fixed": {"type": "openai", "base_url": f"{upstreams.static.origin}/v1", "api_key": "sk-fixed"},
            # Nobody but a test asks it: it answers nobody else.
            "hand": {
                "type": "openai",
                "base_url": f"{upstreams.hand.origin}/v1",
                "api_key": "sk-hand",
                "live_models": False,
            },
            "unreachable": dead,
            "wrongly-keyed": {"type": "openai", "base_url": openai.base_url, "api_key": "sk-nobody-knows"},
            "hasty-openai": {"type": "openai", "base_url": openai.base_url, "api_key": openai.keys[0], "timeouts": quick},
            "hasty-anthropic": {
                "type": "anthropic",
                "base_url": anthropic.base_url,
                "api_key": anthropic.keys[0],
                "timeouts": quick,
            },
            "hasty-gemini": {"type": "gemini", "base_url": gemini.base_url, "api_key": gemini.keys[0], "timeouts": quick},
        },
        "routes": {
            "smart": ["openai/gpt-4o-mini"],
            "clever": ["anthropic/claude-sonnet-5"],
            "swift": ["gemini/gemini-2.5-flash"],
            "still": ["fixed/model-behind-the-route"],
        },
        "keys": [
            {"name": "app", "key": APP_KEY},
            {"name": "narrow", "key": NARROW_KEY, "models": ["openai/gpt-4o-mini"]},
            {"name": "expired", "key": EXPIRED_KEY, "expires": "2020-01-01"},
        ],
    }


@pytest.fixture(scope="session")
def gateway(upstreams, tmp_path_factory):
    """The gateway of the session."""
    process = GatewayProcess(tmp_path_factory.mktemp("gateway"), configured(upstreams)).start()
    yield process
    process.stop()


@contextmanager
def starting():
    """Start gateways in directories; they are stopped, and asked for bugs, afterwards."""
    started = []

    def start(config, *arguments, directory):
        process = GatewayProcess(directory, {"access_log": {"format": "json"}} | config, *arguments)
        started.append(process)
        return process.start()

    yield start
    for process in started:
        process.stop()


@pytest.fixture
def start_gateway(tmp_path):
    """Start a gateway of a test's own."""
    with starting() as start:
        yield lambda config, *arguments, directory=tmp_path: start(config, *arguments, directory=directory)


@pytest.fixture(scope="module")
def start_gateways():
    """Start gateways that all tests of a file share."""
    with starting() as start:
        yield start


@pytest.fixture
def unstarted(tmp_path):
    """A gateway that is to fail at its start."""
    return lambda config, *arguments: GatewayProcess(tmp_path, config, *arguments)


@pytest.fixture(scope="session")
def keys():
    return SimpleNamespace(app=APP_KEY, narrow=NARROW_KEY, expired=EXPIRED_KEY)


def _in_a_test(provider):
    """A provider of the session for one test: without faults, and nothing that a gateway must not send."""
    before = len(provider.journal.violations)
    yield provider
    provider.faults.clear()
    assert provider.journal.violations[before:] == []


@pytest.fixture
def openai_provider(upstreams):
    yield from _in_a_test(upstreams.openai)


@pytest.fixture
def anthropic_provider(upstreams):
    yield from _in_a_test(upstreams.anthropic)


@pytest.fixture
def gemini_provider(upstreams):
    yield from _in_a_test(upstreams.gemini)


@pytest.fixture
def hand(upstreams):
    return upstreams.hand


@pytest.fixture
def static_provider(upstreams):
    """Answers `{}` unless a test sets `reply_for`."""
    before = upstreams.static.reply_for
    yield upstreams.static
    upstreams.static.reply_for = before


@pytest.fixture
def tls_context():
    """Makes a client's context that trusts one authority only."""

    def trusting(ca):
        context = ssl.create_default_context()
        ca.configure_trust(context)
        return context

    return trusting
