"""What the supervisor and a worker say to each other over their socket pair: framed MessagePack, four bytes of length first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Generic, TypeVar, cast

import msgspec

from weighbridge.auth.virtual_keys import KeysDelta
from weighbridge.core.codec import encode_private, private_decoder
from weighbridge.core.own_keys import OwnKey
from weighbridge.core.payloads import Payload
from weighbridge.core.ports import TextSeen, TokensSeen
from weighbridge.core.terms import VirtualKey
from weighbridge.limits.leases import Granted, LeaseWant
from weighbridge.limits.shared import SharedLimitsPlace
from weighbridge.pipeline.plan import Plan
from weighbridge.routing.health_events import HealthEvent, TargetStatus
from weighbridge.telemetry.record_lines import RecordLines

_LENGTH: Final = 4
_MAX_FRAME: Final = 256 * 1024 * 1024
"""A plan with a million keys is about 200 MB; anything longer is a broken frame."""


class LedgerPlace(msgspec.Struct, frozen=True):
    """A worker's part of the ledger: where its journal goes, and which lane of the host's counters is its own."""

    table: str
    lane: int
    directory: str
    journal_id: str
    fsync: str
    """A `storage.ledger_journal.FsyncPolicy`."""


class Start(msgspec.Struct, frozen=True, tag="start"):
    """The first message to a worker: everything it needs to serve."""

    plan: Plan
    control_socket: str
    ledger: LedgerPlace
    cert_file: str | None = None
    key_file: str | None = None
    health: list[HealthEvent] = []
    """What is held against targets and keys: a new worker does not find it out anew."""
    shared_limits: SharedLimitsPlace | None = None
    """Where rate limits are kept that hosts share; None: they are this host's own."""


class SetPlan(msgspec.Struct, frozen=True, tag="set_plan"):
    """A new version of the configuration."""

    plan: Plan


class SetKeys(msgspec.Struct, frozen=True, tag="set_keys"):
    """Keys that were made, changed or revoked."""

    delta: KeysDelta


class SetOwnKeys(msgspec.Struct, frozen=True, tag="set_own_keys"):
    """What customers have brought, all of it: some were made, changed or deleted."""

    keys: tuple[OwnKey, ...]


class FoundKey(msgspec.Struct, frozen=True, tag="found_key"):
    """The answer to `FindKey`."""

    question: int
    key: VirtualKey | None


class FoundResponse(msgspec.Struct, frozen=True, tag="found_response"):
    """The answer to `FindResponse` and `ClaimResponse`."""

    question: int
    content: bytes | None


class Taken(msgspec.Struct, frozen=True, tag="taken"):
    """This many Records have been taken over."""

    n_records: int


