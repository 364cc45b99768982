"""Whom and what a request says that it is for: its end user, its session, the tags and properties that it is booked under.

A property is a tag of the form `name=value`, so that whatever counts, filters and bounds by tags does so by properties too. Callers
of other gateways need not change their headers: Helicone's, LiteLLM's, Portkey's and Cloudflare's are read as ours are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from weighbridge.core.codec import JsonError
from weighbridge.core.errors import GatewayError
from weighbridge.core.terms import Dialect
from weighbridge.pipeline.exchange import Exchange
from weighbridge.wire.envelope import Envelope

METADATA_HEADER: Final = b"x-weighbridge-metadata"
SESSION_HEADERS: Final = (b"x-session-id", b"helicone-session-id", b"x-weighbridge-session", b"session-id", b"x-litellm-session-id")
_END_USER_HEADERS: Final = (
    b"x-weighbridge-end-user",
    b"helicone-user-id",
    b"x-litellm-end-user-id",
    b"x-litellm-customer-id",
)
_TAGS_HEADERS: Final = (b"x-weighbridge-tags", b"x-litellm-tags")
_PROPERTY_PREFIXES: Final = (b"x-weighbridge-property-", b"helicone-property-")
_METADATA_HEADERS: Final = (METADATA_HEADER, b"x-portkey-metadata", b"cf-aig-metadata")
_PORTKEY_USER: Final = "_user"
"""The one member of Portkey's metadata that means something to it."""
_TRACE_HEADER: Final = b"traceparent"
_MAX_TRACE: Final = 55
"""As long as one is (W3C Trace Context, section 3.2)."""
_MAX_TAGS: Final = 16
"""Of its own, and as many properties."""
_MAX_TAG: Final = 64
"""Characters: they are counters' names and columns of reports."""
_MAX_USER: Final = 256
"""Characters of an end user's or a session's name that count: OpenAI takes 64, OpenRouter 256; it goes into Records."""
_IN_BODY: Final = frozenset(("user", "safety_identifier", "metadata", "session_id"))
_NO_NAME: Final = re.compile(r"[^a-z0-9_.-]+")

_members = msgspec.json.Decoder(dict[str, object]).decode


class Attribution(NamedTuple):
    """Empty texts: it says nothing."""

    end_user: str
    session: str
    tags: tuple[str, ...]
    """Its key's, its own, and its properties."""
    trace: str
    """Its `traceparent`."""


def attribution_of(exchange: Exchange) -> Attribution:
    """What headers and body say. Where both name an end user or a session, the header counts: who writes it is the application."""
    memo = exchange.head_memo
    if memo is None:
        told = _of_headers(exchange)
    elif memo.attribution is None:
        told = memo.attribution = _of_headers(exchange)
    else:
        told = memo.attribution
    envelope = exchange.envelope
    if envelope is None or not envelope.has_any(_IN_BODY):
        return told
    return Attribution(
        told.end_user or end_user(exchange),
        told.session or _string(envelope, "session_id")[:_MAX_USER],
        _with_properties(told.tags, exchange, envelope),
        told.trace,
    )


def end_user(exchange: Exchange) -> str:
    """The end user that a body names: OpenAI's `safety_identifier` and `user`, Anthropic's `metadata.user_id`. Empty: none."""
    envelope = exchange.envelope
    if envelope is None or not envelope.has_any(_IN_BODY):
        return ""
    if exchange.dialect is Dialect.ANTHROPIC:
        nested = envelope.nested("metadata") if envelope.is_object("metadata") else None
        return (_string(nested, "user_id") if nested is not None else "")[:_MAX_USER]
    return (_string(envelope, "safety_identifier") or _string(envelope, "user"))[:_MAX_USER]


def strings_of(text: bytes) -> dict[str, str]:
    """The members of a JSON object as texts; none of what is no object."""
    try:
        members = _members(text)
    except JsonError:
        return {}
    return {name: value if isinstance(value, str) else str(value) for name, value in members.items()}


def _of_headers(exchange: Exchange) -> Attribution:
    fields = exchange.fields
    metadata: dict[str, str] = {}
    for name in _METADATA_HEADERS:
        if name in fields:
            metadata |= strings_of(fields[name])
    user = _first(fields, _END_USER_HEADERS) or _storable(metadata.pop(_PORTKEY_USER, "")[:_MAX_USER])
    named = [part for name in _TAGS_HEADERS if name in fields for part in _tags(fields[name])]
    found = [*_properties(metadata.items()), *_properties(_property_headers(fields))]
    tags = exchange.key.tags if exchange.key is not None else ()
    if named or found:
        tags = tuple(dict.fromkeys((*tags, *named[:_MAX_TAGS], *found[:_MAX_TAGS])))
    trace = fields[_TRACE_HEADER].decode("latin-1")[:_MAX_TRACE] if _TRACE_HEADER in fields else ""
    return Attribution(user, _first(fields, SESSION_HEADERS), tags, trace)


def _first(fields: Mapping[bytes, bytes], names: Iterable[bytes]) -> str:
    return next((fields[name].decode("latin-1")[:_MAX_USER] for name in names if name in fields), "")


def _tags(header: bytes) -> list[str]:
    named = (part.strip()[:_MAX_TAG] for part in header.decode("latin-1").split(","))
    return [part for part in named if part]


def _property_headers(fields: Mapping[bytes, bytes]) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        for prefix in _PROPERTY_PREFIXES:
            if name.startswith(prefix):
                yield name[len(prefix) :].decode("latin-1"), value.decode("latin-1")


def _properties(members: Iterable[tuple[str, str]]) -> list[str]:
    """As tags: `name=value`. A comma would end the tag where it is stored, and line breaks would end lines of logs."""
    made = []
    for name, value in members:
        key, told = _NO_NAME.sub("_", name.lower()), " ".join(_storable(value).replace(",", ";").split())
        if key and told:
            made.append(f"{key}={told}"[:_MAX_TAG])
    return made


def _with_properties(tags: tuple[str, ...], exchange: Exchange, envelope: Envelope) -> tuple[str, ...]:
    wanted = exchange.snapshot.plan.properties
    if not wanted or (raw := envelope.raw("metadata")) is None:
        return tags
    members = strings_of(bytes(raw))
    found = _properties((name, members[name]) for name in wanted if name in members)
    return tuple(dict.fromkeys((*tags, *found[:_MAX_TAGS])))


def _string(envelope: Envelope, name: str) -> str:
    try:
        return _storable(envelope.string(name) or "")
    except GatewayError:  # not a string: the provider will say so
        return ""


def _storable(text: str) -> str:
    """A NUL is in no name that a database takes; counters lie under the name that is kept."""
    return text.replace("\0", "\ufffd")
