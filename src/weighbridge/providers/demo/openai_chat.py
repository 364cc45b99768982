"""OpenAI chat completions, whole and streamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.providers.demo.exchange import SSE_TYPE, DemoReply, DemoRequest, Stamp, StreamEvent, read_body, sse_event, whole
from weighbridge.providers.demo.generate import (
    ATTACHMENT_TOKENS,
    MESSAGE_TOKENS,
    Answer,
    Finish,
    Prompt,
    Tool,
    ToolCall,
    ToolChoice,
    answer,
)
from weighbridge.providers.demo.models import MAX_CHOICES, MAX_OUTPUT_TOKENS, Model, pace_of
from weighbridge.providers.demo.openai_model import DONE, find_model, stop_sequences, usage_object
from weighbridge.providers.demo.text import count_tokens, split_tokens

_FINISH = {
    Finish.STOP: "stop",
    Finish.STOP_SEQUENCE: "stop",
    Finish.LENGTH: "length",
    Finish.TOOL_CALLS: "tool_calls",
}


class _Part(msgspec.Struct):
    type: str = "text"
    text: str | None = None


class _FunctionCall(msgspec.Struct):
    name: str = ""
    arguments: str = ""


class _Call(msgspec.Struct):
    function: _FunctionCall | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None
    tool_calls: list[_Call] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.text is not None)
        return self.content or ""

    @property
    def tokens(self) -> int:
        parts = self.content if isinstance(self.content, list) else []
        calls = [call.function for call in self.tool_calls or () if call.function]
        attachments = sum(part.text is None for part in parts)
        called = sum(count_tokens(call.name) + count_tokens(call.arguments) for call in calls)
        return MESSAGE_TOKENS + count_tokens(self.text) + called + attachments * ATTACHMENT_TOKENS


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, object] | None = None


class _Tool(msgspec.Struct):
    type: str = "function"
    function: _Function | None = None


class _NamedTool(msgspec.Struct):
    function: _Function | None = None


class _JsonSchema(msgspec.Struct):
    schema: dict[str, object] | None = None


class _ResponseFormat(msgspec.Struct):
    type: str
    json_schema: _JsonSchema | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _ChatRequest(msgspec.Struct):
    model: str
    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=MAX_CHOICES)] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    stop: str | list[str] | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | _NamedTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: _ResponseFormat | None = None
    metadata: dict[str, object] | None = None

    @property
    def prompt_tokens(self) -> int:
        tools = count_tokens(encode_json(self.tools).decode()) if self.tools else 0
        return sum(message.tokens for message in self.messages) + tools


def chat_completion(request: DemoRequest, stamp: Stamp) -> DemoReply:
    """`POST /chat/completions`."""
    asked = read_body(request, _ChatRequest)
    model = find_model(asked.model)
    pace = pace_of(model, request.headers, asked.metadata)
    answered = answer(_prompt(asked, model))
    writer = _Writer(asked, answered, stamp)
    if asked.stream:
        return DemoReply(status=200, headers=[SSE_TYPE], chunks=pace.play(list(writer.events())))
    return whole(writer.whole_body(), delay_ns=pace.whole_ns(answered.tokens))


def _prompt(asked: _ChatRequest, model: Model) -> Prompt:
    choice, only = _tool_choice(asked.tool_choice)
    offered = (tool.function for tool in asked.tools or () if tool.function)
    output = asked.response_format
    return Prompt(
        model=model,
        user_text=next((message.text for message in reversed(asked.messages) if message.role == "user"), ""),
        tool_results=_tool_results(asked.messages),
        tools=tuple(Tool(tool.name, tool.parameters) for tool in offered if only in {None, tool.name}),
        tool_choice=choice,
        is_parallel=asked.parallel_tool_calls is not False,
        output_schema=output.json_schema.schema if output and output.json_schema else None,
        wants_json=output is not None and output.type == "json_object",
        max_tokens=asked.max_completion_tokens or asked.max_tokens,
        stops=stop_sequences(asked.stop),
    )


def _tool_choice(choice: str | _NamedTool | None) -> tuple[ToolChoice, str | None]:
    """The choice, and the one tool that it names."""
    if isinstance(choice, _NamedTool):
        return ToolChoice.REQUIRED, choice.function.name if choice.function else None
    return ToolChoice(choice) if choice in {"none", "required"} else ToolChoice.AUTO, None


def _tool_results(messages: list[_Message]) -> tuple[str, ...]:
    results: list[str] = []
    for message in messages:
        if message.role == "assistant":
            results.clear()
        elif message.role == "tool":
            results.append(message.text)
    return tuple(results)


class _Writer:
    """One answer in the shapes of a completion and of its chunks. All of `n` choices are alike."""

    def __init__(self, asked: _ChatRequest, answered: Answer, stamp: Stamp) -> None:
        self._asked = asked
        self._answer = answered
        self._stamp = stamp
        self._choices = range(min(asked.n or 1, MAX_CHOICES))

    def whole_body(self) -> dict[str, object]:
        return {**self._head("chat.completion"), "choices": [self._choice(at) for at in self._choices], "usage": self._usage()}

    def events(self) -> Iterator[StreamEvent]:
        opening: dict[str, object] = {"role": "assistant", "content": None if self._answer.calls else "", "refusal": None}
        yield from self._deltas(opening)
        # Nobody sees a chat model's thoughts, but they take their time.
        yield StreamEvent(b"", len(self._answer.thoughts))
        for piece in self._answer.pieces:
            yield from self._deltas({"content": piece}, tokens=1)
        for at, call in enumerate(self._answer.calls):
            yield from self._call_deltas(at, call)
        yield from self._deltas({}, finish=_FINISH[self._answer.finish])
        if self._includes_usage:
            yield StreamEvent(sse_event({**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage()}))
        yield StreamEvent(DONE)

    @property
    def _includes_usage(self) -> bool:
        options = self._asked.stream_options
        return options is not None and options.include_usage is True

    def _head(self, kind: str) -> dict[str, object]:
        return {
            "id": self._stamp.id("chatcmpl-", length=29),
            "object": kind,
            "created": self._stamp.now_s,
            "model": self._asked.model,
            "service_tier": "default",
            "system_fingerprint": "fp_demo",
        }

    def _usage(self) -> dict[str, object]:
        copies = len(self._choices)
        output, reasoning = self._answer.tokens * copies, len(self._answer.thoughts) * copies
        return usage_object(self._asked.prompt_tokens, output, reasoning)

    def _choice(self, at: int) -> dict[str, object]:
        calls = [self._call(at, index, call) for index, call in enumerate(self._answer.calls)]
        message: dict[str, object] = {
            "role": "assistant",
            "content": None if calls else self._answer.text,
            "refusal": None,
            "annotations": [],
        }
        if calls:
            message["tool_calls"] = calls
        return {"index": at, "message": message, "logprobs": None, "finish_reason": _FINISH[self._answer.finish]}

    def _call(self, choice: int, index: int, call: ToolCall) -> dict[str, object]:
        return {
            "id": self._stamp.id("call_", f"{choice} {index}"),
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }

    def _deltas(self, delta: dict[str, object], *, tokens: int = 0, finish: str | None = None) -> Iterator[StreamEvent]:
        """The same delta for each choice: they are generated side by side."""
        for at in self._choices:
            yield StreamEvent(self._chunk(at, delta, finish), tokens if at == 0 else 0)

    def _chunk(self, at: int, delta: dict[str, object], finish: str | None = None) -> bytes:
        choice = {"index": at, "delta": delta, "logprobs": None, "finish_reason": finish}
        usage: dict[str, object] = {"usage": None} if self._includes_usage else {}
        return sse_event({**self._head("chat.completion.chunk"), "choices": [choice], **usage})

    def _call_deltas(self, index: int, call: ToolCall) -> Iterator[StreamEvent]:
        for at in self._choices:
            opening = {"index": index, **self._call(at, index, ToolCall(call.name, ""))}
            yield StreamEvent(self._chunk(at, {"tool_calls": [opening]}), count_tokens(call.name) if at == 0 else 0)
        for piece in split_tokens(call.arguments, limit=MAX_OUTPUT_TOKENS):
            yield from self._deltas({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}, tokens=1)
