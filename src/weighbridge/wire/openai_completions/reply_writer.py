"""`Reply` and events -> the answer to a caller of legacy completions: the text alone, since this format has nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import GatewayError
from weighbridge.core.terms import NO_USAGE, Dialect, Endpoint, Operation, Usage
from weighbridge.wire.codecs import ReplyContext
from weighbridge.wire.conversation import Refusal, Text
from weighbridge.wire.error_bodies import render_stream_error
from weighbridge.wire.events import (
    Choice,
    Ended,
    Event,
    Failed,
    Finished,
    FinishReason,
    KeepAlive,
    LogprobsAdded,
    RefusalDelta,
    Reply,
    Started,
    TextDelta,
    UsageReported,
)
from weighbridge.wire.finish_reasons import WRITE_OPENAI_CHAT
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.loose_json import as_list, as_object, as_text
from weighbridge.wire.openai_chat.usage_writer import write_usage
from weighbridge.wire.provider_errors import classify_failed

_DONE: Final = b"data: [DONE]\n\n"
_ENDPOINT: Final = Endpoint(Dialect.OPENAI, Operation.COMPLETIONS)
_REASONS: Final = WRITE_OPENAI_CHAT | {FinishReason.TOOL_CALLS: "stop", FinishReason.ERROR: "error"}
"""There are no tools here, and half an answer must not look whole."""
_ALIVE: Final = b": keep-alive\n\n"


def write_reply(reply: Reply, context: ReplyContext) -> bytes:
    """The body."""
    body = _head(Started(reply.id, reply.model, reply.created_s), context)
    body["choices"] = [_choice(index, choice) for index, choice in enumerate(reply.choices)]
    usage = write_usage(reply.usage)
    if usage is not None:
        body["usage"] = usage
    return encode_json(body)


def _head(start: Started, context: ReplyContext) -> JsonObject:
    return {
        "id": start.id or f"cmpl-{context.request_id}",
        "object": "text_completion",
        "created": start.created_s or context.created_s,
        "model": start.model or context.model,
    }


def _choice(index: int, choice: Choice) -> JsonObject:
    text = "".join(part.text for part in choice.parts if isinstance(part, (Text, Refusal)))
    return {
        "text": text,
        "index": index,
        "logprobs": _legacy_logprobs(choice.logprobs, 0) if choice.logprobs else None,
        "finish_reason": _REASONS[choice.reason],
    }


def _legacy_logprobs(tokens: Sequence[JsonObject], at: int) -> JsonObject:
    """Chat's list of tokens as the older parallel lists; offsets count characters of the answer, from `at` for the first token."""
    texts = [as_text(token.get("token")) for token in tokens]
    offsets: list[int] = []
    for text in texts:
        offsets.append(at)
        at += len(text)
    return {
        "tokens": [*texts],
        "token_logprobs": [token.get("logprob") for token in tokens],
        "top_logprobs": [
            {as_text(as_object(top).get("token")): as_object(top).get("logprob") for top in as_list(token.get("top_logprobs"))}
            for token in tokens
        ],
        "text_offset": [*offsets],
    }


class CompletionEventWriter:
    """See `wire/codecs.py:EventWriter`."""

    def __init__(self, context: ReplyContext) -> None:
        self._context = context
        self._shows_usage = context.conversation.include_usage is True
        self._head = _head(Started(), context)
        self._usage: Usage = NO_USAGE
        self._lengths: dict[int, int] = {}
        """Characters of each choice whose log probabilities were told."""

    def write(self, events: Sequence[Event]) -> bytes:
        """Chunks for these events."""
        return b"".join(self._write(event) for event in events)

    def fail(self, error: GatewayError) -> bytes:
        """An error event; no `[DONE]` follows."""
        return render_stream_error(error, _ENDPOINT, self._context.request_id)

    def _write(self, event: Event) -> bytes:
        if isinstance(event, (TextDelta, RefusalDelta)):
            return self._chunk([{"text": event.text, "index": event.choice, "logprobs": None, "finish_reason": None}])
        if isinstance(event, LogprobsAdded) and not event.is_refusal:
            at = self._lengths.get(event.choice, 0)
            told = _legacy_logprobs(event.tokens, at)
            self._lengths[event.choice] = at + sum(len(as_text(token.get("token"))) for token in event.tokens)
            return self._chunk([{"text": "", "index": event.choice, "logprobs": told, "finish_reason": None}])
        if isinstance(event, Finished):
            reason = _REASONS[event.reason]
            return self._chunk([{"text": "", "index": event.choice, "logprobs": None, "finish_reason": reason}])
        if isinstance(event, Started):
            self._head = _head(event, self._context)
        elif isinstance(event, UsageReported):
            self._usage = event.usage
        elif isinstance(event, Ended):
            return (self._chunk([]) if self._shows_usage else b"") + _DONE
        elif isinstance(event, KeepAlive):
            return _ALIVE
        elif isinstance(event, Failed):
            return self.fail(classify_failed(event, Dialect.OPENAI))
        return b""

    def _chunk(self, choices: list[JsonObject]) -> bytes:
        chunk: dict[str, object] = {**self._head, "choices": choices}
        if self._shows_usage:
            chunk["usage"] = write_usage(self._usage) if not choices else None
        return b"data: " + encode_json(chunk) + b"\n\n"
