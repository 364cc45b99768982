"""What a dialect can do in a translation: read and write requests, read and write replies. One table for each side.

An *inbound* format is spoken by callers: its requests are read and its replies written. An *outbound* format is spoken by
providers: its requests are written and its replies read. A format that is both has an entry in both tables (`wire/translate.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

import msgspec

from weighbridge.core.errors import GatewayError
from weighbridge.wire.conversation import Conversation
from weighbridge.wire.events import Event, Reply
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt


class RequestContext(msgspec.Struct, frozen=True):
    """What a request says outside of its body: Gemini names model and streaming in the path."""

    model: str
    stream: bool = False


class TargetContext(msgspec.Struct, frozen=True):
    """For whom a request is written: the provider's own name of the model, and what is odd about the provider."""

    model: str
    quirks: Quirks = NO_QUIRKS


class ReplyContext(msgspec.Struct, frozen=True):
    """What a reply writer has to know of the exchange.

    `model` is what the caller asked for, shown where the provider does not say what it served. `request_id` makes ids where the
    provider gives none. `created_s` is Unix time. `conversation` is the request (Responses replies repeat it).
    """

    request_id: str
    model: str
    created_s: int
    conversation: Conversation


class EventReader(Protocol):
    """A provider's stream as events. Raises `GatewayError` PROVIDER_MALFORMED for bytes that make no sense."""

    @property
    def is_ended(self) -> bool:
        """The protocol's own end was seen, or an error event: whatever comes later is not read."""
        ...

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete. Any split of a stream gives the same events."""
        ...

    def finish(self) -> list[Event]:
        """The bytes have ended. `Ended` comes from here where a protocol has no end of its own but the last event (a finish reason
        was seen, the server sends no `[DONE]`). Without `is_ended` after this call, the stream broke off."""
        ...


class EventWriter(Protocol):
    """Events as the caller's stream."""

    def write(self, events: Sequence[Event]) -> bytes:
        """What the caller is sent for these events; may be empty."""
        ...

    def fail(self, error: GatewayError) -> bytes:
        """The stream ends in an error after it began: one protocol-correct error event, never a proper end."""
        ...


class Framing(Enum):
    """How the events of a stream are told apart on the wire."""

    SSE = "sse"
    AWS = "aws"
    """`application/vnd.amazon.eventstream`."""
    NDJSON = "ndjson"


class InboundFormat(NamedTuple):
    """A format that callers speak."""

    read_request: Callable[[bytes, RequestContext, Receipt], Conversation]
    """Raises `GatewayError` INVALID_REQUEST with the field at fault."""
    write_reply: Callable[[Reply, ReplyContext], bytes]
    event_writer: Callable[[ReplyContext], EventWriter]


class OutboundFormat(NamedTuple):
    """A format that providers speak."""

    write_request: Callable[[Conversation, TargetContext, Receipt], bytes]
    """Raises `GatewayError` INVALID_REQUEST where the target cannot take it in any form."""
    read_reply: Callable[[bytes], Reply]
    """Raises `GatewayError` PROVIDER_MALFORMED for what is no reply. An error inside a 200 is for `wire/provider_errors.py`."""
    event_reader: Callable[[], EventReader]
    framing: Framing = Framing.SSE
