"""Counts for a caller: `usageMetadata`. https://ai.google.dev/api/generate-content#UsageMetadata"""

from __future__ import annotations

from weighbridge.core.terms import Provenance, Usage
from weighbridge.wire.json_value import Json, JsonObject


def write_usage(usage: Usage, tier: str | None) -> JsonObject | None:
    """The counts; None where nothing is known, which is not zero. The prompt includes the cache, the candidates no thoughts."""
    if usage.provenance is Provenance.UNKNOWN:
        return None
    prompt, output = usage.total_input, usage.total_output
    counts: JsonObject = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": output - usage.reasoning,
        "totalTokenCount": prompt + output,
    }
    if usage.cache_read:
        counts["cachedContentTokenCount"] = usage.cache_read
    if usage.reasoning:
        counts["thoughtsTokenCount"] = usage.reasoning
    text = usage.input + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h
    if details := _details(text, usage.input_audio, usage.input_image):
        counts["promptTokensDetails"] = details
    if details := _details(usage.output - usage.reasoning, usage.output_audio, usage.output_image):
        counts["candidatesTokensDetails"] = details
    if tier is not None:
        counts["serviceTier"] = tier
    return counts


def _details(text: int, audio: int, image: int) -> list[Json]:
    """Only where not all is text."""
    if not audio and not image:
        return []
    kinds = (("TEXT", text), ("AUDIO", audio), ("IMAGE", image))
    return [{"modality": name, "tokenCount": count} for name, count in kinds if count]
