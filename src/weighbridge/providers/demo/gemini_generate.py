"""Gemini content generation: whole, as server-sent events, and as a JSON array that arrives piecemeal."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.providers.demo.exchange import (
    DemoReply,
    DemoRequest,
    Stamp,
    StreamEvent,
    read_body,
    whole,
)
from weighbridge.providers.demo.gemini_request import JSON_TYPE, GenerateRequest, camel_case, read_prompt
from weighbridge.providers.demo.generate import Answer, Finish, answer
from weighbridge.providers.demo.models import Model, Pace, pace_of

Object = dict[str, object]
_SSE_TYPE: Final = (b"content-type", b"text/event-stream")


def streams_as_sse(request: DemoRequest) -> bool:
    """True for `?alt=sse`; without it a stream is a JSON array."""
    return ("alt", "sse") in parse_qsl(request.query)


def generate_content(request: DemoRequest, stamp: Stamp, model: Model) -> DemoReply:
    """`POST /models/{model}:generateContent`."""
    writer, pace = _answered(request, stamp, model)
    return whole(writer.whole_body(), headers=[JSON_TYPE], delay_ns=pace.whole_ns(writer.tokens))


def stream_generate_content(request: DemoRequest, stamp: Stamp, model: Model) -> DemoReply:
    """`POST /models/{model}:streamGenerateContent`."""
    writer, pace = _answered(request, stamp, model)
    bodies = list(writer.chunk_bodies())
    if streams_as_sse(request):
        # Google ends the lines of its events with CRLF.
        events = [StreamEvent(b"data: " + encode_json(body) + b"\r\n\r\n", tokens) for body, tokens in bodies]
        return DemoReply(status=200, headers=[_SSE_TYPE], chunks=pace.play(events))
    events = [StreamEvent((b",\r\n" if at else b"[") + encode_json(body), tokens) for at, (body, tokens) in enumerate(bodies)]
    return DemoReply(status=200, headers=[JSON_TYPE], chunks=pace.play([*events, StreamEvent(b"\n]\n")]))


def _answered(request: DemoRequest, stamp: Stamp, model: Model) -> tuple[_Writer, Pace]:
    asked = read_body(request, GenerateRequest, respell=camel_case)
    pace = pace_of(model, request.headers, asked.labels)
    return _Writer(asked, model, answer(read_prompt(asked, model)), stamp), pace


class _Writer:
    """One answer as a response and as its chunks. All candidates are alike."""

    def __init__(self, asked: GenerateRequest, model: Model, answered: Answer, stamp: Stamp) -> None:
        config = asked.generation_config
        self._shows_thoughts = config.thinking_config is not None and config.thinking_config.include_thoughts is True
        self._candidates = range(config.candidate_count or 1)
        self._prompt_tokens = asked.tokens
        self._model = model
        self._answer = answered
        self._stamp = stamp

    @property
    def tokens(self) -> int:
        """Tokens whose time the answer takes."""
        return self._answer.tokens

    def whole_body(self) -> Object:
        answered = self._answer
        parts: list[Object] = []
        if answered.thoughts and self._shows_thoughts:
            parts.append({"text": "".join(answered.thoughts), "thought": True})
        if answered.pieces:
            parts.append({"text": answered.text, **self._signature()})
        parts += self._calls()
        return self._body(parts, answered.visible_tokens, len(answered.thoughts), self._finish())

    def chunk_bodies(self) -> Iterator[tuple[Object, int]]:
        """A chunk for each token, with the tokens' time that it takes; the last one says why the answer ends."""
        answered = self._answer
        steps: list[tuple[list[Object], int, int]] = []
        if self._shows_thoughts:
            steps += [([{"text": piece, "thought": True}], 0, at) for at, piece in enumerate(answered.thoughts, 1)]
        thought = len(answered.thoughts)
        for at, piece in enumerate(answered.pieces, 1):
            steps.append(([{"text": piece, **(self._signature() if at == 1 else {})}], at, thought))
        if answered.calls:
            steps.append((self._calls(), answered.visible_tokens, thought))
        steps = steps or [([], 0, thought)]
        past = 0
        for at, (parts, output, thoughts) in enumerate(steps, 1):
            yield self._body(parts, output, thoughts, self._finish() if at == len(steps) else None), output + thoughts - past
            past = output + thoughts

    def _signature(self) -> Object:
        """Opaque proof of the thoughts, which clients send back."""
        if not self._answer.thoughts:
            return {}
        return {"thoughtSignature": b64encode(self._stamp.id("demo-signature-").encode()).decode()}

    def _calls(self) -> list[Object]:
        return [
            {
                "functionCall": {
                    "id": self._stamp.id("", str(index), length=8),
                    "name": call.name,
                    "args": msgspec.Raw(call.arguments.encode()),
                }
            }
            for index, call in enumerate(self._answer.calls)
        ]

    def _finish(self) -> str:
        return "MAX_TOKENS" if self._answer.finish is Finish.LENGTH else "STOP"

    def _body(self, parts: list[Object], output: int, thoughts: int, finish: str | None) -> Object:
        ending: Object = {"finishReason": finish} if finish else {}
        content: Object = {"parts": parts, "role": "model"} if parts else {"role": "model"}
        return {
            "candidates": [{"content": content, **ending, "index": at} for at in self._candidates],
            "usageMetadata": self._usage(output * len(self._candidates), thoughts * len(self._candidates)),
            "modelVersion": self._model.name,
            "responseId": self._stamp.id("", "response"),
        }

    def _usage(self, output: int, thoughts: int) -> Object:
        prompt = self._prompt_tokens
        shown: Object = {"thoughtsTokenCount": thoughts} if thoughts else {}
        return {
            "promptTokenCount": prompt,
            "candidatesTokenCount": output,
            "totalTokenCount": prompt + output + thoughts,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
            **shown,
        }
