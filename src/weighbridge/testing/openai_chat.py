"""OpenAI chat completions: whole and streamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.core.terms import Usage
from weighbridge.testing.generation import CREATED, Finish, Generation, Prompt, Tool, ToolCall, call_tokens, fragments
from weighbridge.testing.invoice import Bill
from weighbridge.testing.openai_errors import STREAM_ERROR, invalid
from weighbridge.testing.provider import Call
from weighbridge.testing.reply import SSE_TYPE, Chunk, Reply, json_reply, sse

FINGERPRINT = "fp_simulated"
CACHE_MINIMUM = 1024
"""OpenAI caches prompts of this many tokens and more, in steps of 128."""
_FINISH = {Finish.STOP: "stop", Finish.STOP_SEQUENCE: "stop", Finish.LENGTH: "length", Finish.TOOL: "tool_calls"}

Fraction = Annotated[float, msgspec.Meta(ge=-2, le=2)]
Temperature = Annotated[float, msgspec.Meta(ge=0, le=2)]
Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class Part(msgspec.Struct):
    """A piece of a message's content."""

    type: str
    text: str | None = None
    image_url: Any = None
    input_audio: Any = None
    file: Any = None
    refusal: str | None = None


class Message(msgspec.Struct):
    """One message."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None
    name: str | None = None


class Function(msgspec.Struct):
    """A function tool."""

    name: Annotated[str, msgspec.Meta(pattern="^[a-zA-Z0-9_-]{1,64}$")]
    parameters: dict[str, Any] | None = None
    description: str | None = None
    strict: bool | None = None


class ToolSpec(msgspec.Struct):
    """A tool that is offered."""

    type: Literal["function", "custom"]
    function: Function | None = None
    custom: Any = None


class StreamOptions(msgspec.Struct):
    """What a stream should hold besides."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatRequest(msgspec.Struct):
    """The documented fields of `POST /v1/chat/completions`."""

    model: str
    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    audio: Any = None
    frequency_penalty: Fraction | None = None
    function_call: Any = None
    functions: list[Function] | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    max_completion_tokens: Count | None = None
    max_tokens: Count | None = None
    metadata: dict[str, str] | None = None
    modalities: list[str] | None = None
    moderation: Any = None
    n: Annotated[int, msgspec.Meta(ge=1, le=128)] | None = None
    parallel_tool_calls: bool | None = None
    prediction: Any = None
    presence_penalty: Fraction | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Any = None
    prompt_cache_retention: str | None = None
    reasoning_effort: str | None = None
    response_format: dict[str, Any] | None = None
    safety_identifier: str | None = None
    seed: int | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | None = None
    stop: str | list[str] | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Temperature | None = None
    tool_choice: str | dict[str, Any] | None = None
    tools: list[ToolSpec] | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    top_p: Probability | None = None
    user: str | None = None
    verbosity: str | None = None
    web_search_options: Any = None


class PromptCache:
    """Which prompts came before: the second time, most of a long prompt is read from the cache."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def cached_tokens(self, prompt: Prompt) -> int:
        """Tokens of this prompt that are cached, and remember it."""
        key = encode_json(prompt.texts)
        is_known = key in self._seen
        self._seen.add(key)
        return prompt.tokens // 128 * 128 if is_known and prompt.tokens >= CACHE_MINIMUM else 0


class ChatCompletions:
    """The endpoint and its prompt cache."""

    def __init__(self) -> None:
        self._cache = PromptCache()

    def answer(self, call: Call) -> Reply:
        """`POST /v1/chat/completions`."""
        request = call.read(ChatRequest)
        _check(request)
        call.check_model(request.model)
        prompt = prompt_of(request)
        run = _Run(call, request, prompt, call.generate(prompt), self._cache.cached_tokens(prompt))
        return run.streamed() if request.stream else run.whole()


def served_tier(requested: str | None) -> str:
    """The tier that serves and is billed."""
    return {"flex": "flex", "priority": "priority", "fast": "priority"}.get(requested or "", "default")


def _check(request: ChatRequest) -> None:
    if request.stream_options is not None and not request.stream:
        raise invalid("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    if request.top_logprobs is not None and not request.logprobs:
        raise invalid("The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", "top_logprobs")
    for place, tool in enumerate(request.tools or []):
        if tool.type == "function" and tool.function is None:
            path = f"tools[{place}].function"
            raise invalid(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")
        if tool.function is not None:
            check_schema(tool.function.name, tool.function.parameters, f"tools[{place}].function.parameters")
    for place, message in enumerate(request.messages):
        if message.role == "tool" and message.tool_call_id is None:
            path = f"messages[{place}].tool_call_id"
            raise invalid(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")


def check_schema(name: str, schema: dict[str, Any] | None, path: str) -> None:
    """Raises `RefusalError` unless a function's parameters are the schema of an object."""
    if schema and schema.get("type") != "object":
        got = schema.get("type")
        text = f"Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{got}\"'."
        raise invalid(text, path, "invalid_function_parameters")


