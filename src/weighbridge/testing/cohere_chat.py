"""Cohere's chat, version 2: whole and streamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

import msgspec

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.terms import Usage
from weighbridge.testing.generation import Finish, Generation, Prompt, Tool, call_tokens, fragments
from weighbridge.testing.invoice import Bill
from weighbridge.testing.provider import Call
from weighbridge.testing.reply import SSE_TYPE, Chunk, RefusalError, Reply, json_reply, sse

_FINISH: Final = {
    Finish.STOP: "COMPLETE",
    Finish.STOP_SEQUENCE: "STOP_SEQUENCE",
    Finish.LENGTH: "MAX_TOKENS",
    Finish.TOOL: "TOOL_CALL",
}
_PLAN: Final = "I will call the tools."
_DOES_NOT_THINK: Final = ("command-a-03-2025", "command-r7b-12-2024")

Block = dict[str, Any]


class Message(msgspec.Struct, forbid_unknown_fields=True):
    """One message of any role."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str | list[Block] | None = None
    tool_calls: list[Block] | None = None
    tool_plan: str | None = None
    tool_call_id: str | None = None
    citations: list[Block] | None = None


class ChatRequest(msgspec.Struct, kw_only=True):
    """The documented fields of `POST /v2/chat`."""

    model: str
    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    stream: bool | None = None
    tools: list[Block] | None = None
    strict_tools: bool | None = None
    tool_choice: Literal["REQUIRED", "NONE"] | None = None
    documents: list[Any] | None = None
    citation_options: Block | None = None
    response_format: Block | None = None
    safety_mode: Literal["CONTEXTUAL", "STRICT", "OFF"] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=0)] | None = None
    stop_sequences: Annotated[list[str], msgspec.Meta(max_length=5)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=0)] | None = None
    frequency_penalty: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    k: Annotated[int, msgspec.Meta(ge=0, le=500)] | None = None
    p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    logprobs: bool | None = None
    thinking: Block | None = None
    priority: Annotated[int, msgspec.Meta(ge=0, le=999)] | None = None


def invalid(message: str) -> RefusalError:
    """400."""
    return RefusalError(400, f"invalid request: {message}")


def chat(call: Call) -> Reply:
    """`POST /v2/chat`."""
    request = call.read(ChatRequest)
    _check(request)
    call.check_model(request.model)
    prompt = _prompt(request)
    generation = call.generate(prompt)
    run = _Run(call.id(""), request, prompt, generation)
    return run.streamed() if request.stream else run.whole()


def _check(request: ChatRequest) -> None:
    for place, message in enumerate(request.messages):
        if message.role == "tool" and message.tool_call_id is None:
            raise invalid(f"message at messages[{place}] must have a tool_call_id")
        if message.role == "assistant":
            if not message.content and not message.tool_calls:
                raise invalid(f"all elements in messages must have either content or tool_calls: messages[{place}]")
        elif message.content is None:
            raise invalid(f"message at messages[{place}] must have content")
        for block in message.content if isinstance(message.content, list) else []:
            _check_block(block, message.role, f"messages[{place}]", request.model)
    _check_calls(request)
    for place, tool in enumerate(request.tools or []):
        function = tool.get("function")
        if tool.get("type") != "function" or not isinstance(function, dict) or not function.get("name"):
            raise invalid(f"tools[{place}] must be a function with a name")
        if not isinstance(function.get("parameters"), dict):
            raise invalid(f"tools[{place}].function.parameters is required")
    if (request.response_format or {}).get("type") == "json_object" and (request.tools or request.documents):
        raise invalid("cannot specify response_format with tools or documents")
    if request.thinking is not None and request.model in _DOES_NOT_THINK:
        raise invalid(f"model '{request.model}' does not support thinking")


def _check_block(block: Block, role: str, where: str, model: str) -> None:
    allowed = {"tool": ("text", "document"), "user": ("text", "image_url"), "assistant": ("text", "thinking"), "system": ("text",)}
    kind = block.get("type")
    if kind not in allowed[role] or kind not in block:
        raise invalid(f"content of type '{kind}' is not allowed in {where}")
    if kind == "thinking" and model in _DOES_NOT_THINK:
        raise invalid(f"model '{model}' does not support thinking content")
    if kind == "image_url" and not isinstance(block["image_url"].get("url"), str):
        raise invalid(f"image_url.url is required in {where}")


def _check_calls(request: ChatRequest) -> None:
    known: set[str] = set()
    for message in request.messages:
        for call in message.tool_calls or []:
            known.add(str(call.get("id")))
            try:
                decode_json(call["function"]["arguments"].encode())
            except (msgspec.DecodeError, KeyError, AttributeError) as error:
                raise invalid("tool_calls must have a function with arguments in JSON") from error
        if message.role == "tool" and message.tool_call_id not in known:
            raise invalid(f"tool call id not found in previous tool calls: {message.tool_call_id}")


