"""Step 8, first half: from the client's request to the provider's, byte for byte but for declared splices.

What never reaches a provider: hop-by-hop headers (RFC 9110 §7.6.1), every header that may hold a key of ours, cookies
(the dashboard's session), other gateways' control headers, and what tells where the client sits. All else does, known to
us or not: a new `anthropic-beta` works on the day it is announced.
"""

from __future__ import annotations

import re
from typing import Final

from weighbridge.auth.presented_key import without_query, without_websocket_key
from weighbridge.core.ports import ByteSource, UpstreamRequest
from weighbridge.core.terms import Dialect, ModelPlace, Operation
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.headers import CONTROL_PREFIXES, MAY_BE_CONTROL, NEVER_SENT, connection_options
from weighbridge.pipeline.output_cap import cap_splices
from weighbridge.pipeline.parameters import parameter_splices
from weighbridge.pipeline.target import Target
from weighbridge.routing.preferences import FIELDS
from weighbridge.wire.envelope import Envelope, Splice, apply_splices
from weighbridge.wire.multipart import boundary_of

_VERSION_SEGMENT: Final = re.compile(rb"/v\d[a-z0-9]*/")
_INCLUDE_USAGE: Final = b"true"
# Looked up once: reaching a member through its class takes 0.1 µs in Python 3.11.
_CHAT: Final = Operation.CHAT
_COMPLETIONS: Final = Operation.COMPLETIONS
_RAW: Final = Operation.RAW
_FILES: Final = Operation.FILES
_MESSAGE_BATCHES: Final = Operation.MESSAGE_BATCHES
_MESSAGE_BATCHES_STORED: Final = Operation.MESSAGE_BATCHES_STORED
_MODELS: Final = Operation.MODELS
_IN_BODY: Final = ModelPlace.BODY
_IN_PATH: Final = ModelPlace.PATH
_IN_QUERY: Final = ModelPlace.QUERY


def prepare(exchange: Exchange, target: Target, turn: int) -> UpstreamRequest:
    """The request to send to a target. `turn` chooses among its credentials."""
    exchange.edits = []
    operation = exchange.endpoint.operation
    exchange.edits_reply = operation is _MESSAGE_BATCHES_STORED or operation is _MESSAGE_BATCHES
    body, length = _body(exchange, target)
    head = _head_as_before(exchange, target, turn) or _head(exchange, target, turn)
    return UpstreamRequest(exchange.downstream.method, target.origin, head, body, length, target.deadlines)


def _head_as_before(exchange: Exchange, target: Target, turn: int) -> bytes | None:
    """The head of this connection's request before, if this one's is the same."""
    memo = exchange.head_memo
    if memo is None or memo.sent_to is not target or memo.turn != turn or exchange.edits_reply:
        return None
    return memo.sent if "content-encoding" not in exchange.edits else None


def _head(exchange: Exchange, target: Target, turn: int) -> bytes:
    drops_encoding = "content-encoding" in exchange.edits
    method = exchange.downstream.method
    forwarded = _forwarded(exchange, target, drops_encoding=drops_encoding)
    head = b"%b %b HTTP/1.1\r\n%b%b" % (method, _path(exchange, target), target.heads[turn], b"".join(forwarded))
    memo = exchange.head_memo
    if memo is not None and exchange.endpoint.model_place is _IN_BODY and not exchange.edits_reply and not drops_encoding:
        # Only then does the head follow from the request's head, the target and its turn alone.
        memo.sent, memo.sent_to, memo.turn = head, target, turn
    return head


