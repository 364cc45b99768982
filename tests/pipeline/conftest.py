"""A gateway over fakes of its ports: a client, providers, a clock that moves a microsecond a reading, and one list of events."""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec
import pytest

from weighbridge.auth.virtual_keys import digest_of
from weighbridge.core.clock import SystemRng
from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.routes import RetryPolicy, plain_route
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Deployment, Dialect, Origin, VirtualKey
from weighbridge.limits.leases import NoLessor
from weighbridge.limits.table import Table, Unlocked
from weighbridge.pipeline.bookkeeper import Bookkeeper
from weighbridge.pipeline.gateway import Gateway
from weighbridge.pipeline.headers import returned_lines
from weighbridge.pipeline.plan import Plan
from weighbridge.providers.base import AuthStyle, Base, Credential, Provider
from weighbridge.testing.books import MemoryJournal, memory_table

KEY = "wb-" + "k" * 43
PROVIDER_KEYS = {"openai": "sk-of-openai", "anthropic": "sk-ant-of-anthropic", "gemini": "AIza-of-gemini", "groq": "gsk-of-groq"}
WALL_NS = 1_800_000_000_000_000_000
CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
CONTROL = Origin("unix", "control.sock")


def provider(name, bases, auth=AuthStyle.BEARER, **facts):
    origins = {d: Base(Origin("https", f"api.{name}.example", 443), path) for d, path in bases.items()}
    credentials = (Credential(f"{name}#1", Secret(PROVIDER_KEYS[name])),) if name in PROVIDER_KEYS else ()
    return Provider(name, origins, auth, **{"credentials": credentials, **facts})


OPENAI = provider("openai", {Dialect.OPENAI: "/v1"}, models=("gpt-4o", "gpt-4o-mini"), patterns=("gpt-*", "text-*", "whisper-*"))
ANTHROPIC = provider("anthropic", {Dialect.ANTHROPIC: ""}, AuthStyle.X_API_KEY, patterns=("claude-*",))
GEMINI = provider(
    "gemini", {Dialect.GEMINI: "", Dialect.OPENAI: "/v1beta/openai"}, AuthStyle.X_GOOG_API_KEY, patterns=("gemini-*", "embedding-*")
)
GROQ = provider("groq", {Dialect.OPENAI: "/openai/v1"}, models=("llama-3",))
ONCE = RetryPolicy(max_attempts=1)
"""What fails is told: most tests look at one attempt."""
ROUTES = (plain_route("smart", Deployment("openai", "gpt-4o"), Deployment("anthropic", "claude-4")),)


def virtual_key(secret=KEY, **facts):
    return VirtualKey(**{"id": "key_1", "name": "tests", "digest": digest_of(secret.encode()), **facts})


class Clock:
    def __init__(self):
        self.now = 5_000_000_000
        self.wall = WALL_NS

    def now_ns(self):
        self.now += 1_000
        return self.now

    def wall_ns(self):
        return self.wall


class Ids:
    def __init__(self):
        self.count = 0

    def request_id(self):
        self.count += 1
        return f"req_{self.count}"


class KeySource:
    def __init__(self):
        self.keys = {}
        self.asked = []

    async def find(self, digest):
        self.asked.append(digest)
        await asyncio.sleep(0)
        return self.keys.get(digest)


class Responses:
    """Keeps responses as the store does."""

    def __init__(self):
        self.kept = {}

    async def find(self, key_id, response_id):
        await asyncio.sleep(0)
        return self.kept.get((key_id, response_id))

    def keep(self, key_id, response_id, content):
        self.kept[key_id, response_id] = content

    def forget(self, key_id, response_id):
        self.kept.pop((key_id, response_id), None)

    async def claim(self, response_id):
        await asyncio.sleep(0)
        return next((self.kept.pop(each) for each in list(self.kept) if each[1] == response_id), None)


class Sink:
    def __init__(self, events):
        self.records = []
        self.is_full = False
        self._events = events

    def offer(self, record):
        self.records.append(record)
        self._events.append(("record", record))


class Pipe:
    """The other side of a connection that has left HTTP."""

    def __init__(self, sink):
        self.sink = sink
        self.written = b""
        self.is_closed = False
        self.is_paused = False
        self.source = None

    def pause(self):
        self.is_paused = True

    def resume(self):
        self.is_paused = False

    def write(self, data):
        self.written += data

    def close(self):
        self.is_closed = True

    def throttle(self, source):
        self.source = source


