"""Steps 1 and 3 of the journey: which operation a request asks for, and what its envelope says."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

from weighbridge.auth.presented_key import query_value
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Dialect, Endpoint, ModelPlace, Operation
from weighbridge.pipeline.exchange import Exchange
from weighbridge.wire.content_coding import decode_body
from weighbridge.wire.endpoints import Match, match
from weighbridge.wire.envelope import Envelope
from weighbridge.wire.gemini_body import inner_models
from weighbridge.wire.multipart import FormField, find_field

# Looked up once: reaching a member through its class takes 0.1 µs in Python 3.11.
_RAW: Final = Operation.RAW
_NOWHERE: Final = ModelPlace.NOWHERE
_IN_QUERY: Final = ModelPlace.QUERY
_OPENAI: Final = Dialect.OPENAI
_IN_FORM: Final = ModelPlace.FORM
_IN_PATH: Final = ModelPlace.PATH

_HOSTED_PREFIXES: Final = ("/deployments/", "/engines/")
"""Azure's and OpenAI's legacy paths carry the model; providers with OpenAI's present paths want it in the body."""


_MAX_MODEL_CHARACTERS: Final = 512
"""Three times Bedrock's longest ARN. Names are remembered, echoed in a header and kept in Records."""


def guess_dialect(path: bytes, fields: Collection[bytes]) -> Dialect:
    """In which dialect to refuse a request that matches nothing (yet)."""
    if b"anthropic-version" in fields or path.startswith((b"/anthropic", b"/v1/messages")):
        return Dialect.ANTHROPIC
    if path.startswith(b"/v1beta/openai"):
        return Dialect.OPENAI
    is_gemini = b"x-goog-api-key" in fields or path.startswith((b"/v1beta", b"/gemini", b"/genai"))
    return Dialect.GEMINI if is_gemini else Dialect.OPENAI


def match_endpoint(exchange: Exchange) -> None:
    """Find the operation. Raises `GatewayError` NOT_FOUND, METHOD_NOT_ALLOWED or INVALID_REQUEST."""
    fields = exchange.fields
    prefers = _shown_dialect(fields)
    method = exchange.downstream.method
    providers = exchange.snapshot.providers
    found = match(b"GET" if method == b"HEAD" else method, exchange.path, providers=providers, prefers=prefers)
    if found.endpoint.operation is _RAW and found.provider is not None:
        found = _named_operation(exchange, found, prefers)
    if (pinned := fields.get(b"x-weighbridge-provider")) is not None:
        found = found._replace(provider=pinned.decode("latin-1"))
    exchange.match = found
    exchange.endpoint = found.endpoint
    exchange.dialect = found.endpoint.dialect


def _shown_dialect(fields: Collection[bytes]) -> Dialect | None:
    """Whose SDK a request's headers show: all ask for `/v1/models` and `/v1/files`."""
    if b"anthropic-version" in fields:
        return Dialect.ANTHROPIC
    return Dialect.GEMINI if b"x-goog-api-key" in fields else None


def _named_operation(exchange: Exchange, raw: Match, prefers: Dialect | None) -> Match:
    """`/{provider}/v1/chat/completions` is a chat at that provider, not a raw call: it is weighed like any other.

    What has no name is passed on raw, in a dialect that the provider speaks.
    """
    assert raw.provider is not None
    method = exchange.downstream.method
    rest = exchange.path[len(raw.provider) + 1 :]
    for path in (rest, b"/v1" + rest):
        try:
            found = match(b"GET" if method == b"HEAD" else method, path, providers=(), prefers=prefers)
        except GatewayError:
            continue
        if found.endpoint.dialect in exchange.snapshot.providers[raw.provider].bases:
            return found._replace(provider=raw.provider)
    bases = exchange.snapshot.providers[raw.provider].bases
    if raw.endpoint.dialect in bases or not bases:
        return raw
    return raw._replace(endpoint=Endpoint(next(iter(bases)), Operation.RAW))


def has_envelope(exchange: Exchange) -> bool:
    """Whether the request names a model, so that it has to be read."""
    return exchange.endpoint.model_place is not _NOWHERE