def _forwarded(exchange: Exchange, target: Target, *, drops_encoding: bool) -> list[bytes]:
    overridden = target.override_names
    named_by_connection = _connection_options(exchange)
    lines: list[bytes] = []
    for name, value in exchange.downstream.headers:
        if name in NEVER_SENT or name in overridden or name in named_by_connection:
            continue
        if name[0] in MAY_BE_CONTROL and name.startswith(CONTROL_PREFIXES):
            continue
        if name == b"accept-encoding" and exchange.edits_reply:
            # Only text can be changed in passing; asking for it is an edit like any other.
            lines.append(b"accept-encoding: identity\r\n")
            exchange.edits.append("accept-encoding")
            continue
        if name == b"content-encoding" and drops_encoding:
            continue
        lines.append(b"%b: %b\r\n" % (name, value))
    if exchange.edits_reply and b"accept-encoding" not in exchange.fields:
        # Without the header a provider may compress as it likes (RFC 9110 §12.5.3).
        lines.append(b"accept-encoding: identity\r\n")
        exchange.edits.append("accept-encoding")
    if exchange.downstream.is_upgrade:
        lines = _upgrade_lines(exchange, lines)
    elif b"sec-websocket-protocol" in exchange.fields:
        # It may hold a key of ours, and means nothing without an upgrade.
        lines = [line for line in lines if not line.startswith(b"sec-websocket-protocol:")]
    return lines


_NOTHING: Final[frozenset[bytes]] = frozenset()


def _connection_options(exchange: Exchange) -> frozenset[bytes]:
    """Headers that `Connection` names are hop-by-hop as well."""
    fields = exchange.fields
    value = fields.get(b"connection")
    if value is None:
        return _NOTHING
    headers = exchange.downstream.headers
    if len(fields) < len(headers):  # `fields` keeps the last of repeated lines, and this may be one
        value = b",".join([value for name, value in headers if name == b"connection"])
    if value.lower() in (b"keep-alive", b"close"):
        return _NOTHING
    return connection_options(value)


def _upgrade_lines(exchange: Exchange, lines: list[bytes]) -> list[bytes]:
    """A WebSocket's handshake: an upgrade is hop-by-hop, so it is made anew; without compression, which would blind the meter."""
    kept = [line for line in lines if not line.startswith((b"sec-websocket-extensions:", b"sec-websocket-protocol:"))]
    if b"sec-websocket-extensions" in exchange.fields:
        exchange.edits.append("sec-websocket-extensions")
    if (protocols := exchange.fields.get(b"sec-websocket-protocol")) is not None:
        rest = without_websocket_key(protocols)
        if rest:
            kept.append(b"sec-websocket-protocol: %b\r\n" % rest)
    return [*kept, b"connection: Upgrade\r\nupgrade: websocket\r\n"]


def _path(exchange: Exchange, target: Target) -> bytes:
    found = exchange.match
    assert found is not None
    relative = found.path.encode()
    if found.model_span is not None and exchange.endpoint.operation is not _MODELS:
        start, end = found.model_span
        if relative[start:end] != target.model_quoted and exchange.requested_model != target.deployment.model:
            relative = relative[:start] + target.model_quoted + relative[end:]
            if "model" not in exchange.edits:  # the body may name it too
                exchange.edits.append("model")
    base = target.base_path
    if base is not target.v1_path and exchange.path.endswith(b"/v1" + found.path.encode()):
        base = target.v1_path
    operation = exchange.endpoint.operation
    is_raw = operation is _RAW or (operation is _FILES and relative.startswith(b"/upload/"))
    path = join_path(target, base, relative, is_raw=is_raw)
    query = exchange.query
    if query:
        query = without_query(query, b"key")
        if exchange.endpoint.model_place is _IN_QUERY and exchange.requested_model != target.deployment.model:
            query = without_query(query, b"model")
            query = b"&".join(part for part in (b"model=" + target.model_quoted, query) if part)
            exchange.edits.append("model")
    return path + b"?" + query if query else path


def join_path(target: Target, base: bytes, relative: bytes, *, is_raw: bool) -> bytes:
    """A provider's `base` path and a path relative to it. A raw path may bring its own version, or all of the base path."""
    if is_raw:
        if relative.startswith(target.base_path + b"/"):
            return relative
        if _VERSION_SEGMENT.search(relative):
            return target.unversioned_path + relative
    return base + relative


def _body(exchange: Exchange, target: Target) -> tuple[list[bytes | memoryview] | ByteSource, int | None]:
    body = exchange.body
    if body is None:
        downstream = exchange.downstream
        if downstream.is_chunked or downstream.content_length:
            source = downstream.stream_body(exchange.snapshot.limits.max_upload_bytes)
            if exchange.file_watch is not None:
                source = exchange.file_watch.over(source)
            exchange.request_bytes = downstream.content_length or 0
            return source, None if downstream.is_chunked else downstream.content_length
        return [], 0
    splices = splices_of(exchange, target)
    if (encoding := exchange.fields.get(b"content-encoding")) is not None and encoding.lower() not in (b"", b"identity"):
        if not splices:
            return [exchange.raw_body], len(exchange.raw_body)
        exchange.edits.append("content-encoding")
    if not splices:
        return [body], len(body)
    return apply_splices(body, splices)


