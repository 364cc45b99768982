"""The list of models in each dialect's own shape."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.core.terms import Dialect


class ModelEntry(msgspec.Struct, frozen=True):
    """One model that callers may ask for. `created_s` is Unix time in seconds; 0 stands for an unknown date, as at Anthropic."""

    id: str
    owned_by: str
    created_s: int = 0


def render_models(dialect: Dialect, models: Sequence[ModelEntry]) -> bytes:
    """The body of `GET /models`: all on one page, in the order given."""
    entries = [_SHAPES[dialect](model) for model in models]
    if dialect is Dialect.GEMINI:
        return encode_json({"models": entries})
    if dialect is Dialect.ANTHROPIC:
        first, last = (models[0].id, models[-1].id) if models else (None, None)
        return encode_json({"data": entries, "has_more": False, "first_id": first, "last_id": last})
    return encode_json({"object": "list", "data": entries})


def render_model(dialect: Dialect, entry: ModelEntry) -> bytes:
    """The body of `GET /models/{model}`."""
    return encode_json(_SHAPES[dialect](entry))


def _openai(model: ModelEntry) -> dict[str, object]:
    return {"id": model.id, "object": "model", "created": model.created_s, "owned_by": model.owned_by}


def _anthropic(model: ModelEntry) -> dict[str, object]:
    created = datetime.fromtimestamp(model.created_s, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    # `lifecycle` is required by the SDK's type since 2026.
    return {"type": "model", "id": model.id, "display_name": model.id, "created_at": created, "lifecycle": "active"}


def _gemini(model: ModelEntry) -> dict[str, object]:
    return {
        "name": f"models/{model.id}",
        "baseModelId": model.id,
        "version": "001",
        "displayName": model.id,
        "description": f"Served by {model.owned_by}",
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens", "embedContent"],
    }


_SHAPES = {Dialect.OPENAI: _openai, Dialect.ANTHROPIC: _anthropic, Dialect.GEMINI: _gemini}