def _prompt(request: ChatRequest) -> Prompt:
    prompt = Prompt(texts=[encode_json(tool).decode() for tool in request.tools or []])
    prompt.texts += [encode_json(document).decode() for document in request.documents or []]
    for message in request.messages:
        for block in _blocks(message.content):
            if block.get("type") == "image_url":
                prompt.images += 1
            else:
                prompt.texts.append(_text(block))
        prompt.texts += [encode_json(call).decode() for call in message.tool_calls or []]
    heard = [message for message in request.messages if message.role in {"user", "tool"}]
    prompt.user_text = "".join(_text(block) for block in _blocks(heard[-1].content)) if heard else ""
    functions = [tool["function"] for tool in request.tools or []]
    prompt.tools = [Tool(function["name"], function["parameters"]) for function in functions]
    prompt.may_call = request.tool_choice != "NONE"
    prompt.forced_tool = "*" if request.tool_choice == "REQUIRED" else None
    form = request.response_format or {}
    if form.get("type") == "json_object":
        prompt.schema = form.get("json_schema") or form.get("schema") or {"type": "object"}
    prompt.max_tokens = request.max_tokens
    prompt.stops = request.stop_sequences or []
    prompt.thinks = request.model not in _DOES_NOT_THINK and (request.thinking or {"type": "enabled"}).get("type") == "enabled"
    return prompt


def _blocks(content: str | list[Block] | None) -> list[Block]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []


def _text(block: Block) -> str:
    if block.get("type") == "document":
        return encode_json(block["document"]).decode()
    return str(block.get("text") or block.get("thinking") or "")


class _Run:
    """One generation on its way to becoming a reply."""

    def __init__(self, reply_id: str, request: ChatRequest, prompt: Prompt, generation: Generation) -> None:
        self.id = reply_id
        self.generation = generation
        self.plan = _PLAN if generation.calls and not generation.thought else ""
        self.usage = Usage(prompt.tokens, output=generation.tokens, reasoning=generation.thought_tokens)
        self.bills = (Bill("chat", request.model, self.usage),)

    def whole(self) -> Reply:
        """One JSON document."""
        generation = self.generation
        content: list[Block] = []
        if generation.thought:
            content.append({"type": "thinking", "thinking": generation.thought})
        if text := generation.text:
            content.append({"type": "text", "text": text})
        message: Block = {"role": "assistant"}
        if content:
            message["content"] = content
        if generation.calls:
            message["tool_calls"] = [_call(call.id, call.name, call.json) for call in generation.calls]
            if self.plan:
                message["tool_plan"] = self.plan
        return json_reply({"id": self.id, "message": message} | self._end(), bills=self.bills)

    def streamed(self) -> Reply:
        """Server-sent events."""
        failed = {"finish_reason": "ERROR", "error": "internal server error", "usage": {}}
        error = sse({"type": "message-end", "delta": failed}, "message-end")
        return Reply(content_type=SSE_TYPE, chunks=self._chunks(), is_stream=True, bills=self.bills, error_event=error)

    def _end(self) -> Block:
        usage = self.usage
        counts = {"input_tokens": usage.input, "output_tokens": usage.output}
        tokens = counts | ({"reasoning_tokens": usage.reasoning} if usage.reasoning else {})
        said = {"billed_units": counts, "tokens": tokens, "cached_tokens": 0}
        return {"finish_reason": _FINISH[self.generation.finish], "usage": said}

    def _chunks(self) -> Iterator[Chunk]:
        start = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
        yield Chunk(sse({"id": self.id, "type": "message-start", "delta": {"message": start}}, "message-start"))
        generated = 0
        for kind, index, message, so_far in self._events():
            generated = max(generated, so_far)
            yield Chunk(_event(kind, index, message), generated)
        yield Chunk(sse({"type": "message-end", "delta": self._end()}, "message-end"), self.usage.output)
        yield Chunk(b"data: [DONE]\n\n", self.usage.output)

    def _events(self) -> Iterator[tuple[str, int | None, Block | None, int]]:
        generation = self.generation
        tokens = generation.thought_tokens
        index = 0
        if generation.thought:
            yield "content-start", index, {"content": {"type": "thinking", "thinking": ""}}, 0
            yield "content-delta", index, {"content": {"thinking": generation.thought}}, tokens
            yield "content-end", index, None, tokens
            index += 1
        if generation.text_bytes:
            yield "content-start", index, {"content": {"type": "text", "text": ""}}, tokens
            for word, tokens in generation.text_with_tokens():
                yield "content-delta", index, {"content": {"text": word}}, tokens
            yield "content-end", index, None, tokens
        if self.plan:
            yield "tool-plan-delta", None, {"tool_plan": self.plan}, tokens
        for place, call in enumerate(generation.calls):
            tokens += call_tokens(call)
            yield "tool-call-start", place, {"tool_calls": _call(call.id, call.name, "")}, tokens
            for fragment in fragments(call.json):
                yield "tool-call-delta", place, {"tool_calls": {"function": {"arguments": fragment}}}, tokens
            yield "tool-call-end", place, None, tokens


def _call(call_id: str, name: str, arguments: str) -> Block:
    return {"id": f"{name}_{call_id}", "type": "function", "function": {"name": name, "arguments": arguments}}


def _event(kind: str, index: int | None, message: Block | None) -> bytes:
    body: Block = {"type": kind}
    if index is not None:
        body["index"] = index
    if message is not None:
        body["delta"] = {"message": message}
    return sse(body, kind)
