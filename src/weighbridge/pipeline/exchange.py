"""One request on its journey: what the steps have found out so far. Each step reads what the ones before it wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Downstream, UpstreamReply
from weighbridge.core.terms import NO_USAGE, Attempt, Dialect, Endpoint, Operation, Usage, VirtualKey
from weighbridge.pipeline.snapshot import Snapshot, Target
from weighbridge.wire.endpoints import Match
from weighbridge.wire.envelope import Envelope
from weighbridge.wire.gemini_body import InnerModel
from weighbridge.wire.meter import Meter
from weighbridge.wire.multipart import FormField

if TYPE_CHECKING:
    from weighbridge.pipeline.head_memo import HeadMemo

UNMATCHED = Endpoint(Dialect.OPENAI, Operation.RAW)


class Exchange:
    """The state of one exchange. Written by the steps of `Gateway.handle`, in their order, and read by `settle`.

    What most steps leave alone is a default of the class and no slot: thirty assignments cost 0.4 µs a request.
    """

    fields: dict[bytes, bytes]
    """Header values by name; where a name is repeated, the last. What is forwarded is `downstream.headers`."""
    head_memo: HeadMemo | None = None
    dialect: Dialect = Dialect.OPENAI
    endpoint: Endpoint = UNMATCHED
    match: Match | None = None
    key: VirtualKey | None = None
    body: bytes | None = None
    """The whole request body, decoded if it came compressed; None while it is not held."""
    raw_body: bytes = b""
    """The same as it came."""
    envelope: Envelope | None = None
    form_field: FormField | None = None
    inner_models: Sequence[InnerModel] = ()
    requested_model: str = ""
    is_stream: bool = False
    withholds_usage: bool = False
    """The usage chunk was asked for by us, so it is kept from the client."""
    edits_reply: bool = False
    """Something in the reply will be changed, so it must not come compressed."""
    target: Target | None = None
    credential_turn: int = 0
    reply: UpstreamReply | None = None
    meter: Meter | None = None
    usage: Usage = NO_USAGE
    finish_reason: str | None = None
    error: GatewayError | None = None
    status: int = 0
    request_bytes: int = 0
    reply_bytes: int = 0
    decided_ns: int = 0
    """Monotonic time at which the first attempt was handed to the client."""
    first_byte_ns: int = 0
    overhead_ns: int = 0
    is_settled: bool = False

    def __init__(self, downstream: Downstream, snapshot: Snapshot, request_id: str, start_wall_ns: int) -> None:
        self.downstream = downstream
        self.snapshot = snapshot
        self.request_id = request_id
        self.start_wall_ns = start_wall_ns
        self.path, _, self.query = downstream.target.partition(b"?")
        self.edits: list[str] = []
        """What the gateway changed, by name: goes out in `x-weighbridge-edits`."""
        self.attempts: list[Attempt] = []

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
