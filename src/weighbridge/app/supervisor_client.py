"""A worker's questions to its supervisor: unknown keys, kept responses, leases, tokens, and what providers list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Generic, TypeVar

import msgspec

from weighbridge.control.channel import (
    AskLeases,
    ClaimResponse,
    CountedTokens,
    CountTokens,
    FindKey,
    FindResponse,
    ForgetResponse,
    FoundKey,
    FoundResponse,
    GotLeases,
    KeepPayload,
    KeepResponse,
    ListedModels,
    ListModels,
)
from weighbridge.core.payloads import Payload
from weighbridge.core.ports import TextSeen, TokensSeen
from weighbridge.core.terms import VirtualKey
from weighbridge.limits.leases import Granted, LeaseWant

_QUESTION_S: Final = 5.0
"""How long a request waits for the store; then what it asked for counts as unknown."""

_COUNT_S: Final = 2.0
"""How long a settlement waits for its tokens to be counted; then its estimate is made of bytes. Usually that is milliseconds, but
the first time the tokenizer has to be loaded. Nobody waits with it: the client has gone, or its stream is broken."""
_MAX_COUNTS: Final = 64
"""Texts on their way at a time: when a provider breaks off all its streams at once, most are estimated by their bytes."""
_MAX_BACKLOG: Final = 8_000_000
"""Bytes on their way to the supervisor, beyond which payloads are not sent."""

A = TypeVar("A")
Send = Callable[[msgspec.Struct], None]


class _Questions(Generic[A]):
    """Questions under way, by number."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: dict[int, asyncio.Future[A | None]] = {}
        self._count = 0

    async def ask(self, make: Callable[[int], msgspec.Struct]) -> A | None:
        """Send a question that carries its number, and wait for the answer."""
        self._count += 1
        number = self._count
        waiting: asyncio.Future[A | None] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        self._send(make(number))
        try:
            async with asyncio.timeout(_QUESTION_S):
                return await waiting
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(number, None)

    def answered(self, number: int, answer: A | None) -> None:
        """The supervisor has answered."""
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)


class KeyQuestions:
    """`core.ports.KeySource` by way of the supervisor."""

    def __init__(self, send: Send) -> None:
        self._questions: _Questions[VirtualKey] = _Questions(send)

    async def find(self, digest: bytes) -> VirtualKey | None:
        """Ask for the key with this digest."""
        return await self._questions.ask(lambda number: FindKey(number, digest))

    def answered(self, message: FoundKey) -> None:
        """The answer."""
        self._questions.answered(message.question, message.key)


class LeaseQuestions:
    """`limits.leases.Lessor` by way of the supervisor."""

    def __init__(self, send: Send) -> None:
        self._questions: _Questions[tuple[Granted, ...]] = _Questions(send)

    async def ask(self, wants: Sequence[LeaseWant]) -> Sequence[Granted] | None:
        """Ask for what budgets lack here."""
        return await self._questions.ask(lambda number: AskLeases(number, tuple(wants)))

    def answered(self, message: GotLeases) -> None:
        """The answer."""
        self._questions.answered(message.question, message.granted)


class ModelQuestions:
    """`core.ports.ModelLister` by way of the supervisor."""

    def __init__(self, send: Send) -> None:
        self._questions: _Questions[Mapping[str, tuple[str, ...]]] = _Questions(send)

    async def names(self) -> Mapping[str, tuple[str, ...]]:
        """Ask what the providers list; nothing where no answer comes."""
        return await self._questions.ask(ListModels) or {}

    def answered(self, message: ListedModels) -> None:
        """The answer."""
        self._questions.answered(message.question, message.names)


class PayloadSender:
    """`core.payloads.PayloadKeeper` by way of the supervisor. `backlog` is what waits to be sent to it."""

    def __init__(self, send: Send, backlog: Callable[[], int]) -> None:
        self._send = send
        self._backlog = backlog
        self._n_dropped = 0

    def keep(self, payload: Payload) -> None:
        """Send it; behind too much else it is dropped, since Records wait on the same way."""
        if self._backlog() > _MAX_BACKLOG:
            self._n_dropped += 1
            return
        self._send(KeepPayload(payload, self._n_dropped))
        self._n_dropped = 0


class TokenQuestions:
    """`core.ports.TokenCounter` by way of the supervisor."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: dict[int, tuple[Callable[[TokensSeen | None], None], asyncio.TimerHandle]] = {}
        self._count = 0

    def count(self, seen: TextSeen, on_answer: Callable[[TokensSeen | None], None]) -> None:
        """Ask how many tokens that is."""
        if len(self._waiting) >= _MAX_COUNTS:
            on_answer(None)
            return
        self._count += 1
        timer = asyncio.get_running_loop().call_later(_COUNT_S, self._answer, self._count, None)
        self._waiting[self._count] = (on_answer, timer)
        self._send(CountTokens(self._count, seen))

    def answered(self, message: CountedTokens) -> None:
        """The answer."""
        self._answer(message.question, message.tokens)

    def _answer(self, number: int, tokens: TokensSeen | None) -> None:
        on_answer, timer = self._waiting.pop(number, (None, None))
        if timer is not None and on_answer is not None:
            timer.cancel()
            on_answer(tokens)


class ResponseQuestions:
    """`core.ports.ResponseKeeper` by way of the supervisor."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._questions: _Questions[bytes] = _Questions(send)

    async def find(self, key_id: str, response_id: str) -> bytes | None:
        """Ask for a kept response."""
        return await self._questions.ask(lambda number: FindResponse(number, key_id, response_id))

    async def claim(self, response_id: str) -> bytes | None:
        """Ask for what is kept, once."""
        return await self._questions.ask(lambda number: ClaimResponse(number, response_id))

    def keep(self, key_id: str, response_id: str, content: bytes) -> None:
        """Have a response kept."""
        self._send(KeepResponse(key_id, response_id, content))

    def forget(self, key_id: str, response_id: str) -> None:
        """Have a response deleted."""
        self._send(ForgetResponse(key_id, response_id))

    def answered(self, message: FoundResponse) -> None:
        """The answer."""
        self._questions.answered(message.question, message.content)