def read_envelope(exchange: Exchange, body: bytes) -> None:
    """Take in the body where the model stands in it, and note the model, whether it streams, and the splices to come.

    Raises `GatewayError` INVALID_REQUEST, PAYLOAD_TOO_LARGE or UNSUPPORTED_MEDIA_TYPE.
    """
    place = exchange.endpoint.model_place
    if place is _IN_QUERY:
        exchange.requested_model = _query_model(exchange)
    else:
        _read_body(exchange, place, body)
    if len(exchange.requested_model) > _MAX_MODEL_CHARACTERS:
        exchange.requested_model = ""
        raise GatewayError(
            ErrorKind.INVALID_REQUEST, f"The model's name is longer than {_MAX_MODEL_CHARACTERS} characters.", param="model"
        )


def take_body(exchange: Exchange, body: bytes) -> bytes:
    """Hold the body, and unpack it if it came compressed. Raises `GatewayError`."""
    limits = exchange.snapshot.limits
    exchange.request_bytes = len(body)
    if (encoding := exchange.fields.get(b"content-encoding")) is not None and encoding.lower() != b"identity":
        exchange.raw_body = body
        body = decode_body(encoding.decode("latin-1"), body, limit=limits.max_body_bytes)
    exchange.body = body
    return body


def _read_body(exchange: Exchange, place: ModelPlace, body: bytes) -> None:
    body = take_body(exchange, body)
    if place is _IN_FORM and (content_type := exchange.header(b"content-type")).lower().startswith(b"multipart/"):
        _read_form(exchange, content_type, body)
    elif place is _IN_PATH:
        _read_path(exchange, body)
    else:
        _read_object(exchange, Envelope(body))


def _read_object(exchange: Exchange, envelope: Envelope) -> None:
    model = envelope.string("model")
    if not model:
        raise missing_model()
    exchange.requested_model = model
    exchange.envelope = envelope
    exchange.is_stream = envelope.boolean("stream") is True
    if exchange.dialect is _OPENAI and (envelope.has("provider") or envelope.has("models")):
        exchange.has_preferences = True


def _read_form(exchange: Exchange, content_type: bytes, body: bytes) -> None:
    field = _find_model(exchange, content_type, body)
    if field is None:
        raise missing_model()
    exchange.form_field = field
    exchange.requested_model = field.text()


def _find_model(exchange: Exchange, content_type: bytes, body: bytes) -> FormField | None:
    if sum(name == b"content-type" for name, _ in exchange.downstream.headers) > 1:
        # Another boundary could show a provider another model.
        raise GatewayError(ErrorKind.INVALID_REQUEST, "The request has more than one content type.")
    return find_field(content_type.decode("latin-1"), body, "model")


def _read_path(exchange: Exchange, body: bytes) -> None:
    found = exchange.match
    assert found is not None
    assert found.model_span is not None
    start, end = found.model_span
    exchange.requested_model = unquote(found.path[start:end])
    exchange.is_stream = exchange.endpoint.operation is Operation.STREAM_GENERATE
    if found.path.startswith(_HOSTED_PREFIXES):
        exchange.match = found._replace(path=found.path[end:], model_span=None)
        _read_hosted(exchange, body)
    elif body:
        exchange.envelope = Envelope.read(body)
        if exchange.dialect is Dialect.GEMINI:
            exchange.inner_models = inner_models(exchange.envelope)


def _read_hosted(exchange: Exchange, body: bytes) -> None:
    content_type = exchange.header(b"content-type")
    if content_type.lower().startswith(b"multipart/"):
        exchange.form_field = _find_model(exchange, content_type, body)
        return
    exchange.envelope = Envelope.read(body)
    exchange.is_stream = exchange.envelope.boolean("stream") is True


def _query_model(exchange: Exchange) -> str:
    value = query_value(exchange.query, b"model")
    # Of duplicates, spelled with escapes or without, some servers take the first and some the last.
    names = [unquote_to_bytes(pair.partition(b"=")[0]) for pair in exchange.query.split(b"&")]
    if not value or names.count(b"model") > 1:
        raise GatewayError(ErrorKind.INVALID_REQUEST, "The query needs exactly one parameter 'model'.", param="model")
    return value.decode("utf-8", "replace")


def missing_model() -> GatewayError:
    """The refusal of a request that names no model."""
    return GatewayError(ErrorKind.INVALID_REQUEST, "The request names no model.", param="model", code="missing_required_parameter")
