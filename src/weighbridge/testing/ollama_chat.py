"""Ollama's own API: chat as lines of JSON, or whole, and embeddings."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.core.terms import Usage
from weighbridge.testing.generation import Finish, Generation, Prompt, Tool, call_tokens, count_tokens, vector
from weighbridge.testing.invoice import Bill
from weighbridge.testing.provider import Call
from weighbridge.testing.reply import Chunk, RefusalError, Reply, json_reply

NDJSON_TYPE: Final = "application/x-ndjson"
DIMENSIONS: Final = 16
"""Of an embedding, unless asked otherwise."""
CREATED_AT: Final = "2026-01-01T00:00:00.000000Z"
_FINISH: Final = {Finish.STOP: "stop", Finish.STOP_SEQUENCE: "stop", Finish.LENGTH: "length", Finish.TOOL: "stop"}
_DURATIONS: Final = {
    "total_duration": 3_000_000,
    "load_duration": 1_000_000,
    "prompt_eval_duration": 1_000_000,
    "eval_duration": 1_000_000,
}

Block = dict[str, Any]


class Message(msgspec.Struct):
    """One message. Ollama passes over fields that it does not know."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    thinking: str = ""
    images: list[str] = []
    tool_calls: list[Block] = []
    tool_name: str = ""
    tool_call_id: str = ""


class ChatRequest(msgspec.Struct, kw_only=True):
    """The documented fields of `POST /api/chat`."""

    model: str
    messages: list[Message] = []
    stream: bool | None = None
    format: str | Block | None = None
    options: Block | None = None
    tools: list[Block] | None = None
    think: bool | Literal["low", "medium", "high", "max"] | None = None
    keep_alive: str | float | None = None
    truncate: bool | None = None
    shift: bool | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None


class EmbedRequest(msgspec.Struct):
    """The documented fields of `POST /api/embed`."""

    model: str
    input: str | list[str]
    truncate: bool | None = None
    dimensions: int | None = None
    options: Block | None = None
    keep_alive: str | float | None = None


def invalid(message: str) -> RefusalError:
    """400."""
    return RefusalError(400, message)


def chat(call: Call) -> Reply:
    """`POST /api/chat`, which streams unless told not to."""
    request = call.read(ChatRequest)
    _check(request)
    call.check_model(request.model)
    prompt = _prompt(request)
    run = _Run(request.model, prompt, call.generate(prompt))
    return run.whole() if request.stream is False else run.streamed()


def embed(call: Call) -> Reply:
    """`POST /api/embed`."""
    request = call.read(EmbedRequest)
    call.check_model(request.model)
    texts = [request.input] if isinstance(request.input, str) else request.input
    usage = Usage(sum(count_tokens(text) for text in texts))
    body = {
        "model": request.model,
        "embeddings": [vector(text, request.dimensions or DIMENSIONS) for text in texts],
        "total_duration": _DURATIONS["total_duration"],
        "load_duration": _DURATIONS["load_duration"],
        "prompt_eval_count": usage.input,
    }
    return json_reply(body, bills=(Bill("embed", request.model, usage),))


def _check(request: ChatRequest) -> None:
    if isinstance(request.format, str) and request.format not in {"", "json"}:
        raise invalid(f'invalid format: "{request.format}"; expected "json" or a valid JSON Schema object')
    for message in request.messages:
        for image in message.images:
            try:
                b64decode(image, validate=True)
            except (binascii.Error, ValueError) as error:
                raise invalid("illegal base64 data at input byte 4") from error
        for call in message.tool_calls:
            function = call.get("function")
            if not isinstance(function, dict) or not isinstance(function.get("arguments", {}), dict):
                raise invalid("json: cannot unmarshal string into Go struct field .messages.tool_calls.function.arguments")
    for tool in request.tools or []:
        if tool.get("type") != "function" or not tool.get("function", {}).get("name"):
            raise invalid("tools must be functions with a name")


def _prompt(request: ChatRequest) -> Prompt:
    prompt = Prompt(texts=[encode_json(tool).decode() for tool in request.tools or []])
    for message in request.messages:
        prompt.images += len(message.images)
        prompt.texts += [message.content, message.thinking, *(encode_json(call).decode() for call in message.tool_calls)]
    heard = [message for message in request.messages if message.role in {"user", "tool"}]
    prompt.user_text = heard[-1].content if heard else ""
    functions = [tool["function"] for tool in request.tools or []]
    prompt.tools = [Tool(function["name"], function.get("parameters") or {}) for function in functions]
    if isinstance(request.format, dict):
        prompt.schema = request.format
    elif request.format == "json":
        prompt.schema = {"type": "object"}
    options = request.options or {}
    bound = options.get("num_predict")
    prompt.max_tokens = bound if isinstance(bound, int) and bound >= 0 else None
    prompt.stops = list(options.get("stop") or [])
    prompt.thinks = bool(request.think)
    return prompt


class _Run:
    """One generation on its way to becoming a reply."""

    def __init__(self, model: str, prompt: Prompt, generation: Generation) -> None:
        self.model = model
        self.generation = generation
        self.usage = Usage(prompt.tokens, output=generation.tokens, reasoning=generation.thought_tokens)
        # Ollama does not tell its thinking from the rest.
        self.bills = (Bill("chat", model, self.usage),)

    def whole(self) -> Reply:
        """One JSON document."""
        generation = self.generation
        message: Block = {"content": generation.text}
        if generation.thought:
            message["thinking"] = generation.thought
        if generation.calls:
            message["tool_calls"] = self._calls()
        return json_reply(self._line(message) | self._end(), content_type="application/json; charset=utf-8", bills=self.bills)

    def streamed(self) -> Reply:
        """Lines."""
        error = encode_json({"error": "an error was encountered while running the model: unexpected EOF"}) + b"\n"
        return Reply(content_type=NDJSON_TYPE, chunks=self._chunks(), is_stream=True, bills=self.bills, error_event=error)

    def _line(self, message: Block) -> Block:
        return {"model": self.model, "created_at": CREATED_AT, "message": {"role": "assistant"} | message, "done": False}

    def _end(self) -> Block:
        counts = {"prompt_eval_count": self.usage.input, "eval_count": self.usage.output}
        return {"done": True, "done_reason": _FINISH[self.generation.finish]} | _DURATIONS | counts

    def _calls(self) -> list[Block]:
        return [
            {"id": f"call_{call.id[:8]}", "function": {"index": index, "name": call.name, "arguments": call.arguments}}
            for index, call in enumerate(self.generation.calls)
        ]

    def _chunks(self) -> Iterator[Chunk]:
        for message, generated in self._messages():
            yield Chunk(encode_json(self._line(message)) + b"\n", generated)
        yield Chunk(encode_json(self._line({"content": ""}) | self._end()) + b"\n", self.usage.output)

    def _messages(self) -> Iterator[tuple[Block, int]]:
        tokens = self.generation.thought_tokens
        if self.generation.thought:
            yield {"content": "", "thinking": self.generation.thought}, tokens
        for word, so_far in self.generation.text_with_tokens():
            yield {"content": word}, so_far
        if self.generation.calls:
            yield {"content": "", "tool_calls": self._calls()}, tokens + sum(call_tokens(call) for call in self.generation.calls)