def prompt_of(request: ChatRequest) -> Prompt:
    """What the model is asked."""
    prompt = Prompt(max_tokens=request.max_completion_tokens or request.max_tokens)
    for message in request.messages:
        _add_message(prompt, message)
    prompt.tools = [Tool(tool.function.name, tool.function.parameters or {}) for tool in request.tools or [] if tool.function]
    if request.tools:
        prompt.texts.append(encode_json(request.tools).decode())
    prompt.may_call_several = request.parallel_tool_calls is not False
    prompt.may_call = request.tool_choice != "none"
    if isinstance(request.tool_choice, dict):
        prompt.forced_tool = request.tool_choice.get("function", {}).get("name", "*")
    elif request.tool_choice == "required":
        prompt.forced_tool = "*"
    prompt.stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
    prompt.schema = schema_of(request.response_format)
    prompt.thinks = request.reasoning_effort not in {None, "none"}
    return prompt


def schema_of(response_format: dict[str, Any] | None) -> dict[str, Any] | None:
    """The JSON Schema that a reply must satisfy, if one is asked for."""
    match (response_format or {}).get("type"):
        case "json_schema":
            schema = (response_format or {}).get("json_schema", {}).get("schema", {})
            return schema if isinstance(schema, dict) else {}
        case "json_object":
            return {"type": "object", "properties": {"echo": {"type": "string"}}}
    return None


def _add_message(prompt: Prompt, message: Message) -> None:
    parts = [Part("text", message.content)] if isinstance(message.content, str) else message.content or []
    text = "".join(part.text or "" for part in parts)
    prompt.texts.append(text)
    prompt.images += sum(part.image_url is not None for part in parts)
    prompt.texts += [encode_json(call).decode() for call in message.tool_calls or []]
    if message.role in {"user", "tool", "function"}:
        prompt.user_text = text


class _Run:
    """One generation on its way to becoming a reply."""

    def __init__(self, call: Call, request: ChatRequest, prompt: Prompt, generation: Generation, cached: int) -> None:
        self.request = request
        self.generation = generation
        self.choices = request.n or 1
        self.tier = served_tier(request.service_tier)
        self.id = call.id("chatcmpl-")
        self.usage = Usage(
            input=prompt.tokens - cached,
            cache_read=cached,
            output=generation.tokens * self.choices,
            reasoning=generation.thought_tokens * self.choices,
        )
        self.bills = (Bill("chat.completions", request.model, self.usage, self.tier),)

    def whole(self) -> Reply:
        """One JSON document, indented as OpenAI does."""
        generation = self.generation
        message: dict[str, Any] = {"role": "assistant", "content": None if generation.calls else generation.text}
        if generation.calls:
            message["tool_calls"] = [_tool_call(call) for call in generation.calls]
        message |= {"refusal": None, "annotations": []}
        choices = [
            {"index": index, "message": message, "logprobs": self._logprobs(generation.text), "finish_reason": self._finish}
            for index in range(self.choices)
        ]
        value = self._envelope("chat.completion", choices) | {"usage": usage_body(self.usage)}
        return json_reply(value, bills=self.bills, is_pretty=True)

    def streamed(self) -> Reply:
        """Server-sent events, ended by `[DONE]`."""
        return Reply(content_type=SSE_TYPE, chunks=self._chunks(), is_stream=True, bills=self.bills, error_event=sse(STREAM_ERROR))

    @property
    def _finish(self) -> str:
        return _FINISH[self.generation.finish]

    def _envelope(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": CREATED,
            "model": self.request.model,
            "service_tier": self.tier,
            "system_fingerprint": FINGERPRINT,
            "choices": choices,
        }

    def _chunks(self) -> Iterator[Chunk]:
        includes_usage = self.request.stream_options is not None and bool(self.request.stream_options.include_usage)
        extra = {"usage": None} if includes_usage else {}
        generated = 0
        for index in range(self.choices):
            for delta, logprobs, finish, tokens in self._deltas():
                choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
                generated = index * self.generation.tokens + tokens
                yield Chunk(sse(self._envelope("chat.completion.chunk", [choice]) | extra), generated)
        if includes_usage:
            last = self._envelope("chat.completion.chunk", []) | {"usage": usage_body(self.usage)}
            yield Chunk(sse(last), self.usage.output)
        yield Chunk(b"data: [DONE]\n\n", self.usage.output)

    def _deltas(self) -> Iterator[tuple[dict[str, Any], Any, str | None, int]]:
        generation = self.generation
        tokens = generation.thought_tokens
        content = None if generation.calls else ""
        yield {"role": "assistant", "content": content, "refusal": None}, None, None, tokens
        for piece, so_far in generation.text_with_tokens():
            tokens = so_far
            yield {"content": piece}, self._logprobs(piece), None, tokens
        for place, call in enumerate(generation.calls):
            tokens += call_tokens(call)
            yield {"tool_calls": [{"index": place} | _tool_call(call, arguments="")]}, None, None, tokens
            for fragment in fragments(call.json):
                yield {"tool_calls": [{"index": place, "function": {"arguments": fragment}}]}, None, None, tokens
        yield {}, None, self._finish, generation.tokens

    def _logprobs(self, text: str) -> dict[str, Any] | None:
        if not self.request.logprobs or not text:
            return None
        token = {"token": text, "logprob": -0.125, "bytes": list(text.encode())}
        return {"content": [token | {"top_logprobs": [token] * min(1, self.request.top_logprobs or 0)}], "refusal": None}


def _tool_call(call: ToolCall, *, arguments: str | None = None) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.json if arguments is None else arguments}
    return {"id": "call_" + call.id, "type": "function", "function": function}


def usage_body(usage: Usage) -> dict[str, Any]:
    """Usage as chat and legacy completions report it."""
    return {
        "prompt_tokens": usage.total_input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total_input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
