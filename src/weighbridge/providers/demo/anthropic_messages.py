"""Anthropic messages, whole and streamed."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Final

import msgspec

from weighbridge.providers.demo.anthropic_request import MessagesRequest, find_model, read_prompt
from weighbridge.providers.demo.exchange import SSE_TYPE, DemoReply, DemoRequest, Stamp, StreamEvent, read_body, sse_event, whole
from weighbridge.providers.demo.generate import Answer, Finish, answer
from weighbridge.providers.demo.models import MAX_OUTPUT_TOKENS, pace_of
from weighbridge.providers.demo.text import split_tokens

Object = dict[str, object]
_STOP_REASON: Final = {
    Finish.STOP: "end_turn",
    Finish.STOP_SEQUENCE: "stop_sequence",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL_CALLS: "tool_use",
}


def answer_message(request: DemoRequest, stamp: Stamp) -> DemoReply:
    """`POST /messages`."""
    asked = read_body(request, MessagesRequest)
    model = find_model(asked.model)
    pace = pace_of(model, request.headers, asked.metadata)
    answered = answer(read_prompt(asked, model))
    writer = _Writer(asked, answered, stamp)
    if asked.stream:
        return DemoReply(status=200, headers=[SSE_TYPE], chunks=pace.play(list(writer.events())))
    return whole(writer.whole_body(), delay_ns=pace.whole_ns(answered.tokens))


class _Writer:
    """One answer as a message and as its events."""

    def __init__(self, asked: MessagesRequest, answered: Answer, stamp: Stamp) -> None:
        self._asked = asked
        self._answer = answered
        self._stamp = stamp
        self._input = asked.input_usage()

    def whole_body(self) -> Object:
        return self._message([block for block, _ in self._blocks()], self._ending(), self._answer.tokens)

    def events(self) -> Iterator[StreamEvent]:
        # Anthropic counts a token or so in the first event; the last one has the cumulative figure.
        nothing: Object = {"stop_reason": None, "stop_sequence": None}
        yield _event("message_start", {"message": self._message([], nothing, 1)})
        for index, (block, deltas) in enumerate(self._blocks()):
            yield _event("content_block_start", {"index": index, "content_block": _opening(block)})
            if index == 0:
                yield _event("ping", {})
            for delta in deltas:
                yield _event("content_block_delta", {"index": index, "delta": delta}, tokens=self._tokens(delta))
            yield _event("content_block_stop", {"index": index})
        yield _event("message_delta", {"delta": self._ending(), "usage": self._final_usage()})
        yield _event("message_stop", {})

    def _message(self, content: list[Object], ending: Object, output_tokens: int) -> Object:
        return {
            "id": self._stamp.id("msg_"),
            "type": "message",
            "role": "assistant",
            "model": self._asked.model,
            "content": content,
            **ending,
            "usage": self._usage(output_tokens),
        }

    def _ending(self) -> Object:
        return {"stop_reason": _STOP_REASON[self._answer.finish], "stop_sequence": self._answer.stop_sequence}

    def _usage(self, output_tokens: int) -> Object:
        tokens = self._input
        return {
            "input_tokens": tokens.uncached,
            "cache_creation_input_tokens": tokens.written_5m + tokens.written_1h,
            "cache_read_input_tokens": 0,
            "cache_creation": {
                "ephemeral_5m_input_tokens": tokens.written_5m,
                "ephemeral_1h_input_tokens": tokens.written_1h,
            },
            "output_tokens": output_tokens,
            "service_tier": "standard",
        }

    def _final_usage(self) -> Object:
        tokens = self._input
        return {
            "input_tokens": tokens.uncached,
            "cache_creation_input_tokens": tokens.written_5m + tokens.written_1h,
            "cache_read_input_tokens": 0,
            "output_tokens": self._answer.tokens,
        }

    def _blocks(self) -> Iterator[tuple[Object, list[Object]]]:
        """Each finished content block with the deltas that build it up."""
        answered = self._answer
        if answered.thoughts:
            yield self._thinking_block()
        for index, call in enumerate(answered.calls):
            pieces = split_tokens(call.arguments, limit=MAX_OUTPUT_TOKENS)
            name = {"type": "tool_use", "id": self._stamp.id("toolu_", str(index)), "name": call.name}
            deltas: list[Object] = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *pieces)]
            yield {**name, "input": msgspec.Raw(call.arguments.encode())}, deltas
        if answered.pieces:
            yield {"type": "text", "text": answered.text}, [{"type": "text_delta", "text": piece} for piece in answered.pieces]

    def _tokens(self, delta: Object) -> int:
        """The time that a delta takes: hidden thoughts pass before their signature."""
        if delta["type"] == "signature_delta":
            return len(self._answer.thoughts) if self._hides_thoughts else 0
        return 1

    @property
    def _hides_thoughts(self) -> bool:
        return self._asked.thinking is not None and self._asked.thinking.display == "omitted"

    def _thinking_block(self) -> tuple[Object, list[Object]]:
        shown = () if self._hides_thoughts else self._answer.thoughts
        signature = b64encode(self._stamp.id("demo-signature-").encode()).decode()
        deltas: list[Object] = [{"type": "thinking_delta", "thinking": piece} for piece in shown]
        deltas.append({"type": "signature_delta", "signature": signature})
        return {"type": "thinking", "thinking": "".join(shown), "signature": signature}, deltas


_EMPTY: Final[dict[object, Object]] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
}


def _opening(block: Object) -> Object:
    """The block as it starts: named but empty."""
    return {**block, **_EMPTY[block["type"]]}


def _event(kind: str, fields: Object, *, tokens: int = 0) -> StreamEvent:
    return StreamEvent(sse_event({"type": kind, **fields}, name=kind), tokens)
