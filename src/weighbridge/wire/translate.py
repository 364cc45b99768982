"""Between dialects: which format a caller speaks, which of a provider's formats serves it best, and who reads and writes each.

A hub and no pairs: caller's bytes -> `Conversation` -> provider's bytes, and back by `Event`s. What a format can do stands in one
of two tables; adding a format is a line here.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from weighbridge.core.terms import Dialect, Operation, WireFormat
from weighbridge.wire import (
    anthropic_messages,
    bedrock_converse,
    cohere_chat,
    gemini_generate,
    ollama_chat,
    openai_chat,
    openai_completions,
    openai_responses,
)
from weighbridge.wire.codecs import InboundFormat, OutboundFormat

_F = WireFormat

INBOUND: Final[dict[WireFormat, InboundFormat]] = {
    _F.OPENAI_CHAT: openai_chat.INBOUND,
    _F.OPENAI_COMPLETIONS: openai_completions.INBOUND,
    _F.OPENAI_RESPONSES: openai_responses.INBOUND,
    _F.ANTHROPIC_MESSAGES: anthropic_messages.INBOUND,
    _F.GEMINI_GENERATE: gemini_generate.INBOUND,
}
"""Formats that callers speak."""

OUTBOUND: Final[dict[WireFormat, OutboundFormat]] = {
    _F.OPENAI_CHAT: openai_chat.OUTBOUND,
    _F.OPENAI_RESPONSES: openai_responses.OUTBOUND,
    _F.ANTHROPIC_MESSAGES: anthropic_messages.OUTBOUND,
    _F.GEMINI_GENERATE: gemini_generate.OUTBOUND,
    _F.BEDROCK_CONVERSE: bedrock_converse.OUTBOUND,
    _F.COHERE_CHAT: cohere_chat.OUTBOUND,
    _F.OLLAMA_CHAT: ollama_chat.OUTBOUND,
}
"""Formats that providers are asked in."""

FORMAT_OF: Final[dict[Operation, WireFormat]] = {
    Operation.CHAT: _F.OPENAI_CHAT,
    Operation.COMPLETIONS: _F.OPENAI_COMPLETIONS,
    Operation.RESPONSES: _F.OPENAI_RESPONSES,
    Operation.MESSAGES: _F.ANTHROPIC_MESSAGES,
    Operation.GENERATE: _F.GEMINI_GENERATE,
    Operation.STREAM_GENERATE: _F.GEMINI_GENERATE,
}
"""The format of each operation that asks a model for an answer; the others are not translated this way."""

DIALECT_OF: Final[dict[WireFormat, Dialect]] = {
    _F.OPENAI_CHAT: Dialect.OPENAI,
    _F.OPENAI_COMPLETIONS: Dialect.OPENAI,
    _F.OPENAI_RESPONSES: Dialect.OPENAI,
    _F.ANTHROPIC_MESSAGES: Dialect.ANTHROPIC,
    _F.GEMINI_GENERATE: Dialect.GEMINI,
    _F.BEDROCK_CONVERSE: Dialect.BEDROCK,
    _F.COHERE_CHAT: Dialect.COHERE,
    _F.OLLAMA_CHAT: Dialect.OLLAMA,
}

_CHAT_LIKE: Final = frozenset((_F.OPENAI_CHAT, _F.OPENAI_COMPLETIONS))


def best_format(caller: WireFormat, spoken: Collection[WireFormat]) -> WireFormat | None:
    """The format in which to ask a provider that speaks `spoken` (the best first) on behalf of a caller; None if there is none.

    The caller's own, if it is among them: nothing is lost then. Chat and completions go as chat where the provider has it.
    """
    if caller in spoken and caller in OUTBOUND:
        return caller
    if caller in _CHAT_LIKE and _F.OPENAI_CHAT in spoken:
        return _F.OPENAI_CHAT
    return next((spoken_format for spoken_format in spoken if spoken_format in OUTBOUND), None)