def splices_of(exchange: Exchange, target: Target) -> list[Splice]:
    """What is to be changed in a body for a target, named in the edits."""
    model = target.deployment.model
    requested = exchange.requested_model
    splices: list[Splice] = []
    envelope = exchange.envelope
    if exchange.form_field is not None:
        if exchange.form_field.value != model.encode():
            splices += exchange.form_field.replace(model.encode())
    elif exchange.endpoint.model_place is _IN_PATH:
        if exchange.match is not None and exchange.match.model_span is None:
            splices += _moved_into_body(exchange, target)
        for inner in exchange.inner_models:
            splice = inner.replaced(requested, model)
            if splice is not None:
                splices.append(splice)
    elif envelope is not None and (requested != model or not (envelope.occurs_once("model") or len(envelope.locate("model")) < 2)):
        # Of duplicates some decoders take the first and some the last: all of them name the model that was admitted.
        splices += envelope.replace("model", target.model_json)
    elif envelope is None and exchange.batch is not None:
        exchange.edits += exchange.batch.edits
        return exchange.batch.splices
    if splices:
        exchange.edits.append("model")
    if exchange.has_preferences and envelope is not None and not target.provider.quirks.takes_preferences:
        splices += envelope.remove(FIELDS)
        exchange.edits += [f"removed:{name}" for name in FIELDS if envelope.has(name)]
    if (target.defaults or target.overrides) and envelope is not None:
        splices += parameter_splices(exchange, target, envelope)
    if exchange.output_cap and envelope is not None:
        splices += cap_splices(exchange, target, envelope)
    elif target.knows_max_tokens_only and envelope is not None and exchange.endpoint.operation is _CHAT:
        splices += _bound_in_the_providers_word(exchange, envelope)
    if exchange.is_stream and envelope is not None and exchange.endpoint.operation in (_CHAT, _COMPLETIONS):
        splices += _ask_for_usage(exchange)
    return splices


def _moved_into_body(exchange: Exchange, target: Target) -> list[Splice]:
    """The model of a path of Azure's, put where OpenAI's present paths have it."""
    if exchange.envelope is not None:
        return exchange.envelope.put("model", target.model_json)
    content_type = exchange.header(b"content-type").decode("latin-1")
    part = b'--%b\r\ncontent-disposition: form-data; name="model"\r\n\r\n%b\r\n'
    return [Splice(0, 0, part % (boundary_of(content_type), target.deployment.model.encode()))]


def _bound_in_the_providers_word(exchange: Exchange, envelope: Envelope) -> list[Splice]:
    """A bound on the output that the provider would not know by its newer name, and so ignore: said once more by the older one."""
    bound = envelope.raw("max_completion_tokens")
    if bound is None or bytes(bound) == b"null" or envelope.has("max_tokens"):
        return []
    exchange.edits.append("max_tokens")
    return [envelope.insert("max_tokens", bytes(bound))]


def _ask_for_usage(exchange: Exchange) -> list[Splice]:
    """A chat stream tells its usage only when asked: ask, and keep the extra chunk from a client that did not."""
    if exchange.endpoint.dialect is not Dialect.OPENAI:
        return []
    envelope = exchange.envelope
    assert envelope is not None
    options = envelope.nested("stream_options") if _is_object(envelope.raw("stream_options")) else None
    if options is not None and options.boolean("include_usage") is True:
        return []
    exchange.withholds_usage = exchange.edits_reply = True
    exchange.edits.append("stream_options.include_usage")
    return envelope.put_nested("stream_options", "include_usage", _INCLUDE_USAGE)


def _is_object(raw: object) -> bool:
    return raw is not None and bytes(raw)[:1] == b"{"  # type: ignore[call-overload]  # msgspec.Raw is a buffer
