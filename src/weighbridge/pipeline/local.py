"""What a worker answers by itself: health, OPTIONS, and the list of models. None of it reaches a provider or costs anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import unquote

from weighbridge.auth.presented_key import may_use
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Operation
from weighbridge.pipeline.exchange import Exchange
from weighbridge.wire.model_lists import ModelEntry, render_model, render_models

_HEALTH_PATHS: Final = frozenset((b"/healthz", b"/readyz"))
_MODELS: Final = Operation.MODELS
_JSON_LINE: Final = b"content-type: application/json\r\n"
_ALLOW_LINE: Final = b"allow: GET, HEAD, POST, DELETE, OPTIONS\r\n"


def answer_locally(exchange: Exchange, *, is_ready: bool) -> bool:
    """Health and OPTIONS, without a key. True if answered."""
    if exchange.downstream.method == b"OPTIONS":
        # Which methods there are (RFC 9110 §9.3.7); it grants no cross-origin access.
        exchange.downstream.start(204, _ALLOW_LINE, None)
        exchange.downstream.end()
        return True
    if exchange.path in _HEALTH_PATHS:
        _answer_health(exchange, is_ready=is_ready)
        return True
    return False


def _answer_health(exchange: Exchange, *, is_ready: bool) -> None:
    """`/healthz`: the process lives. `/readyz`: it takes requests (not while it drains)."""
    is_well = is_ready or exchange.path == b"/healthz"
    body = b'{"status":"ok"}' if is_well else b'{"status":"draining"}'
    exchange.downstream.start(200 if is_well else 503, _JSON_LINE + b"cache-control: no-store\r\n", len(body))
    exchange.downstream.end(body)


def is_own_list(exchange: Exchange) -> bool:
    """Whether a request for models is answered here. A list pinned to one provider is that provider's own."""
    return exchange.match is not None and exchange.match.provider is None


def models_body(exchange: Exchange, live: Mapping[str, Sequence[str]]) -> bytes:
    """`GET …/models` in the caller's dialect: what its key may use, with the models that providers list themselves.

    Raises `GatewayError` MODEL_NOT_FOUND for one model that is not listed.
    """
    found = exchange.match
    assert found is not None
    models = _visible(exchange, live)
    if found.model_span is None:
        body = render_models(exchange.dialect, models)
    else:
        start, end = found.model_span
        name = unquote(found.path[start:end])
        entry = next((model for model in models if model.id == name), None)
        if entry is None:
            raise GatewayError(ErrorKind.MODEL_NOT_FOUND, f"The model '{name}' is not listed here.", param="model")
        body = render_model(exchange.dialect, entry)
    exchange.status = 200
    exchange.reply_bytes = len(body)
    return body


def send_json(exchange: Exchange, body: bytes) -> None:
    """Answer with JSON of the gateway's own; called once the exchange is settled."""
    own = b"x-weighbridge-request-id: %b\r\n" % exchange.request_id.encode()
    exchange.downstream.start(200, _JSON_LINE + own, len(body))
    exchange.downstream.end(body)


def _visible(exchange: Exchange, live: Mapping[str, Sequence[str]]) -> list[ModelEntry]:
    key = exchange.key
    assert key is not None
    entries = {entry.id: entry for entry in exchange.snapshot.models}
    for provider, names in live.items():
        for name in names:
            entries.setdefault(f"{provider}/{name}", ModelEntry(id=f"{provider}/{name}", owned_by=provider))
    return [entry for entry in entries.values() if may_use(key.models, (entry.id,))]