class Client:
    """One request and what its sender sees of the reply."""

    def __init__(self, events, method, target, headers, body, *, is_upgrade=False, is_chunked=False, received_ns=0):
        self.method = method.encode()
        self.target = target.encode()
        self.headers = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in headers]
        self.content_length = None if is_chunked else len(body)
        self.is_chunked = is_chunked
        self.is_upgrade = is_upgrade
        self.has_left = False
        self.received_ns = received_ns
        self.peer = "192.0.2.7"
        self.sent = body
        self.has_started = False
        self.status = 0
        self.length = None
        self.raw_head = b""
        self.body = b""
        self.is_ended = False
        self.is_aborted = False
        self.source = None
        self.pipe = None
        self.early = b""
        """What has come behind the offer of another protocol."""
        self.body_error = None
        self.memo = None
        self._events = events

    def whole_body(self, limit):
        return None

    async def read_body(self, limit):
        await asyncio.sleep(0)
        if self.body_error is not None:
            raise self.body_error
        return self.sent

    def stream_body(self, limit):
        return self

    def attach(self, sink):
        sink.on_data(self.sent)
        sink.on_end()

    def start(self, status, header_lines, length):
        assert not self.has_started, "a second reply"
        self.has_started = True
        self.status, self.raw_head, self.length = status, header_lines, length
        self._events.append(("start", status))

    def flush(self):
        pass

    def write(self, data):
        assert self.has_started
        assert not self.is_ended
        self.body += data
        self._events.append(("write", data))

    def end(self, data=b""):
        assert self.has_started
        assert not self.is_ended
        assert not self.is_aborted
        self.body += data
        self.is_ended = True
        self._events.append(("end", data))

    def abort(self):
        self.is_aborted = True
        self._events.append(("abort", b""))

    def throttle(self, source):
        self.source = source

    def take_over(self, sink):
        if self.has_left:
            raise GatewayError(ErrorKind.CLIENT_CLOSED, "The client closed the connection.")
        self.pipe = Pipe(sink)
        if self.early:
            sink.on_data(self.early)
        return self.pipe

    @property
    def lines(self):
        """The reply's headers in order."""
        return [tuple(line.split(b": ", 1)) for line in self.raw_head.split(b"\r\n")[:-1]]

    @property
    def fields(self):
        return {name.decode(): value.decode() for name, value in self.lines}

    @property
    def json(self):
        return decode_json(self.body)


class Reply:
    """A provider's reply: what has come already, and then, if it `is_open`, what the test lets come."""

    def __init__(
        self, chunks=(), *, status=200, headers=(("content-type", "application/json"),), length=None, error=None, is_open=False
    ):
        self.status = status
        self.reason = b""
        self.headers = [(name.encode(), value.encode()) for name, value in headers]
        self.content_length = length
        fields = dict(self.headers)
        self.content_type = fields.get(b"content-type", b"")
        self.content_encoding = fields.get(b"content-encoding", b"")
        self.whole = None
        self.sent_ns = 5_000_500_000
        self.first_byte_ns = 5_000_600_000
        self.is_aborted = False
        self.pipe = None
        self.sink = None
        self._chunks = chunks
        self._error = error
        self._is_open = is_open
        self.attached = asyncio.Event()

    def header_lines(self):
        return returned_lines(self.headers)

    def attach(self, sink):
        self.sink = sink
        for chunk in self._chunks:
            sink.on_data(chunk)
        if self._error is not None:
            sink.on_error(self._error)
        elif not self._is_open:
            sink.on_end()
        if not self._is_open:
            self.sink = None
        self.attached.set()

    def pause(self):
        pass

    def resume(self):
        pass

    def abort(self):
        self.is_aborted = True

    def take_over(self, sink):
        self.pipe = Pipe(sink)
        self.attached.set()
        return self.pipe


class Upstream:
    """Plays its script, a reply or an error for each request; nothing left means an empty JSON object."""

    def __init__(self):
        self.script = deque()
        self.requests = []
        self.bodies = []
        self.usual = b"{}"
        self.was_cancelled = False
        self.asked = asyncio.Event()

    async def send(self, request):
        self.requests.append(request)
        self.bodies.append(_bytes_of(request.body))
        self.asked.set()
        answer = self.script.popleft() if self.script else Reply([self.usual], length=len(self.usual))
        try:
            await asyncio.sleep(0)
            if answer is None:
                await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        if isinstance(answer, BaseException):
            raise answer
        return answer


