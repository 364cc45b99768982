"""What providers say themselves about their models: their lists, asked now and then, and never on a request's path.

A list is kept for an hour, a failure for a minute; what was listed before one stands meanwhile. Who asks gets an answer for every
provider, if only why there is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.codec import UNREADABLE, decode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Clock, Upstream, UpstreamReply, UpstreamRequest
from weighbridge.core.tasks import Signal, TaskSet
from weighbridge.core.terms import Deadlines, Dialect
from weighbridge.pipeline.plan import Plan
from weighbridge.pipeline.provider_head import heads_of, with_version
from weighbridge.providers.base import AuthStyle, Provider

LIST_TTL_NS: Final = 3600 * NS_PER_S
FAILURE_TTL_NS: Final = 60 * NS_PER_S
MAX_MODELS: Final = 5_000
"""Of one provider. The largest known list, of a host of everybody's models, has 22,000: nobody reads those to the end."""
MAX_LIST_BYTES: Final = 16 * 1024 * 1024
"""OpenRouter's list, with descriptions and prices of 400 models, has about 1 MB."""
MAX_NAME_CHARACTERS: Final = 200
MAX_AT_ONCE: Final = 16
"""Lists that are asked at a time."""
_DEADLINES: Final = Deadlines(
    connect_ns=5 * NS_PER_S, first_byte_ns=10 * NS_PER_S, between_bytes_ns=10 * NS_PER_S, total_ns=20 * NS_PER_S
)
IDENTITIES: Final = frozenset((AuthStyle.AWS, AuthStyle.GOOGLE, AuthStyle.ENTRA))
_OWN_LINES: Final = {Dialect.ANTHROPIC: b"anthropic-version: 2023-06-01\r\n"}
_COMMON_LINES: Final = b"accept: application/json\r\naccept-encoding: identity\r\n"


class LiveList(msgspec.Struct, frozen=True):
    """What one provider answered: its models' names, and, where it did not, why (`error`, a sentence without a key): then the names
    are those that it listed before."""

    provider: str
    models: tuple[str, ...] = ()
    error: str = ""


class LiveModels:
    """Asks providers for their lists over `upstream` and remembers them. Each provider is asked once at a time."""

    def __init__(self, upstream: Upstream, clock: Clock, tasks: TaskSet) -> None:
        self._upstream = upstream
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._tasks = tasks
        self._asking: dict[str, tuple[object, asyncio.Task[LiveList]]] = {}
        self._turns = asyncio.Semaphore(MAX_AT_ONCE)

    async def lists(self, providers: Iterable[Provider]) -> list[LiveList]:
        """The list of each provider that has one, in order; from memory while it is fresh."""
        found = [self._fresh(provider) or self._begin(provider) for provider in self._known_only(providers)]
        return [each if isinstance(each, LiveList) else await each for each in found]

    async def known(self, providers: Iterable[Provider], *, within_s: float) -> list[LiveList]:
        """The lists that are here within a time. Who takes longer is left out, or told as it was before, and asked all the same."""
        asked = self._known_only(providers)
        found = [self._fresh(provider) or self._begin(provider) for provider in asked]
        if waiting := [each for each in found if isinstance(each, asyncio.Task)]:
            await asyncio.wait(waiting, timeout=within_s)
        return [self._kept[provider.name].answer for provider in asked if provider.name in self._kept]

    def _known_only(self, providers: Iterable[Provider]) -> list[Provider]:
        """Who is asked. Whoever left the configuration, or asks another question now, is forgotten: so the table has its bound."""
        asked = {provider.name: provider for provider in providers if is_asked(provider)}
        self._kept = {name: kept for name, kept in self._kept.items() if name in asked and kept.question == _question(asked[name])}
        return list(asked.values())

    def _fresh(self, provider: Provider) -> LiveList | None:
        kept = self._kept.get(provider.name)
        return kept.answer if kept is not None and self._clock.now_ns() < kept.expires_ns else None

    def _begin(self, provider: Provider) -> asyncio.Task[LiveList]:
        question = _question(provider)
        begun = self._asking.get(provider.name)
        if begun is not None and begun[0] == question:
            return begun[1]
        asking = self._tasks.spawn(self._list(provider))
        self._asking[provider.name] = (question, asking)
        asking.add_done_callback(lambda done: self._over(provider.name, done))
        return asking

    def _over(self, name: str, done: asyncio.Task[LiveList]) -> None:
        begun = self._asking.get(name)
        if begun is not None and begun[1] is done:
            del self._asking[name]

    async def _list(self, provider: Provider) -> LiveList:
        now_ns = self._clock.now_ns()
        async with self._turns:
            answer = await self._ask(provider)
        asked = self._asking.get(provider.name)
        if asked is not None and asked[0] != _question(provider):
            return answer  # the configuration is another one by now, and so is the question
        if answer.error and (before := self._kept.get(provider.name)) is not None:
            answer = LiveList(provider.name, before.answer.models, answer.error)
        expires_ns = now_ns + (FAILURE_TTL_NS if answer.error else LIST_TTL_NS)
        self._kept[provider.name] = _Kept(expires_ns, _question(provider), answer)
        return answer

    async def _ask(self, provider: Provider) -> LiveList:
        if provider.auth in IDENTITIES:
            return LiveList(provider.name, error="it is asked by an account, and its list only with a key")
        try:
            reply = await self._upstream.send(list_request(provider))
            body = await body_of(reply)
        except GatewayError as error:
            return LiveList(provider.name, error=error.public)
        if reply.status != 200:
            return LiveList(provider.name, error=f"it answered with the status {reply.status}")
        names = model_names(body)
        return (
            LiveList(provider.name, names)
            if names is not None
            else LiveList(provider.name, error="its answer is no list of models")
        )


