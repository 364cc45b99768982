"""One request on its journey: what the steps have found out so far. Each step reads what the ones before it wrote."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Downstream, TokensSeen, UpstreamReply
from weighbridge.core.terms import NO_USAGE, Attempt, Dialect, Endpoint, Operation, Usage, VirtualKey
from weighbridge.ledger.pricing import Extent
from weighbridge.ledger.terms import Pending
from weighbridge.pipeline.account import NOBODY, Account, Holding
from weighbridge.pipeline.sample import Sample
from weighbridge.pipeline.snapshot import Snapshot
from weighbridge.pipeline.target import Target
from weighbridge.wire.conversation import Conversation
from weighbridge.wire.embeddings.terms import EmbeddingRequest
from weighbridge.wire.endpoints import Match
from weighbridge.wire.envelope import Envelope, Splice
from weighbridge.wire.gemini_body import InnerModel
from weighbridge.wire.meter import Meter
from weighbridge.wire.multipart import FormField
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.rerank.terms import RerankRequest

if TYPE_CHECKING:
    from weighbridge.pipeline.file_batch import FileWatch
    from weighbridge.pipeline.head_memo import HeadMemo
    from weighbridge.pipeline.held_relay import HeldRelay
    from weighbridge.pipeline.race import Race
    from weighbridge.pipeline.relay import Relay
    from weighbridge.pipeline.said import Said
    from weighbridge.pipeline.witness import Witness

UNMATCHED = Endpoint(Dialect.OPENAI, Operation.RAW)
_OPENAI = Dialect.OPENAI


class Batch(NamedTuple):
    """The requests of a batch: the most that all of them may take and cost, in nano-dollars, and what is to be changed in them."""

    extent: Extent
    nanousd: int
    splices: list[Splice]
    edits: list[str]


class Exchange:
    """The state of one exchange. Written by the steps of `Gateway.handle`, in their order, and read by `settle`.

    What every request reads has a slot: reading a default of the class takes 28 ns in Python 3.11, filling and reading a slot
    11. What only some have is a default of the class.
    """

    __slots__ = (
        "__dict__",
        "account",
        "attempts",
        "body",
        "credential_turn",
        "decided_ns",
        "dialect",
        "downstream",
        "edits",
        "edits_reply",
        "endpoint",
        "envelope",
        "error",
        "fields",
        "finish_reason",
        "first_byte_ns",
        "has_preferences",
        "head_memo",
        "holding",
        "is_admitted",
        "is_settled",
        "is_stream",
        "key",
        "match",
        "meter",
        "overhead_ns",
        "path",
        "query",
        "relay",
        "reply",
        "reply_bytes",
        "request_bytes",
        "request_id",
        "requested_model",
        "snapshot",
        "start_wall_ns",
        "status",
        "target",
        "usage",
        "waited_ns",
    )

    form_field: FormField | None = None
    inner_models: Sequence[InnerModel] = ()
    raw_body: bytes = b""
    """The request body as it came, where it came compressed."""
    conversation: Conversation | None = None
    """The request as read, where it is translated."""
    document: EmbeddingRequest | RerankRequest | None = None
    """The same of a request that is answered by one document."""
    reading_receipt: Receipt | None = None
    """What reading it lost."""
    previous_response_id: str | None = None
    """The response that this one goes on from, where the gateway has put it before the input."""
    route_name: str = ""
    """The route by which it was decided."""
    is_strict: bool = False
    """Its route refuses a translation that would lose something."""
    sort: str | None = None
    """How the name that was asked for wants targets sorted (`smart:floor`)."""
    race: Race | None = None
    """Another attempt may run beside this one: whoever asks it first may answer."""
    said: Said | None = None
    """What the caller has been told so far, where another provider may go on with it."""
    verdict: GatewayError | None = None
    """What the provider's own error means, where it was sent to the caller as it came."""
    sample: Sample | None = None
    """The beginning of the reply, where its tokens may have to be counted."""
    counted: TokensSeen | None = None
    """What a tokenizer says of the attempt that is over, where its provider has not."""
    witness: Witness | None = None
    """Who remembers the reply, where payloads are kept."""
    batch: Batch | None = None
    """What the requests of a batch may take, where that is known."""
    file_watch: FileWatch | None = None
    """Who looks at the file that is uploaded."""
    pending: Pending | None = None
    """The response goes on in the background: what its attempt counts for."""
    claimed: Pending | None = None
    """A response was fetched that went on in the background: its charge is this exchange's."""
    output_cap: int = 0
    """The bound that the gateway sets on each answer's tokens; 0: none."""
    withholds_usage: bool = False
    """The usage chunk was asked for by us, so it is kept from the client."""

    def __init__(self, downstream: Downstream, snapshot: Snapshot, request_id: str, start_wall_ns: int) -> None:
        self.downstream = downstream
        self.snapshot = snapshot
        self.request_id = request_id
        self.start_wall_ns = start_wall_ns
        self.path, _, self.query = downstream.target.partition(b"?")
        self.fields: dict[bytes, bytes] = {}
        """Header values by name; where a name is repeated, the last. What is forwarded is `downstream.headers`."""
        self.head_memo: HeadMemo | None = None
        self.dialect = _OPENAI
        self.endpoint = UNMATCHED
        self.match: Match | None = None
        self.key: VirtualKey | None = None
        self.body: bytes | None = None
        """The whole request body, decoded if it came compressed; None while it is not held."""
        self.envelope: Envelope | None = None
        self.requested_model = ""
        self.has_preferences = False
        """The body says who may serve it, in OpenRouter's words (`provider`, `models`)."""
        self.is_stream = False
        self.edits: list[str] = []
        """What the gateway changed, by name: goes out in `x-weighbridge-edits`."""
        self.edits_reply = False
        """Something in the reply will be changed, so it must not come compressed."""
        self.target: Target | None = None
        self.credential_turn = 0
        self.reply: UpstreamReply | None = None
        self.relay: Relay | HeldRelay | None = None
        self.meter: Meter | None = None
        self.account: Account = NOBODY
        """Whom it counts for, once it is admitted."""
        self.holding: Holding | None = None
        """What the attempt that is under way may use."""
        self.attempts: list[Attempt] = []
        self.usage: Usage = NO_USAGE
        self.finish_reason: str | None = None
        self.error: GatewayError | None = None
        self.status = 0
        self.request_bytes = 0
        self.reply_bytes = 0
        self.decided_ns = 0
        """Monotonic time at which the latest attempt was handed to the HTTP client."""
        self.waited_ns = 0
        """Of the time until then, what earlier attempts and the waits between them took."""
        self.first_byte_ns = 0
        self.overhead_ns = 0
        self.is_settled = False
        self.is_admitted = False
        """It holds one of the worker's places."""

    @property
    def key_id(self) -> str:
        """Who pays."""
        return self.key.id if self.key is not None else ""

    def forget_attempt(self) -> None:
        """Back to what was known before the attempt that failed: the next one starts from the request itself."""
        self.forget_reply()
        self.relay = None
        self.said = None
        self.status = self.reply_bytes = self.first_byte_ns = 0
        self.withholds_usage = self.edits_reply = False

    def forget_reply(self) -> None:
        """The next attempt goes on with what the caller has already."""
        self.reply = None
        self.meter = None
        self.usage = NO_USAGE
        self.finish_reason = None
        self.error = None
        self.sample = self.counted = None

    def let_go(self) -> None:
        """It is over. What points back at it is dropped, so that it is gone at once with its bodies: in a cycle it would wait for
        the garbage collector, which took 46 µs of CPU a request and stopped a worker for up to 80 ms at a time."""
        self.relay = self.holding = self.said = None

    def fork(self) -> Exchange:
        """The same request for an attempt beside this one: it shares the client, and nothing that an attempt finds out."""
        other = copy.copy(self)
        other.attempts = []
        other.edits = []
        other.head_memo = None
        other.holding = None
        other.forget_attempt()
        return other

    def adopt(self, other: Exchange) -> None:
        """Take over what an attempt on a fork has found out."""
        for name in _OF_AN_ATTEMPT:
            setattr(self, name, getattr(other, name))

    def header(self, name: bytes) -> bytes:
        """A header's value, or nothing."""
        return self.fields.get(name, b"")


