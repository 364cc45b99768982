"""In what a provider differs from the vendor whose dialect it speaks: data of its row in the catalogue, applied by request writers.

Every field has the value of the dialect's own vendor as its default. A field that a provider refuses is named in `refuses`, by
its neutral name in `Conversation`; whoever writes a request drops it and says so in the receipt.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal

import msgspec

ReasoningStyle = Literal["effort", "openrouter", "thinking_type", "enable_thinking", "chat_template", "none"]


class Quirks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """See the module's text. Only what has an effect somewhere is here."""

    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_completion_tokens"
    """OpenAI chat: the name of the bound on output. OpenAI's own reasoning models refuse `max_tokens`; most know only that."""
    system_role: Literal["system", "developer", "user"] = "system"
    """The role of instructions. `user`: the provider's models know no system role (Gemma)."""
    stream_options: bool = True
    """Whether `stream_options.include_usage` is understood. False: usage comes unasked, or not at all."""
    refuses: tuple[str, ...] = ()
    """Neutral names of fields that the provider refuses or ignores (`n`, `logit_bias`, `parallel_tool_calls`, `seed`)."""
    answer_formats: tuple[Literal["text", "json", "json_schema"], ...] = ("text", "json", "json_schema")
    """Structured output that is understood. A schema for a provider without `json_schema` becomes `json` plus an instruction."""
    tool_choices: tuple[Literal["auto", "none", "required", "named"], ...] = ("auto", "none", "required", "named")
    """Ways to choose tools that are understood."""
    tools: bool = True
    """Whether tools are understood at all."""
    strict_tools: bool = True
    """Whether a tool's `strict` is understood."""
    images: Literal["any", "inline", "none"] = "any"
    """`inline`: pictures only within the request, not by their address."""
    audio_input: bool = True
    documents: bool = True
    """Whether files (PDF) can be sent."""
    cache_control: bool = False
    """OpenAI chat: content parts take Anthropic's `cache_control` (OpenRouter, Alibaba)."""
    reasoning_style: ReasoningStyle = "effort"
    """OpenAI chat: how thinking is asked for. `effort`: `reasoning_effort`; `openrouter`: `reasoning: {effort, max_tokens}`;
    `thinking_type`: `thinking: {type: enabled|disabled}` (DeepSeek, Z.ai, Moonshot); `enable_thinking`: `enable_thinking` and
    `thinking_budget` (Alibaba); `chat_template`: `chat_template_kwargs: {enable_thinking}` (vLLM); `none`: cannot be asked for."""
    reasoning_efforts: tuple[str, ...] = ()
    """The efforts that are understood, weakest first; empty: all. Others are mapped to the nearest."""
    reasoning_field: Literal["reasoning_content", "reasoning", "reasoning_details"] = "reasoning_content"
    """OpenAI chat: where thinking goes back in an assistant's message."""
    gemini_signatures: bool = False
    """OpenAI chat: Gemini's thought signatures are taken in `extra_content.google` of tool calls (Google's own endpoint)."""
    max_stop: int = 0
    """How many stop sequences are taken; 0: no bound that is known."""
    default_max_tokens: tuple[tuple[str, int], ...] = (("*", 8192),)
    """Anthropic requires `max_tokens`: what is sent when the caller gave none, by glob of the model, first fit."""
    adaptive_thinking: tuple[str, ...] = ()
    """Anthropic: globs of models that take `thinking: {type: adaptive}` and `output_config.effort` in place of a budget."""
    is_strict_about_fields: bool = False
    """OpenAI chat: a field that the provider does not know is refused and not ignored, so `top_k` and its like are left out."""
    renames: dict[str, str] = {}
    """Top-level fields that are spelled otherwise here, by the dialect's name (`{"seed": "random_seed"}` at Mistral)."""
    fixed_sampling: tuple[str, ...] = ()
    """Anthropic and OpenAI chat: globs of models that refuse `temperature`, `top_p` and `top_k` (those after Claude Opus 4.6)."""
    takes_preferences: bool = False
    """OpenRouter's `models` and `provider` are understood there, so the gateway leaves them to it."""

    def max_tokens_for(self, model: str) -> int:
        """The bound on output for a model whose caller gave none."""
        return next((bound for pattern, bound in self.default_max_tokens if fnmatchcase(model, pattern)), 8192)


NO_QUIRKS = Quirks()
"""The dialect as its vendor speaks it."""