class _Kept(NamedTuple):
    """Until when an answer counts, and to what question it is the answer."""

    expires_ns: int
    question: object
    answer: LiveList


def _question(provider: Provider) -> object:
    return (provider.bases, provider.auth, provider.credentials, provider.headers, provider.lists_models)


def is_asked(provider: Provider) -> bool:
    """Whether a provider has a list to ask for. What is built in has none: its models are configured."""
    return bool(provider.lists_models) and next(iter(provider.bases.values())).origin.scheme != "demo"


def with_live_models(plan: Plan, lists: Sequence[LiveList]) -> Plan:
    """The plan with what providers listed, so that `/v1/models` shows it. What the operator wrote for `models` stands as it is."""
    names = {answer.provider: answer.models for answer in lists}
    providers = tuple(_listed(provider, names) for provider in plan.providers)
    return msgspec.structs.replace(plan, providers=providers)


def model_names(body: bytes) -> tuple[str, ...] | None:
    """The names in a list of models, in order. None if it is no such list.

    OpenAI and Anthropic have them in `data`, Google, Cohere and Ollama in `models`; Together's is a plain list.
    """
    try:
        read = decode_json(body)
    except UNREADABLE:
        return None
    if isinstance(read, dict):
        read = read.get("data", read.get("models"))
    if not isinstance(read, list):
        return None
    names = (_name(entry) for entry in read)
    # A dict keeps the order and drops what is listed twice.
    return tuple(dict.fromkeys(name for name in names if name))[:MAX_MODELS]


def _name(entry: object) -> str:
    name = next((entry[key] for key in ("id", "name", "model") if entry.get(key)), "") if isinstance(entry, dict) else entry
    if not isinstance(name, str) or len(name) > MAX_NAME_CHARACTERS or not name.isprintable() or " " in name:
        return ""
    return name.removeprefix("models/")


def _listed(provider: Provider, names: Mapping[str, tuple[str, ...]]) -> Provider:
    own = set(provider.models)
    live = tuple(name for name in names.get(provider.name, ()) if name not in own)
    return msgspec.structs.replace(provider, live_models=live)


def list_request(provider: Provider, turn: int = 0) -> UpstreamRequest:
    """What asks a provider for its list, with the key whose turn it is."""
    dialect = next(iter(provider.bases))
    base = provider.bases[dialect]
    path = (with_version(base.path, dialect) + provider.lists_models).encode()
    lines = heads_of(provider, base.origin)[turn] + _OWN_LINES.get(dialect, b"") + _COMMON_LINES
    return UpstreamRequest(b"GET", base.origin, b"GET %b HTTP/1.1\r\n%b" % (path, lines), [], 0, _DEADLINES)


class _Collected:
    """A `ByteSink` that keeps everything, within a bound."""

    def __init__(self, reply: UpstreamReply, max_bytes: int) -> None:
        self._reply = reply
        self._max_bytes = max_bytes
        self.body = bytearray()
        self.ended = Signal()

    def on_data(self, data: bytes) -> None:
        """The next bytes."""
        self.body += data
        if len(self.body) > self._max_bytes:
            self._reply.abort()
            self.ended.set(GatewayError(ErrorKind.PROVIDER_MALFORMED, f"The answer is longer than {self._max_bytes} bytes."))

    def on_end(self) -> None:
        """All has come."""
        self.ended.set()

    def on_error(self, error: GatewayError) -> None:
        """It broke off."""
        self.ended.set(error)


async def body_of(reply: UpstreamReply, max_bytes: int = MAX_LIST_BYTES) -> bytes:
    """All of a reply. Raises `GatewayError` where it breaks off or is too long."""
    if reply.whole is not None:
        return reply.whole
    collected = _Collected(reply, max_bytes)
    reply.attach(collected)
    await collected.ended
    return bytes(collected.body)