_OF_AN_ATTEMPT: Final = (
    "credential_turn",
    "decided_ns",
    "document",
    "edits",
    "edits_reply",
    "error",
    "finish_reason",
    "first_byte_ns",
    "holding",
    "meter",
    "output_cap",
    "overhead_ns",
    "relay",
    "reply",
    "reply_bytes",
    "said",
    "sample",
    "status",
    "target",
    "usage",
    "withholds_usage",
)


def client_gone() -> GatewayError:
    """The client closed the connection before it had its reply."""
    return GatewayError(ErrorKind.CLIENT_CLOSED, "The client closed the connection.")


def lost_race() -> GatewayError:
    """Another attempt beside this one answered first. Nobody is told but the account."""
    return GatewayError(ErrorKind.CLIENT_CLOSED, "Another target answered first.")


def gateway_failed(bug: BaseException) -> GatewayError:
    """A bug of ours, for the account; its text may hold anything, so that only its type is kept."""
    return GatewayError(ErrorKind.INTERNAL, "The gateway failed.", detail=type(bug).__name__)


_MAX_ATTEMPTS_TOLD: Final = 16
"""In the header: there is a bound on attempts, but an operator may set it high."""


def attempts_line(exchange: Exchange) -> bytes:
    """The header that tells who was asked before the one that answers, and why that was not the end."""
    failed = exchange.attempts[:_MAX_ATTEMPTS_TOLD]
    told = ", ".join(f"{attempt.provider}/{attempt.model};{attempt.error or attempt.status}" for attempt in failed)
    return b"x-weighbridge-attempts: %d\r\nx-weighbridge-failed-attempts: %b\r\n" % (
        len(exchange.attempts) + 1,
        quote(told, safe="!#$&'()*+,/:;=?@[]-._~ ").encode(),
    )


def header_lines(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Header lines with CRLF."""
    return b"".join([b"%b: %b\r\n" % pair for pair in pairs])
