"""A bound on the output that the gateway sets: where a budget has less left than the request may cost, and where a key has a
maximum."""

from __future__ import annotations

from typing import Final

import msgspec

from weighbridge.core.terms import Dialect, Operation
from weighbridge.pipeline.bounds import GEMINI_CONFIGS, gemini_configs
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.target import OUTPUT_FIELDS, Target
from weighbridge.wire.conversation import Conversation
from weighbridge.wire.envelope import Envelope, Splice, apply_splices

_FIELDS: Final = {
    Operation.COMPLETIONS: "max_tokens",
    Operation.RESPONSES: "max_output_tokens",
    Operation.MESSAGES: "max_tokens",
}


def cap_splices(exchange: Exchange, target: Target, envelope: Envelope) -> list[Splice]:
    """What to change in a body that is forwarded so that each answer has at most `exchange.output_cap` tokens; named in the
    edits."""
    raw = b"%d" % exchange.output_cap
    if exchange.dialect is Dialect.GEMINI:
        config = next((name for name in GEMINI_CONFIGS if envelope.has(name)), GEMINI_CONFIGS[0])
        is_snake = any(nested.has("max_output_tokens") for nested in gemini_configs(envelope))
        inner = "max_output_tokens" if is_snake else "maxOutputTokens"
        exchange.edits.append(f"capped:{inner}={exchange.output_cap}")
        return envelope.put_nested(config, inner, raw)
    present = [name for name in OUTPUT_FIELDS if envelope.has(name)]
    names = present or [_FIELDS.get(exchange.endpoint.operation, target.provider.quirks.max_tokens_field)]
    if exchange.endpoint.operation is Operation.CHAT and target.knows_max_tokens_only and "max_tokens" not in names:
        names.append("max_tokens")  # which is the one that counts there
    exchange.edits.append(f"capped:{names[0]}={exchange.output_cap}")
    return [splice for name in names for splice in envelope.put(name, raw)]


def capped_body(exchange: Exchange, target: Target, body: bytes) -> bytes:
    """The same for a body that is not forwarded as it came."""
    if not exchange.output_cap:
        return body
    envelope = Envelope.read(body)
    return b"".join(apply_splices(body, cap_splices(exchange, target, envelope))[0])


def capped(exchange: Exchange, conversation: Conversation) -> Conversation:
    """The same for a request that is written anew."""
    if not exchange.output_cap:
        return conversation
    return msgspec.structs.replace(conversation, max_output_tokens=exchange.output_cap)


def thinking_budget(exchange: Exchange) -> int:
    """Tokens that an Anthropic request gives to thinking: its output's bound must be greater, or the provider refuses it."""
    envelope = exchange.envelope
    if envelope is None or exchange.dialect is not Dialect.ANTHROPIC or not envelope.has("thinking"):
        return 0
    raw = envelope.raw("thinking")
    nested = envelope.nested("thinking") if raw is not None and bytes(raw)[:1] == b"{" else None
    if nested is None or not nested.has("budget_tokens"):
        return 0
    text = bytes(nested.raw("budget_tokens") or b"")
    return int(text) if text.isdigit() and len(text) < 10 else 0