class Drain(msgspec.Struct, frozen=True, tag="drain"):
    """Finish what is under way, for at most this long, then leave."""

    timeout_s: float


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The worker accepts connections."""

    version: int


class Applied(msgspec.Struct, frozen=True, tag="applied"):
    """The worker serves by this version of the configuration."""

    version: int


class FindKey(msgspec.Struct, frozen=True, tag="find_key"):
    """Does the store know a key with this digest?"""

    question: int
    digest: bytes


class AskLeases(msgspec.Struct, frozen=True, tag="ask_leases"):
    """Budgets that hosts share have too little on lease here."""

    question: int
    wants: tuple[LeaseWant, ...]


class GotLeases(msgspec.Struct, frozen=True, tag="got_leases"):
    """The answer to `AskLeases`: what came of each; None: nobody can say."""

    question: int
    granted: tuple[Granted, ...] | None


class CountTokens(msgspec.Struct, frozen=True, tag="count_tokens"):
    """How many tokens is that? Text that is counted and forgotten."""

    question: int
    seen: TextSeen


class CountedTokens(msgspec.Struct, frozen=True, tag="counted_tokens"):
    """The answer to `CountTokens`. None: there is no tokenizer."""

    question: int
    tokens: TokensSeen | None


class ListModels(msgspec.Struct, frozen=True, tag="list_models"):
    """What do the providers themselves list?"""

    question: int


class ListedModels(msgspec.Struct, frozen=True, tag="listed_models"):
    """The answer to `ListModels`: names by provider."""

    question: int
    names: dict[str, tuple[str, ...]]


class FindResponse(msgspec.Struct, frozen=True, tag="find_response"):
    """Does the store have this response of this key?"""

    question: int
    key_id: str
    response_id: str


class ClaimResponse(msgspec.Struct, frozen=True, tag="claim_response"):
    """What is kept under this name? It is forgotten by that. Answered by `FoundResponse`."""

    question: int
    response_id: str


class KeepResponse(msgspec.Struct, frozen=True, tag="keep_response"):
    """A response to keep for its next turn."""

    key_id: str
    response_id: str
    content: bytes


class KeepPayload(msgspec.Struct, frozen=True, tag="keep_payload"):
    """What was asked and answered, to be kept. `n_dropped` went before it for want of room on the way."""

    payload: Payload
    n_dropped: int


class ForgetResponse(msgspec.Struct, frozen=True, tag="forget_response"):
    """A response that its caller wants deleted."""

    key_id: str
    response_id: str


class Records(msgspec.Struct, frozen=True, tag="records"):
    """Settled accounts."""

    batch: RecordLines


class Pulse(msgspec.Struct, frozen=True, tag="pulse"):
    """How the worker is."""

    n_connections: int
    n_in_flight: int
    n_upstream_connections: int
    shared_limits_are_away: bool = False
    """Whether the limits that hosts share cannot be asked."""
    n_unknown_limits: int = 0
    """Times that a request had no answer of them."""


class HealthNews(msgspec.Struct, frozen=True, tag="health_news"):
    """What a worker has found out about targets and keys, for the host's other workers; both ways."""

    events: list[HealthEvent]


class Targets(msgspec.Struct, frozen=True, tag="targets"):
    """How a worker sees all the targets that it has asked."""

    statuses: list[TargetStatus]


class ClearHealth(msgspec.Struct, frozen=True, tag="clear_health"):
    """An operator says that a target or a provider key is well."""

    name: str


class TurnPage(msgspec.Struct, frozen=True, tag="turn_page"):
    """Begin the journal's next segment, so that the present one can be deleted."""


class Bug(msgspec.Struct, frozen=True, tag="bug"):
    """An exception that nothing expected. `trace` is for the log; it may name files, never values."""

    trace: str


ToWorker = (
    Start
    | SetPlan
    | SetKeys
    | SetOwnKeys
    | FoundKey
    | GotLeases
    | CountedTokens
    | ListedModels
    | FoundResponse
    | HealthNews
    | ClearHealth
    | Taken
    | TurnPage
    | Drain
)
FromWorker = (
    Ready
    | Applied
    | FindKey
    | AskLeases
    | CountTokens
    | ListModels
    | FindResponse
    | ClaimResponse
    | KeepResponse
    | KeepPayload
    | ForgetResponse
    | Records
    | HealthNews
    | Targets
    | Pulse
    | Bug
)
M = TypeVar("M")


class Channel(asyncio.Protocol, Generic[M]):
    """One end of the socket pair. `on_message` gets each message; `on_closed` is called when the other end is gone."""

    def __init__(self, kind: object, on_message: Callable[[M], None], on_closed: Callable[[], None]) -> None:
        self._decode = cast("Callable[[bytes], M]", private_decoder(cast("type[M]", kind)))
        self._on_message = on_message
        self._on_closed = on_closed
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The channel is open."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of messages."""
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= _LENGTH:
            length = int.from_bytes(buffer[start : start + _LENGTH], "big")
            if length > _MAX_FRAME:
                self.close()
                return
            end = start + _LENGTH + length
            if len(buffer) < end:
                break
            self._on_message(self._decode(bytes(buffer[start + _LENGTH : end])))
            start = end
        del buffer[:start]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the other end is gone, why makes no difference
        """The other process is gone."""
        self._transport = None
        self._on_closed()

    def send(self, message: msgspec.Struct) -> None:
        """Send a message; dropped when the other end is gone, which `on_closed` has told."""
        if self._transport is not None:
            frame = encode_private(message)
            self._transport.write(len(frame).to_bytes(_LENGTH, "big") + frame)

    @property
    def backlog(self) -> int:
        """Bytes that the other end has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def close(self) -> None:
        """Flush and close."""
        if self._transport is not None:
            self._transport.close()
