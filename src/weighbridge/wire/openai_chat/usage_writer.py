"""Usage as this format tells it: totals, and parts of them beside."""

from __future__ import annotations

from weighbridge.core.terms import Provenance, Usage
from weighbridge.wire.json_value import JsonObject


def write_usage(usage: Usage) -> JsonObject | None:
    """The `usage` object; None where nothing is known, which is not zero."""
    if usage.provenance is Provenance.UNKNOWN:
        return None
    prompt: JsonObject = {"cached_tokens": usage.cache_read, "audio_tokens": usage.input_audio}
    written = usage.cache_write_5m + usage.cache_write_1h
    if written:
        prompt["cache_write_tokens"] = written
    if usage.input_image:
        prompt["image_tokens"] = usage.input_image
    completion: JsonObject = {"reasoning_tokens": usage.reasoning, "audio_tokens": usage.output_audio}
    return {
        "prompt_tokens": usage.total_input,
        "completion_tokens": usage.total_output,
        "total_tokens": usage.total_input + usage.total_output,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": completion,
    }
