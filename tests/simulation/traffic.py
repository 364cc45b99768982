"""Traffic through the real gateway under virtual time, to providers that are functions of time and chance: for what takes thousands
of requests to show. The network, and HTTP itself, are simulated in `world.py`."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

from weighbridge.auth.virtual_keys import digest_of
from weighbridge.core.clock import CountingIds, SystemRng
from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.routes import RetryPolicy
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Dialect, Origin, VirtualKey
from weighbridge.pipeline.gateway import Gateway
from weighbridge.pipeline.plan import Plan
from weighbridge.providers.base import Base, Credential, Provider
from weighbridge.testing.books import memory_books
from weighbridge.testing.virtual_time import VirtualTimeLoop, run_virtual

KEY = "wb-" + "k" * 43
GOOD = encode_json({"id": "x", "model": "m", "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]})
BAD = encode_json({"error": {"message": "no", "type": "server_error", "code": None}})
DOWN = GatewayError(ErrorKind.PROVIDER_UNREACHABLE, "The provider could not be reached.")


class Answer:
    """A whole reply (`core.ports.UpstreamReply`)."""

    reason = b""
    content_type = b"application/json"
    content_encoding = b""

    def __init__(self, status=200, headers=(), now_ns=0):
        self.status = status
        self.whole = GOOD if status == 200 else BAD
        self.content_length = len(self.whole)
        self.headers = [(b"content-type", b"application/json"), *headers]
        self.sent_ns = self.first_byte_ns = now_ns
        self.is_aborted = False

    def header_lines(self):
        return b"content-type: application/json\r\n"

    def attach(self, sink):
        sink.on_data(self.whole)
        sink.on_end()

    def pause(self):
        pass

    resume = pause

    def abort(self):
        self.is_aborted = True


class Caller:
    """A client's side of one exchange."""

    method = b"POST"
    target = b"/v1/chat/completions"
    is_chunked = is_upgrade = False
    peer = "192.0.2.1"
    memo = None

    def __init__(self, body, now_ns):
        self.body = encode_json(body)
        self.headers = [(b"authorization", b"Bearer " + KEY.encode()), (b"content-type", b"application/json")]
        self.content_length = len(self.body)
        self.received_ns = now_ns
        self.has_started = False
        self.status = 0

    def whole_body(self, limit):
        return self.body

    async def read_body(self, limit):
        return self.body

    def stream_body(self, limit):
        raise NotImplementedError

    def start(self, status, lines, length):
        self.has_started = True
        self.status = status

    def flush(self):
        pass

    def write(self, data):
        pass

    def end(self, data=b""):
        pass

    abort = flush

    def throttle(self, source):
        pass


class Traffic:
    """A gateway, its providers and what they were asked. `behaviours` say by provider what becomes of a call:
    `behave(now_s, credential, rng) -> (seconds, Answer or error)`."""

    def __init__(self, routes, behaviours, *, seed=0, n_keys=1, retry=None):
        self.rng = Random(seed)
        self.loop = VirtualTimeLoop()
        self.behaviours = behaviours
        self.calls = []
        """(time in s, provider, credential) of each call."""
        self.statuses = Counter()
        self.latencies = []
        self.records = []
        providers = tuple(self._provider(name, n_keys) for name in behaviours)
        key = VirtualKey("key_1", "traffic", digest_of(KEY.encode()))
        plan = Plan(1, providers, routes, (key,), retry=retry or RetryPolicy())
        self.gateway = Gateway(
            plan,
            upstream=self,
            key_source=None,
            responses=None,
            books=memory_books(),
            sink=self,
            clock=self,
            ids=CountingIds("sim"),
            rng=SystemRng(seed),
            control=None,
        )

    is_full = False

    def offer(self, record):
        self.records.append(record)

    def now_ns(self):
        return self.loop.now_ns

    def wall_ns(self):
        return self.now_ns() + 10**18

    def _provider(self, name, n_keys):
        credentials = tuple(Credential(f"{name}#{n}", Secret(f"sk-{name}-{n}")) for n in range(1, n_keys + 1))
        return Provider(name, {Dialect.OPENAI: Base(Origin("http", f"{name}.example", 80), "/v1")}, credentials=credentials)

    async def send(self, request):
        """`core.ports.Upstream`."""
        provider = request.origin.host.partition(".")[0]
        credential = request.head.partition(b"sk-")[2].partition(b"\r\n")[0].decode().replace("-", "#")
        now_s = self.loop.time()
        self.calls.append((now_s, provider, credential))
        seconds, outcome = self.behaviours[provider](now_s, credential, self.rng)
        await asyncio.sleep(seconds)
        if isinstance(outcome, GatewayError):
            raise GatewayError(outcome.kind, outcome.public)
        outcome.sent_ns = outcome.first_byte_ns = self.now_ns()
        return outcome

    def run(self, times, *, model="r", every_s=0.1):
        """So many requests, one each `every_s` seconds whether or not those before it were answered."""
        run_virtual(self._run(times, model, every_s), self.loop)
        return self

    async def _run(self, times, model, every_s):
        asking = []
        for _ in range(times):
            asking.append(asyncio.ensure_future(self._ask(model)))
            await asyncio.sleep(every_s)
        await asyncio.gather(*asking)

    async def _ask(self, model):
        began = self.loop.time()
        caller = Caller({"model": model, "messages": [{"role": "user", "content": "Hello"}]}, self.now_ns())
        await self.gateway.handle(caller)
        self.statuses[caller.status] += 1
        self.latencies.append((began, self.loop.time() - began, caller.status))


def failing(share, *, seconds=0.2, status=500):
    """A provider that fails by chance."""
    return lambda _now, _key, rng: (seconds, Answer(status) if rng.random() < share else Answer())


def out_between(start_s, end_s, *, seconds=0.2):
    """A provider that cannot be reached for a while."""
    return lambda now, _key, _rng: (0.01, DOWN) if start_s <= now < end_s else (seconds, Answer())


def well(seconds=0.2):
    """A provider that answers."""
    return lambda _now, _key, _rng: (seconds, Answer())
