"""Gemini's generateContent and its streams, countTokens, and embeddings."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

import msgspec

from weighbridge.core.codec import encode_json, pretty_json
from weighbridge.core.terms import Usage
from weighbridge.testing.generation import Finish, Generation, Prompt, Tool, call_tokens, count_tokens, stable_id, vector
from weighbridge.testing.invoice import Bill
from weighbridge.testing.provider import Call
from weighbridge.testing.reply import Chunk, RefusalError, Reply, json_reply

GOOGLE_JSON: Final = "application/json; charset=UTF-8"
DIMENSIONS: Final = 16
"""Of an embedding, unless asked otherwise."""
_FINISH: Final = {Finish.STOP: "STOP", Finish.STOP_SEQUENCE: "STOP", Finish.LENGTH: "MAX_TOKENS", Finish.TOOL: "STOP"}
_INTERNAL: Final = {"error": {"code": 500, "message": "An internal error has occurred.", "status": "INTERNAL"}}
# Names below these belong to the caller, so their spelling is left alone.
_OPAQUE: Final = frozenset({"args", "response", "properties", "labels", "responseJsonSchema", "parametersJsonSchema", "parameters"})


class Content(msgspec.Struct):
    """A turn of the conversation."""

    parts: list[dict[str, Any]] = []
    role: Literal["user", "model", "function", "system"] | None = None


class GenerationConfig(msgspec.Struct, rename="camel"):
    """What is read of `generationConfig`."""

    max_output_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    candidate_count: Annotated[int, msgspec.Meta(ge=1, le=8)] | None = None
    stop_sequences: list[str] | None = None
    response_mime_type: str | None = None
    response_schema: dict[str, Any] | None = None
    response_json_schema: dict[str, Any] | None = None
    thinking_config: dict[str, Any] | None = None


class GenerateRequest(msgspec.Struct, rename="camel"):
    """The documented fields of `generateContent`."""

    contents: Annotated[list[Content], msgspec.Meta(min_length=1)]
    model: str | None = None
    system_instruction: Content | None = None
    generation_config: GenerationConfig | None = None
    tools: list[dict[str, Any]] | None = None
    tool_config: dict[str, Any] | None = None
    safety_settings: list[dict[str, Any]] | None = None
    cached_content: str | None = None
    labels: dict[str, str] | None = None
    service_tier: str | None = None
    store: bool | None = None


class CountRequest(msgspec.Struct, rename="camel"):
    """The documented fields of `countTokens`."""

    contents: list[Content] | None = None
    generate_content_request: GenerateRequest | None = None
    model: str | None = None


class EmbedRequest(msgspec.Struct, rename="camel"):
    """The documented fields of `embedContent`."""

    content: Content
    model: str | None = None
    task_type: str | None = None
    title: str | None = None
    output_dimensionality: Annotated[int, msgspec.Meta(ge=1)] | None = None
    auto_truncate: bool | None = None


class BatchEmbedRequest(msgspec.Struct):
    """The documented fields of `batchEmbedContents`."""

    requests: Annotated[list[EmbedRequest], msgspec.Meta(min_length=1)]


def camel_case(plain: Any) -> Any:
    """Google takes `snake_case` and `camelCase` alike; this is the latter."""
    if isinstance(plain, list):
        return [camel_case(item) for item in plain]
    if not isinstance(plain, dict):
        return plain
    names = {name: _camel(name) for name in plain}
    return {names[name]: value if names[name] in _OPAQUE else camel_case(value) for name, value in plain.items()}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def generate_content(call: Call) -> Reply:
    """`POST …:generateContent`."""
    return _run(call).whole()


def stream_generate_content(call: Call) -> Reply:
    """`POST …:streamGenerateContent`: with `alt=sse` server-sent events, else one JSON array that grows."""
    run = _run(call)
    return run.streamed() if dict(call.request.query).get("alt") == "sse" else run.array()


def count(call: Call) -> Reply:
    """`POST …:countTokens`: free of charge."""
    call.check_model(call.values["model"])
    request = call.read(CountRequest, normalise=camel_case)
    if request.generate_content_request is not None:
        tokens = prompt_of(request.generate_content_request).tokens
    else:
        tokens = prompt_of(GenerateRequest(contents=request.contents or [])).tokens
    body = {"totalTokens": tokens, "promptTokensDetails": _details(tokens)}
    return json_reply(body, content_type=GOOGLE_JSON, is_pretty=True)


def embed(call: Call) -> Reply:
    """`POST …:embedContent`."""
    call.check_model(call.values["model"])
    request = call.read(EmbedRequest, normalise=camel_case)
    bill = _embedding_bill(call, [request])
    body = {"embedding": _embedding(request)}
    return json_reply(body, content_type=GOOGLE_JSON, bills=(bill,), is_pretty=True)


def batch_embed(call: Call) -> Reply:
    """`POST …:batchEmbedContents`."""
    call.check_model(call.values["model"])
    request = call.read(BatchEmbedRequest, normalise=camel_case)
    bill = _embedding_bill(call, request.requests)
    body = {"embeddings": [_embedding(item) for item in request.requests]}
    return json_reply(body, content_type=GOOGLE_JSON, bills=(bill,), is_pretty=True)


def _embedding(request: EmbedRequest) -> dict[str, Any]:
    return {"values": vector(_text(request.content), request.output_dimensionality or DIMENSIONS)}


def _embedding_bill(call: Call, requests: list[EmbedRequest]) -> Bill:
    usage = Usage(input=sum(count_tokens(_text(request.content)) for request in requests))
    return Bill("embeddings", call.values["model"], usage)


def _text(content: Content) -> str:
    return "".join(str(part.get("text", "")) for part in content.parts)


def _run(call: Call) -> _Run:
    call.check_model(call.values["model"])
    request = call.read(GenerateRequest, normalise=camel_case)
    for place, tool in enumerate(request.tools or []):
        _check_tool(tool, f"tools[{place}]")
    return _Run(call, request, prompt_of(request))


def _check_tool(tool: dict[str, Any], path: str) -> None:
    for place, function in enumerate(tool.get("functionDeclarations", [])):
        schema = function.get("parameters") or function.get("parametersJsonSchema")
        if not isinstance(function.get("name"), str) or (schema and str(schema.get("type")).lower() != "object"):
            where = f"{path}.function_declarations[{place}]"
            text = f"* GenerateContentRequest.{where}.parameters: should be an object schema of a named function."
            raise RefusalError(400, text, kind="INVALID_ARGUMENT", param=where)


def prompt_of(request: GenerateRequest) -> Prompt:
    """What the model is asked."""
    config = request.generation_config or GenerationConfig()
    prompt = Prompt(max_tokens=config.max_output_tokens, stops=config.stop_sequences or [])
    if request.system_instruction is not None:
        prompt.texts.append(_text(request.system_instruction))
    for content in request.contents:
        _add_content(prompt, content)
    functions = [function for tool in request.tools or [] for function in tool.get("functionDeclarations", [])]
    prompt.tools = [
        Tool(function["name"], function.get("parameters") or function.get("parametersJsonSchema") or {}) for function in functions
    ]
    if request.tools:
        prompt.texts.append(encode_json(request.tools).decode())
    calling = (request.tool_config or {}).get("functionCallingConfig", {})
    prompt.may_call = calling.get("mode") != "NONE"
    if calling.get("mode") == "ANY":
        prompt.forced_tool = (calling.get("allowedFunctionNames") or ["*"])[0]
    if config.response_mime_type == "application/json":
        prompt.schema = config.response_schema or config.response_json_schema
    prompt.thinks = config.thinking_config is not None and config.thinking_config.get("thinkingBudget") != 0
    return prompt


def _add_content(prompt: Prompt, content: Content) -> None:
    prompt.texts.append(_text(content))
    for part in content.parts:
        if "inlineData" in part or "fileData" in part:
            prompt.images += 1
        if "functionCall" in part or "functionResponse" in part:
            prompt.texts.append(encode_json(part).decode())
    if content.role != "model":
        results = [
            encode_json(part["functionResponse"].get("response")).decode() for part in content.parts if "functionResponse" in part
        ]
        prompt.user_text = _text(content) + "".join(results)


class _Run:
    """One generation on its way to becoming a reply."""

    def __init__(self, call: Call, request: GenerateRequest, prompt: Prompt) -> None:
        config = request.generation_config or GenerationConfig()
        self.generation: Generation = call.generate(prompt)
        self.model = call.values["model"]
        self.id = call.id("")
        self.shows_thoughts = bool((config.thinking_config or {}).get("includeThoughts"))
        self.candidates = config.candidate_count or 1
        self.usage = Usage(
            input=prompt.tokens,
            output=self.generation.tokens * self.candidates,
            reasoning=self.generation.thought_tokens * self.candidates,
        )
        self.bills = (Bill("generateContent", self.model, self.usage),)

    def whole(self) -> Reply:
        """One JSON document, indented and sent chunked as Google does."""
        parts = [part for part, _ in self._parts()]
        merged = _merged(parts) or [{"text": ""}]
        candidates = [self._candidate(index, merged, finish=True) for index in range(self.candidates)]
        body = self._envelope(candidates, self.usage.output)
        reply = json_reply(body, content_type=GOOGLE_JSON, bills=self.bills, is_pretty=True)
        return msgspec.structs.replace(reply, is_chunked=True)

    def streamed(self) -> Reply:
        """Server-sent events, lines ended by CRLF as Google does. There is no last marker."""
        chunks = (Chunk(b"data: " + encode_json(body) + b"\r\n\r\n", generated) for body, generated in self._bodies())
        error = b"data: " + encode_json(_INTERNAL) + b"\r\n\r\n"
        return Reply(content_type="text/event-stream", chunks=chunks, is_stream=True, bills=self.bills, error_event=error)

    def array(self) -> Reply:
        """A JSON array of the same bodies."""
        error = b",\r\n" + pretty_json(_INTERNAL).encode() + b"\n]"
        return Reply(content_type=GOOGLE_JSON, chunks=self._array_chunks(), is_stream=True, bills=self.bills, error_event=error)

    def _array_chunks(self) -> Iterator[Chunk]:
        separator = b"["
        for body, generated in self._bodies():
            yield Chunk(separator + pretty_json(body).encode(), generated)
            separator = b"\n,\r\n"
        yield Chunk(b"\n]\n", self.usage.output)

    def _bodies(self) -> Iterator[tuple[dict[str, Any], int]]:
        for index in range(self.candidates):
            done = index * self.generation.tokens
            parts = list(self._parts()) or [({"text": ""}, 0)]
            for place, (part, tokens) in enumerate(parts):
                is_last = place == len(parts) - 1
                candidate = self._candidate(index, [part], finish=is_last)
                generated = done + (self.generation.tokens if is_last else tokens)
                yield self._envelope([candidate], generated), generated

    def _parts(self) -> Iterator[tuple[dict[str, Any], int]]:
        generation = self.generation
        tokens = generation.thought_tokens
        if generation.thought and self.shows_thoughts:
            yield {"text": generation.thought, "thought": True}, tokens
        for piece, so_far in generation.text_with_tokens():
            yield {"text": piece}, so_far
        for place, call in enumerate(generation.calls):
            tokens += call_tokens(call)
            part: dict[str, Any] = {"functionCall": {"name": call.name, "args": call.arguments}}
            if generation.thought and place == 0:
                # The first of a step's calls is signed (https://ai.google.dev/gemini-api/docs/thought-signatures).
                part["thoughtSignature"] = b64encode(stable_id("sig", self.id, call.id).encode()).decode()
            yield part, tokens

    def _candidate(self, index: int, parts: list[dict[str, Any]], *, finish: bool) -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}}
        if finish:
            candidate["finishReason"] = _FINISH[self.generation.finish]
        return candidate | {"index": index}

    def _envelope(self, candidates: list[dict[str, Any]], generated: int) -> dict[str, Any]:
        thoughts = min(self.usage.reasoning, generated)
        metadata: dict[str, Any] = {
            "promptTokenCount": self.usage.input,
            "candidatesTokenCount": generated - thoughts,
            "totalTokenCount": self.usage.input + generated,
            "promptTokensDetails": _details(self.usage.input),
        }
        if thoughts:
            metadata["thoughtsTokenCount"] = thoughts
        return {
            "candidates": candidates,
            "usageMetadata": metadata | {"serviceTier": "standard"},
            "modelVersion": self.model,
            "responseId": self.id,
        }


def _merged(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbouring texts as one part, as a whole reply has them."""
    merged: list[dict[str, Any]] = []
    for part in parts:
        is_same = bool(merged) and "text" in part and "text" in merged[-1] and merged[-1].get("thought") == part.get("thought")
        if is_same:
            merged[-1] = merged[-1] | {"text": merged[-1]["text"] + part["text"]}
        else:
            merged.append(part)
    return merged


def _details(tokens: int) -> list[dict[str, Any]]:
    return [{"modality": "TEXT", "tokenCount": tokens}]
