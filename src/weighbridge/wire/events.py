"""A reply in no dialect: as a whole, and as the stream of events that add up to it.

A dialect's *event reader* makes events from a provider's bytes, and another's *event writer* makes bytes from events. A whole reply
is the fold of its events (`wire/fold.py`), so there is one law for both: `fold(stream) == whole`.

Order of events, which every reader produces and every writer may rely on:

    Started
    (PartStarted (…Delta | CitationAdded)* PartEnded | LogprobsAdded | UsageReported | KeepAlive)*
    Finished+ UsageReported? Ended
    Started? … Failed

- `choice` counts from 0; so do the `part`s of a choice, in the order in which they were opened. Parts of one choice may overlap
  (parallel tool calls of some servers); each is closed by `PartEnded` before its choice's `Finished`.
- A kind of part has only its own deltas. Empty deltas are left out.
- `UsageReported` may come several times: each one replaces the one before.
- `Failed` ends everything: no `Finished`, no `Ended`. A stream that breaks off has neither `Failed` nor `Ended`: whoever feeds the
  reader sees that by `is_ended`, and writes the failure.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import TypeAlias

import msgspec

from weighbridge.core.terms import NO_USAGE, Usage, UsageApart
from weighbridge.wire.conversation import Citation, Part, Seal
from weighbridge.wire.json_value import JsonObject


class FinishReason(StrEnum):
    """Why a choice ended. How each dialect says it: `wire/finish_reasons.py`."""

    __hash__ = str.__hash__  # Enum's own hash is a Python function: 0.1 µs more for every dict look-up

    STOP = "stop"
    """The model had said all."""
    STOP_SEQUENCE = "stop_sequence"
    """It said one of the caller's stop sequences."""
    LENGTH = "length"
    """The caller's or the model's bound on output."""
    CONTEXT_LENGTH = "context_length"
    """The context window is full."""
    TOOL_CALLS = "tool_calls"
    """It waits for results of tools."""
    CONTENT_FILTER = "content_filter"
    """The vendor's filter cut or withheld the answer."""
    REFUSAL = "refusal"
    """The model declined."""
    PAUSE = "pause"
    """A long turn was paused and can be continued by sending it back (Anthropic's `pause_turn`)."""
    MALFORMED_TOOL_CALL = "malformed_tool_call"
    """The model's call of a tool made no sense (Gemini, Cohere)."""
    ERROR = "error"
    """The vendor gave up on the choice."""
    OTHER = "other"
    """A word that no table knows; it is kept in `native`."""


class PartKind(Enum):
    """What a part of a reply will be."""

    TEXT = "text"
    REASONING = "reasoning"
    TOOL_CALL = "tool_call"
    REFUSAL = "refusal"
    AUDIO = "audio"
    IMAGE = "image"
    SERVER_TOOL = "server_tool"


class Started(msgspec.Struct, frozen=True, gc=False):
    """The reply begins. `id` and `model` are the provider's, empty where it says none; `created_s` is Unix time, 0 if unknown;
    `service_tier` as in `UsageReported`, for a reply that breaks off before one."""

    id: str = ""
    model: str = ""
    created_s: int = 0
    service_tier: str | None = None


class PartStarted(msgspec.Struct, frozen=True, gc=False):
    """A part begins.

    `call_id`, `name`, `is_custom`, `seal`: of a tool call (`item_id`: the Responses API's; also of reasoning). `whole`: parts that
    come in one piece (images, steps of server tools) are complete here.
    """

    choice: int
    part: int
    kind: PartKind
    call_id: str = ""
    name: str = ""
    is_custom: bool = False
    item_id: str | None = None
    whole: Part | None = None


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """More of a text."""

    choice: int
    part: int
    text: str


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """More of the thinking itself."""

    choice: int
    part: int
    text: str


class SummaryDelta(msgspec.Struct, frozen=True, gc=False):
    """More of a summary of the thinking; `index` counts its paragraphs."""

    choice: int
    part: int
    index: int
    text: str


class ArgumentsDelta(msgspec.Struct, frozen=True, gc=False):
    """More of the arguments of a tool call."""

    choice: int
    part: int
    text: str


class RefusalDelta(msgspec.Struct, frozen=True, gc=False):
    """More of a refusal."""

    choice: int
    part: int
    text: str


class AudioDelta(msgspec.Struct, frozen=True, gc=False):
    """More sound (base64 of whole bytes, so that pieces can be joined after decoding) and more of what it says."""

    choice: int
    part: int
    base64: str = ""
    transcript: str = ""
    id: str | None = None
    expires_at: int | None = None


class CitationAdded(msgspec.Struct, frozen=True, gc=False):
    """The text of this part cites something."""

    choice: int
    part: int
    citation: Citation


class PartEnded(msgspec.Struct, frozen=True, gc=False):
    """A part is complete. `seal` belongs to it (a signature of the thinking, which comes last)."""

    choice: int
    part: int
    seal: Seal | None = None


class LogprobsAdded(msgspec.Struct, frozen=True, gc=False):
    """Log probabilities of the next tokens, in OpenAI's shape (`token`, `logprob`, `bytes`, `top_logprobs`)."""

    choice: int
    tokens: tuple[JsonObject, ...]
    is_refusal: bool = False


class Finished(msgspec.Struct, frozen=True, gc=False):
    """A choice has ended. `native` is the provider's own word; `stop_sequence` the one that was said, if known."""

    choice: int
    reason: FinishReason
    native: str = ""
    stop_sequence: str | None = None


class UsageReported(msgspec.Struct, frozen=True, gc=False):
    """What was counted so far, and what its price hangs on: the tier that was served and where (in the provider's words, as far as
    it said so), and the parts that have prices of their own."""

    usage: Usage
    service_tier: str | None = None
    region: str = ""
    apart: tuple[UsageApart, ...] = ()


class Ended(msgspec.Struct, frozen=True, gc=False):
    """The protocol's own end."""


class KeepAlive(msgspec.Struct, frozen=True, gc=False):
    """The provider is still there (`ping`, an SSE comment)."""


class Failed(msgspec.Struct, frozen=True, gc=False):
    """The provider reports an error within a reply whose status said 200.

    `message`, `type` and `code` are its own words; `status` the HTTP status that it names or implies, 0 if none. What they mean
    is told by `wire/provider_errors.py`.
    """

    message: str
    type: str = ""
    code: str = ""
    status: int = 0


Event: TypeAlias = (
    Started
    | PartStarted
    | TextDelta
    | ReasoningDelta
    | SummaryDelta
    | ArgumentsDelta
    | RefusalDelta
    | AudioDelta
    | CitationAdded
    | PartEnded
    | LogprobsAdded
    | Finished
    | UsageReported
    | Ended
    | KeepAlive
    | Failed
)


class Choice(msgspec.Struct, frozen=True, gc=False):
    """One answer."""

    parts: tuple[Part, ...]
    reason: FinishReason
    native: str = ""
    stop_sequence: str | None = None
    logprobs: tuple[JsonObject, ...] = ()
    refusal_logprobs: tuple[JsonObject, ...] = ()


class Reply(msgspec.Struct, frozen=True, gc=False):
    """A whole reply."""

    choices: tuple[Choice, ...]
    id: str = ""
    model: str = ""
    created_s: int = 0
    usage: Usage = NO_USAGE
    service_tier: str | None = None
    region: str = ""
    apart: tuple[UsageApart, ...] = ()
