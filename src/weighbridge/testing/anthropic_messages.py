"""Anthropic messages: whole, streamed, counted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.core.terms import Usage
from weighbridge.testing.generation import (
    IMAGE_TOKENS,
    Finish,
    Generation,
    Prompt,
    Tool,
    call_tokens,
    count_bytes,
    fragments,
    stable_id,
)
from weighbridge.testing.invoice import Bill
from weighbridge.testing.provider import Call
from weighbridge.testing.reply import SSE_TYPE, Chunk, RefusalError, Reply, json_reply

_FINISH = {
    Finish.STOP: "end_turn",
    Finish.STOP_SEQUENCE: "stop_sequence",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL: "tool_use",
}
_OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
_MINIMUM_THINKING = 1024

Block = dict[str, Any]


class Message(msgspec.Struct):
    """One message."""

    role: Literal["user", "assistant"]
    content: str | list[Block]


class CountRequest(msgspec.Struct, kw_only=True):
    """The documented fields of `POST /v1/messages/count_tokens`, betas included."""

    model: str
    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    cache_control: Any = None
    context_management: Any = None
    mcp_servers: Any = None
    output_config: dict[str, Any] | None = None
    output_format: dict[str, Any] | None = None
    speed: str | None = None
    system: str | list[Block] | None = None
    thinking: dict[str, Any] | None = None
    tool_choice: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None


class MessageRequest(CountRequest, kw_only=True):
    """The documented fields of `POST /v1/messages`, betas included."""

    max_tokens: Annotated[int, msgspec.Meta(ge=1)]
    container: Any = None
    diagnostics: Any = None
    inference_geo: str | None = None
    metadata: dict[str, Any] | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    top_k: int | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    user_profile_id: str | None = None


class _Segment(msgspec.Struct):
    """A block of the prompt in the order in which caching sees them: tools, system, messages."""

    text: str
    images: int
    ttl: str | None
    """The lifetime of the cache breakpoint at its end, if there is one."""


class Messages:
    """The endpoints and the prompt cache, which never forgets and takes prefixes of any length."""

    def __init__(self) -> None:
        self._cached: set[bytes] = set()

    def create(self, call: Call) -> Reply:
        """`POST /v1/messages`."""
        return self.answer(call, call.read(MessageRequest), tier="standard")

    def answer(self, call: Call, request: MessageRequest, *, tier: str, seed: str = "") -> Reply:
        """A checked request answered; for a batch, `seed` tells its requests apart."""
        _check(request)
        call.check_model(request.model)
        segments = _segments(request)
        prompt = prompt_of(request, segments)
        generation = call.generate(prompt)
        usage = msgspec.structs.replace(self._input_usage(segments), output=generation.tokens, reasoning=generation.thought_tokens)
        run = _Run(stable_id("msg_", call.body, seed), request, generation, usage, tier)
        return run.streamed() if request.stream else run.whole()

    def count(self, call: Call) -> Reply:
        """`POST /v1/messages/count_tokens`: free of charge."""
        request = call.read(CountRequest)
        _check_tools(request)
        call.check_model(request.model)
        return json_reply({"input_tokens": prompt_of(request, _segments(request)).tokens})

    def _input_usage(self, segments: list[_Segment]) -> Usage:
        digest = hashlib.sha256()
        nbytes = images = done = read = 0
        written = {"5m": 0, "1h": 0}
        for segment in segments:
            digest.update(segment.text.encode() + b"\0")
            nbytes += len(segment.text.encode())
            images += segment.images
            if segment.ttl is None:
                continue
            size = count_bytes(nbytes) + IMAGE_TOKENS * images
            if digest.digest() in self._cached:
                # Everything up to here is in the cache, so what seemed to be written before it was not.
                read, written = size, {"5m": 0, "1h": 0}
            else:
                written[segment.ttl] += size - done
                self._cached.add(digest.digest())
            done = size
        rest = count_bytes(nbytes) + IMAGE_TOKENS * images - done
        return Usage(input=rest, cache_read=read, cache_write_5m=written["5m"], cache_write_1h=written["1h"])


def invalid(message: str) -> RefusalError:
    """400 `invalid_request_error`."""
    return RefusalError(400, message, kind="invalid_request_error")


def _check(request: MessageRequest) -> None:
    _check_tools(request)
    for place, message in enumerate(request.messages):
        if not message.content and place < len(request.messages) - 1:
            text = f"messages.{place}: all messages must have non-empty content except for the optional final assistant message"
            raise invalid(text)
        for part, block in enumerate(message.content if isinstance(message.content, list) else []):
            if not isinstance(block.get("type"), str):
                raise invalid(f"messages.{place}.content.{part}.type: Field required")
    if (request.thinking or {}).get("type") == "enabled":
        budget = (request.thinking or {}).get("budget_tokens")
        if not isinstance(budget, int) or budget < _MINIMUM_THINKING:
            raise invalid("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if budget >= request.max_tokens:
            raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")


def _check_tools(request: CountRequest) -> None:
    for place, tool in enumerate(request.tools or []):
        if tool.get("type", "custom") != "custom":
            continue
        for name in ("name", "input_schema"):
            if name not in tool:
                raise invalid(f"tools.{place}.custom.{name}: Field required")
        if not isinstance(tool["input_schema"], dict) or tool["input_schema"].get("type") != "object":
            raise invalid(f"tools.{place}.custom.input_schema.type: Input should be 'object'")


def _segments(request: CountRequest) -> list[_Segment]:
    segments = [_segment({"type": "tool"} | tool) for tool in request.tools or []]
    segments += [_segment(block) for block in _blocks(request.system or [])]
    for message in request.messages:
        segments += [_segment(block) for block in _blocks(message.content)]
    if request.cache_control and segments:
        segments[-1].ttl = request.cache_control.get("ttl", "5m")
    return segments


def _blocks(content: str | list[Block]) -> list[Block]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _segment(block: Block) -> _Segment:
    control = block.get("cache_control")
    ttl = control.get("ttl", "5m") if isinstance(control, dict) else None
    if block["type"] == "text":
        return _Segment(str(block.get("text", "")), 0, ttl)
    if block["type"] == "image":
        return _Segment("", 1, ttl)
    plain = {name: value for name, value in block.items() if name != "cache_control"}
    return _Segment(encode_json(plain).decode(), 0, ttl)


def prompt_of(request: CountRequest, segments: list[_Segment]) -> Prompt:
    """What the model is asked."""
    prompt = Prompt(texts=[segment.text for segment in segments], images=sum(segment.images for segment in segments))
    users = [message for message in request.messages if message.role == "user"]
    prompt.user_text = "".join(_text(block) for block in _blocks(users[-1].content)) if users else ""
    custom = [tool for tool in request.tools or [] if "input_schema" in tool]
    prompt.tools = [Tool(tool["name"], tool["input_schema"]) for tool in custom]
    choice = request.tool_choice or {"type": "auto"}
    prompt.may_call = choice.get("type") != "none"
    prompt.may_call_several = not choice.get("disable_parallel_tool_use", False)
    prompt.forced_tool = {"any": "*", "tool": str(choice.get("name"))}.get(str(choice.get("type")))
    form = (request.output_config or {}).get("format") or request.output_format or {}
    prompt.schema = form.get("schema")
    prompt.thinks = (request.thinking or {}).get("type") in {"enabled", "adaptive"}
    if isinstance(request, MessageRequest):
        prompt.max_tokens = request.max_tokens
        prompt.stops = request.stop_sequences or []
    return prompt


def _text(block: Block) -> str:
    if block["type"] == "tool_result":
        return "".join(_text(inner) for inner in _blocks(block.get("content") or ""))
    return str(block.get("text", ""))


class _Run:
    """One generation on its way to becoming a reply."""

    def __init__(self, message_id: str, request: MessageRequest, generation: Generation, usage: Usage, tier: str) -> None:
        self.id = message_id
        self.request = request
        self.generation = generation
        self.usage = usage
        self.tier = tier
        self.bills = (Bill("messages", request.model, usage, tier),)
        self._padding = 0

    def whole(self) -> Reply:
        """One JSON document, sent chunked as Anthropic does."""
        body = self._message(self._content(), self.usage.output) | {
            "stop_reason": _FINISH[self.generation.finish],
            "stop_sequence": self.generation.stop_sequence,
        }
        return msgspec.structs.replace(json_reply(body, bills=self.bills), is_chunked=True)

    def streamed(self) -> Reply:
        """Server-sent events."""
        error = b"event: error\ndata: " + encode_json(_OVERLOADED) + b"\n\n"
        return Reply(content_type=SSE_TYPE, chunks=self._chunks(), is_stream=True, bills=self.bills, error_event=error)

    def _message(self, content: list[Block], output_tokens: int) -> dict[str, Any]:
        return {
            "model": self.request.model,
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "content": content,
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_body(self.usage, output_tokens) | {"service_tier": self.tier},
        }

    def _content(self) -> list[Block]:
        generation = self.generation
        blocks: list[Block] = []
        if generation.thought:
            blocks.append({"type": "thinking", "thinking": generation.thought, "signature": self._signature})
        if text := generation.text:
            blocks.append({"type": "text", "text": text})
        calls = generation.calls
        return blocks + [
            {"type": "tool_use", "id": f"toolu_{call.id}", "name": call.name, "input": call.arguments} for call in calls
        ]

    @property
    def _signature(self) -> str:
        return stable_id("Er", self.generation.thought)

    def _chunks(self) -> Iterator[Chunk]:
        yield self._event("message_start", {"message": self._message([], 1)}, 0)
        generated = 0
        for kind, fields, so_far in self._block_events():
            generated = max(generated, so_far)
            yield self._event(kind, fields, generated)
            if kind == "content_block_start" and fields["index"] == 0:
                yield Chunk(b'event: ping\ndata: {"type": "ping"}\n\n', generated)
        finish = {"stop_reason": _FINISH[self.generation.finish], "stop_sequence": self.generation.stop_sequence}
        fields = {"delta": finish, "usage": usage_body(self.usage, self.usage.output)}
        yield self._event("message_delta", fields, self.usage.output)
        yield self._event("message_stop", {}, self.usage.output)

    def _block_events(self) -> Iterator[tuple[str, dict[str, Any], int]]:
        index = 0
        if self.generation.thought:
            thinking: Block = {"type": "thinking", "thinking": "", "signature": ""}
            yield from _block(index, thinking, self._thinking_deltas())
            index += 1
        if self.generation.text_bytes:
            deltas = (({"type": "text_delta", "text": piece}, tokens) for piece, tokens in self.generation.text_with_tokens())
            yield from _block(index, {"type": "text", "text": ""}, deltas)
            index += 1
        tokens = self.generation.thought_tokens
        for place, call in enumerate(self.generation.calls, index):
            tokens += call_tokens(call)
            pieces = ["", *fragments(call.json)]
            start: Block = {"type": "tool_use", "id": f"toolu_{call.id}", "name": call.name, "input": {}}
            calls = [({"type": "input_json_delta", "partial_json": piece}, tokens) for piece in pieces]
            yield from _block(place, start, iter(calls))

    def _thinking_deltas(self) -> Iterator[tuple[Block, int]]:
        tokens = self.generation.thought_tokens
        yield {"type": "thinking_delta", "thinking": self.generation.thought}, tokens
        yield {"type": "signature_delta", "signature": self._signature}, tokens

    def _event(self, kind: str, fields: dict[str, Any], generated: int) -> Chunk:
        data = encode_json({"type": kind} | fields)
        # Anthropic pads its events with blanks before the last brace, so that their sizes tell nothing.
        self._padding = (self._padding * 7 + len(data)) % 16
        return Chunk(f"event: {kind}\ndata: ".encode() + data[:-1] + b" " * self._padding + b"}\n\n", generated)


def _block(index: int, start: Block, deltas: Iterator[tuple[Block, int]]) -> Iterator[tuple[str, dict[str, Any], int]]:
    yield "content_block_start", {"index": index, "content_block": start}, 0
    tokens = 0
    for delta, so_far in deltas:
        tokens = so_far
        yield "content_block_delta", {"index": index, "delta": delta}, tokens
    yield "content_block_stop", {"index": index}, tokens


def usage_body(usage: Usage, output_tokens: int) -> dict[str, Any]:
    """Usage as Anthropic reports it: `input_tokens` without what the cache had to do with."""
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": output_tokens,
    }
