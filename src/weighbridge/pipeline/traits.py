"""What a request shows of itself to routing: who asks, how much, with what, and how its conversation begins.

Nothing here costs anything until it is asked for: a route with one target asks for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Final

import msgspec

from weighbridge.core.codec import JsonError
from weighbridge.core.errors import GatewayError
from weighbridge.core.routes import Route, StickyBy
from weighbridge.core.terms import Dialect
from weighbridge.pipeline.attribution import METADATA_HEADER, SESSION_HEADERS, end_user, strings_of
from weighbridge.pipeline.exchange import Exchange
from weighbridge.wire.envelope import Envelope

BYTES_A_TOKEN: Final = 4
"""Of JSON with English text; an estimate for choosing, never for charging."""

_USUAL_OUTPUT_TOKENS: Final = 500
"""Where the request has no bound: a usual answer. Only used to compare prices."""

_CONVERSATION_FIELDS: Final = ("messages", "input", "contents")
_BEFORE_IT: Final = ("tools", "system", "instructions", "systemInstruction", "system_instruction")
"""What vendors put before the messages in the prompt, and so in their caches."""

_OUTPUT_BOUNDS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_MAX_TURNS: Final = 32
"""Of a conversation's turns the last ones count: a cache that holds less is not worth a detour."""

_SECRET_HEADERS: Final = frozenset(
    (b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key", b"cookie", b"proxy-authorization")
)
_IMAGE_MARKS: Final = (b'"image_url"', b'"input_image"', b'"image"', b'"inlineData"', b'"inline_data"')

_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


class RequestTraits:
    """`routing.members.Traits` of an exchange under a route."""

    __slots__ = ("_prefixes", "_route", "_sticky", "exchange", "is_stream")

    def __init__(self, exchange: Exchange, route: Route) -> None:
        self.exchange = exchange
        self._route = route
        self._prefixes: list[bytes] | None = None
        self._sticky: bytes | None = None
        self.is_stream = exchange.is_stream

    # --- for strategies -------------------------------------------------------------------------------------------

    @property
    def sticky(self) -> bytes:
        """What makes two requests the same caller's, by the route's `sticky`."""
        if self._sticky is None:
            self._sticky = _STICKY[self._route.sticky](self)
        return self._sticky

    @property
    def prefixes(self) -> list[bytes]:
        """Digests of the conversation's beginnings, the shortest first: after the instructions, and after each turn."""
        if self._prefixes is None:
            self._prefixes = _prefixes_of(self.exchange.envelope)
        return self._prefixes

    @property
    def input_tokens(self) -> int:
        """An estimate of the tokens that go in."""
        return self.exchange.request_bytes // BYTES_A_TOKEN

    @property
    def max_output_tokens(self) -> int:
        """The bound on the output that the request names, or a usual answer's length."""
        bound = output_bound(self.exchange)
        return _USUAL_OUTPUT_TOKENS if bound is None else bound

    # --- for conditions -------------------------------------------------------------------------------------------

    def values(self, names: frozenset[str]) -> dict[str, object]:
        """What a condition may name, of that what it does name."""
        return {name: _VALUES[name](self) for name in names if name in _VALUES}

    @property
    def user(self) -> str:
        """The end user that the request names, in each vendor's word for it; empty where it names none."""
        return end_user(self.exchange)

    @property
    def metadata(self) -> dict[str, str]:
        """The request's `metadata`, and over it what the header says (a JSON object)."""
        exchange = self.exchange
        envelope = exchange.envelope
        found: dict[str, str] = {}
        if envelope is not None and (raw := envelope.raw("metadata")) is not None:
            found |= strings_of(bytes(raw))
        header = exchange.fields.get(METADATA_HEADER)
        return found | strings_of(header) if header is not None else found

    @property
    def has_tools(self) -> bool:
        """Whether the model is offered tools."""
        envelope = self.exchange.envelope
        return envelope is not None and any(
            len(bytes(raw)) > 2 for n in ("tools", "functions") if (raw := envelope.raw(n)) is not None
        )

    @property
    def has_images(self) -> bool:
        """Whether pictures are sent along."""
        body = self.exchange.body or b""
        return any(mark in body for mark in _IMAGE_MARKS)

    @property
    def headers(self) -> dict[str, str]:
        """Header values by lower-case name, without those that hold keys."""
        fields = self.exchange.fields
        return {n.decode("latin-1"): v.decode("latin-1") for n, v in fields.items() if n not in _SECRET_HEADERS}

    @property
    def session(self) -> bytes:
        """The session that a header names, else the beginning of the conversation."""
        fields = self.exchange.fields
        named = next((fields[name] for name in SESSION_HEADERS if name in fields), b"")
        return named or (self.prefixes[min(1, len(self.prefixes) - 1)] if self.prefixes else b"")

    @property
    def named_header(self) -> bytes:
        """The value of the header that the route is sticky by."""
        return self.exchange.fields.get(self._route.sticky_header.encode(), b"")


_STICKY: Final[dict[StickyBy, Callable[[RequestTraits], bytes]]] = {
    StickyBy.NOTHING: lambda _: b"",
    StickyBy.KEY: lambda traits: traits.exchange.key_id.encode(),
    StickyBy.USER: lambda traits: traits.user.encode(),
    StickyBy.SESSION: lambda traits: traits.session,
    StickyBy.HEADER: lambda traits: traits.named_header,
}

_NS_AN_HOUR: Final = 3_600_000_000_000
_VALUES: Final[dict[str, Callable[[RequestTraits], object]]] = {
    "metadata": lambda traits: traits.metadata,
    "headers": lambda traits: traits.headers,
    "key": lambda traits: key.name if (key := traits.exchange.key) is not None else "",
    "team": lambda traits: key.team if (key := traits.exchange.key) is not None else "",
    "user": lambda traits: traits.user,
    "model": lambda traits: traits.exchange.requested_model,
    "request_bytes": lambda traits: traits.exchange.request_bytes,
    "input_tokens": lambda traits: traits.input_tokens,
    "stream": lambda traits: traits.is_stream,
    "tools": lambda traits: traits.has_tools,
    "images": lambda traits: traits.has_images,
    "operation": lambda traits: traits.exchange.endpoint.operation.value,
    "dialect": lambda traits: traits.exchange.dialect.value,
    "hour": lambda traits: traits.exchange.start_wall_ns // _NS_AN_HOUR % 24,
}
"""The variables of a condition (`RouteTarget.when`)."""


def output_bound(exchange: Exchange) -> int | None:
    """The bound on the output that a request names; None where it has none, or what stands there is no bound."""
    envelope = exchange.envelope
    if envelope is None:
        return None
    for name in _OUTPUT_BOUNDS:
        if envelope.has(name) and (bound := _integer(envelope, name)) is not None:
            return bound
    if exchange.dialect is Dialect.GEMINI and envelope.is_object("generationConfig"):
        nested = envelope.nested("generationConfig")
        return _integer(nested, "maxOutputTokens") if nested is not None else None
    return None


def _integer(envelope: Envelope, name: str) -> int | None:
    try:
        bound = envelope.integer(name)
    except GatewayError:
        return None
    return bound if bound is not None and bound > 0 else None


def _prefixes_of(envelope: Envelope | None) -> list[bytes]:
    if envelope is None:
        return []
    digest = blake2b(digest_size=8)
    for name in _BEFORE_IT:
        if (raw := envelope.raw(name)) is not None:
            digest.update(raw)
    prefixes = [digest.digest()]
    raw = next((found for name in _CONVERSATION_FIELDS if (found := envelope.raw(name)) is not None), None)
    if raw is None:
        return prefixes
    try:
        turns = _items(raw)
    except JsonError:  # a plain text as input
        turns = [raw]
    for turn in turns:
        digest.update(turn)
        prefixes.append(digest.digest())
    return prefixes if len(prefixes) <= _MAX_TURNS else [prefixes[0], *prefixes[-_MAX_TURNS + 1 :]]
