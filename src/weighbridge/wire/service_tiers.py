"""Service tiers: who asks for what, and how it is called elsewhere."""

from __future__ import annotations

from typing import Final

# OpenAI: auto, default, flex, scale, priority, fast. Anthropic: auto, standard_only (asked), standard, priority, batch (served).
# Gemini and Bedrock: `flex`, `priority`, `standard`/`default`.
_TO_ANTHROPIC: Final = {
    "auto": "auto",
    "default": "standard_only",
    "standard": "standard_only",
    "standard_only": "standard_only",
    "priority": "auto",
}
_TO_OPENAI: Final = {
    "auto": "auto",
    "standard_only": "default",
    "standard": "default",
    "default": "default",
    "flex": "flex",
    "priority": "priority",
    "fast": "fast",
    "scale": "scale",
}
_TO_GEMINI: Final = {
    "standard_only": "standard",
    "standard": "standard",
    "default": "standard",
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",
}
_TO_BEDROCK: Final = {
    "standard_only": "default",
    "standard": "default",
    "default": "default",
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",
}
_TABLES: Final = {"anthropic": _TO_ANTHROPIC, "openai": _TO_OPENAI, "gemini": _TO_GEMINI, "bedrock": _TO_BEDROCK}


def tier_for(vendor: str, tier: str) -> str | None:
    """The vendor's word for a tier that was asked for in any dialect; None where it has none (so that it is dropped)."""
    return _TABLES[vendor].get(tier.lower())
