"""What OpenAI's operations share: looking up a model, usage, and stop sequences."""

from __future__ import annotations

from typing import Final

from weighbridge.providers.demo.exchange import DemoError
from weighbridge.providers.demo.models import MODELS, Model

DONE: Final = b"data: [DONE]\n\n"


def find_model(name: str) -> Model:
    """The model of this name. Raises `DemoError` 404 in OpenAI's words."""
    model = MODELS.get(name)
    if model is None:
        message = f"The model `{name[:100]}` does not exist or you do not have access to it."
        raise DemoError(404, message, param="model", code="model_not_found")
    return model


def usage_object(prompt: int, completion: int, reasoning: int = 0) -> dict[str, object]:
    """`usage` of chat and legacy completions. The demo keeps no cache, so nothing is ever read from one."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def stop_sequences(stop: str | list[str] | None) -> tuple[str, ...]:
    """`stop` as a tuple: OpenAI takes one string or a list."""
    return (stop,) if isinstance(stop, str) else tuple(stop or ())
