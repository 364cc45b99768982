"""One request on its journey: what the steps have found out so far. Each step reads what the ones before it wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Downstream, UpstreamReply
from weighbridge.core.terms import NO_USAGE, Attempt, Dialect, Endpoint, Operation, Usage, VirtualKey
from weighbridge.pipeline.snapshot import Snapshot, Target
from weighbridge.wire.conversation import Conversation
from weighbridge.wire.embeddings.terms import EmbeddingRequest
from weighbridge.wire.endpoints import Match
from weighbridge.wire.envelope import Envelope
from weighbridge.wire.gemini_body import InnerModel
from weighbridge.wire.meter import Meter
from weighbridge.wire.multipart import FormField
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.rerank.terms import RerankRequest

if TYPE_CHECKING:
    from weighbridge.pipeline.head_memo import HeadMemo

UNMATCHED = Endpoint(Dialect.OPENAI, Operation.RAW)
_OPENAI = Dialect.OPENAI


class Exchange:
    """The state of one exchange. Written by the steps of `Gateway.handle`, in their order, and read by `settle`.

    What every request reads has a slot: reading a default of the class takes 28 ns in Python 3.11, filling and reading a slot
    11. What only some have is a default of the class.
    """

    __slots__ = (
        "__dict__",
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
        "head_memo",
        "is_settled",
        "is_stream",
        "key",
        "match",
        "meter",
        "overhead_ns",
        "path",
        "query",
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
        self.is_stream = False
        self.edits: list[str] = []
        """What the gateway changed, by name: goes out in `x-weighbridge-edits`."""
        self.edits_reply = False
        """Something in the reply will be changed, so it must not come compressed."""
        self.target: Target | None = None
        self.credential_turn = 0
        self.reply: UpstreamReply | None = None
        self.meter: Meter | None = None
        self.attempts: list[Attempt] = []
        self.usage: Usage = NO_USAGE
        self.finish_reason: str | None = None
        self.error: GatewayError | None = None
        self.status = 0
        self.request_bytes = 0
        self.reply_bytes = 0
        self.decided_ns = 0
        """Monotonic time at which the first attempt was handed to the client."""
        self.first_byte_ns = 0
        self.overhead_ns = 0
        self.is_settled = False

    @property
    def key_id(self) -> str:
        """Who pays."""
        return self.key.id if self.key is not None else ""

    def header(self, name: bytes) -> bytes:
        """A header's value, or nothing."""
        return self.fields.get(name, b"")


def client_gone() -> GatewayError:
    """The client closed the connection before it had its reply."""
    return GatewayError(ErrorKind.CLIENT_CLOSED, "The client closed the connection.")


def gateway_failed(bug: BaseException) -> GatewayError:
    """A bug of ours, for the account; its text may hold anything, so that only its type is kept."""
    return GatewayError(ErrorKind.INTERNAL, "The gateway failed.", detail=type(bug).__name__)


def header_lines(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Header lines with CRLF."""
    return b"".join([b"%b: %b\r\n" % pair for pair in pairs])