class _Collector:
    def __init__(self):
        self.body = b""

    def on_data(self, data):
        self.body += data

    def on_end(self):
        pass


def _bytes_of(body):
    if isinstance(body, list):
        return b"".join(body)
    collector = _Collector()
    body.attach(collector)
    return collector.body


class TokenCounter:
    """Answers each question at once with `answer`, or never where that is `...`."""

    def __init__(self):
        self.asked = []
        self.answer = None

    def count(self, seen, on_answer):
        self.asked.append(seen)
        if self.answer is not ...:
            on_answer(self.answer)


class Lessor:
    """Asks whatever a test has put in its place."""

    def __init__(self):
        self.of = NoLessor()

    async def ask(self, wants):
        return await self.of.ask(wants)


class World:
    """A gateway, and everything around it."""

    key = KEY

    def lend(self, counter, amount):
        """As the control plane does it."""
        Table(self.table._cells, Unlocked(), 0).lend(counter, amount)

    def __init__(
        self,
        *,
        providers=(OPENAI, ANTHROPIC, GEMINI, GROQ),
        routes=ROUTES,
        keys=None,
        control=CONTROL,
        version=7,
        shared_limits=None,
        model_lister=None,
        **plan,
    ):
        self.events = []
        self.clock = Clock()
        self.sink = Sink(self.events)
        self.upstream = Upstream()
        self.key_source = KeySource()
        self.responses = Responses()
        self.journal = MemoryJournal()
        self.table = memory_table()
        self.lessor = Lessor()
        self.counter = TokenCounter()
        keys = (virtual_key(),) if keys is None else keys
        plan = {"retry": ONCE, **plan}
        # As the compiler of the configuration does it: a route that says nothing takes the plan's.
        routes = tuple(msgspec.structs.replace(r, retry=plan["retry"]) if r.retry == RetryPolicy() else r for r in routes)
        self.plan = Plan(version, providers, routes, keys, **plan)
        self.gateway = Gateway(
            self.plan,
            upstream=self.upstream,
            key_source=self.key_source,
            responses=self.responses,
            books=Bookkeeper(self.table, self.journal, self.lessor, shared_limits),
            sink=self.sink,
            clock=self.clock,
            ids=Ids(),
            rng=SystemRng(0),
            control=control,
            token_counter=self.counter,
            model_lister=model_lister,
        )

    def client(self, method, target, body=b"", headers=(), *, auth=True, **facts):
        given = [("host", "gateway.example"), *headers]
        if auth:
            given.append(("authorization", f"Bearer {KEY}"))
        body = body if isinstance(body, bytes) else encode_json(body)
        return Client(self.events, method, target, given, body, received_ns=self.clock.now_ns(), **facts)

    async def ask(self, method, target, body=b"", headers=(), **facts):
        client = self.client(method, target, body, headers, **facts)
        await self.gateway.handle(client)
        return client

    async def chat(self, *, headers=(), **fields):
        return await self.ask("POST", "/v1/chat/completions", {**CHAT, **fields}, headers)

    def will_reply(self, *chunks, **facts):
        reply = Reply(chunks, **facts)
        self.upstream.script.append(reply)
        return reply

    def will_stream(self, *chunks, **facts):
        return self.will_reply(*chunks, headers=(("content-type", "text/event-stream"),), **facts)

    @property
    def record(self):
        (record,) = self.sink.records
        return record

    @property
    def request_line(self):
        return self.upstream.requests[-1].head.split(b"\r\n")[0].decode()

    @property
    def sent_headers(self):
        """The last request's header lines, in order."""
        return [tuple(line.split(b": ", 1)) for line in self.upstream.requests[-1].head.split(b"\r\n")[1:-1]]

    @property
    def sent_body(self):
        return self.upstream.bodies[-1]

    virtual_key = staticmethod(virtual_key)
    provider = staticmethod(provider)


@pytest.fixture
def world():
    return World()


@pytest.fixture(name="build")
def world_class():
    """To build a world other than the usual one."""
    return World
