"""Converse, whole and as a stream of AWS frames, with a prompt cache that never forgets."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.terms import Usage
from weighbridge.testing.bedrock_request import Block, ConverseRequest, check
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
from weighbridge.testing.reply import Chunk, Reply, json_reply
from weighbridge.wire.aws_events import encode_event

EVENT_STREAM: Final = "application/vnd.amazon.eventstream"
_FINISH: Final = {
    Finish.STOP: "end_turn",
    Finish.STOP_SEQUENCE: "stop_sequence",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL: "tool_use",
}
_PADDING: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
"""Bedrock pads its events with the beginning of this, so that their sizes tell nothing."""
_LATENCY_MS: Final = 100


class _Segment(msgspec.Struct):
    """A block of the prompt in the order in which caching sees them: tools, system, messages."""

    text: str
    images: int = 0
    ttl: str | None = None


class Converse:
    """Both endpoints, and the cache that they share."""

    def __init__(self) -> None:
        self._cached: set[bytes] = set()

    def whole(self, call: Call) -> Reply:
        """`POST /model/{model}/converse`."""
        return self._run(call).whole()

    def streamed(self, call: Call) -> Reply:
        """`POST /model/{model}/converse-stream`."""
        return self._run(call).streamed()

    def _run(self, call: Call) -> _Run:
        request = call.read(ConverseRequest)
        model = call.values["model"]
        check(request)
        call.check_model(model)
        segments = _segments(request)
        generation = call.generate(_prompt(request, segments))
        usage = msgspec.structs.replace(self._input(segments), output=generation.tokens, reasoning=generation.thought_tokens)
        return _Run(model, request, generation, usage)

    def _input(self, segments: list[_Segment]) -> Usage:
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


def _segments(request: ConverseRequest) -> list[_Segment]:
    blocks: list[Block] = [*(request.toolConfig.tools if request.toolConfig else []), *(request.system or [])]
    for message in request.messages:
        blocks += message.content
    segments: list[_Segment] = []
    for block in blocks:
        if "cachePoint" in block:
            if segments:
                segments[-1].ttl = block["cachePoint"].get("ttl", "5m")
        elif "text" in block:
            segments.append(_Segment(block["text"]))
        elif "image" in block:
            segments.append(_Segment("", 1))
        else:
            segments.append(_Segment(encode_json(block).decode()))
    return segments


def _prompt(request: ConverseRequest, segments: list[_Segment]) -> Prompt:
    prompt = Prompt(texts=[segment.text for segment in segments], images=sum(segment.images for segment in segments))
    users = [message for message in request.messages if message.role == "user"]
    prompt.user_text = "".join(_text(block) for block in users[-1].content)
    if request.toolConfig is not None:
        specs = [tool["toolSpec"] for tool in request.toolConfig.tools if "toolSpec" in tool]
        prompt.tools = [Tool(spec["name"], spec["inputSchema"]["json"]) for spec in specs]
        choice = request.toolConfig.toolChoice or {}
        prompt.forced_tool = "*" if "any" in choice else choice["tool"]["name"] if "tool" in choice else None
    if request.outputConfig is not None and request.outputConfig.textFormat is not None:
        prompt.schema = decode_json(request.outputConfig.textFormat["structure"]["jsonSchema"]["schema"].encode())
    prompt.thinks = _thinks(request.additionalModelRequestFields or {})
    if request.inferenceConfig is not None:
        prompt.max_tokens = request.inferenceConfig.maxTokens
        prompt.stops = list(request.inferenceConfig.stopSequences or [])
    return prompt


def _thinks(fields: Block) -> bool:
    for name in ("thinking", "reasoningConfig", "reasoning_config"):
        wish = fields.get(name)
        if isinstance(wish, dict) and wish.get("type") in {"enabled", "adaptive"}:
            return True
    return bool(fields.get("reasoning_effort")) or isinstance(fields.get("reasoning_config"), str)


def _text(block: Block) -> str:
    if "toolResult" in block:
        return "".join(_text(inner) for inner in block["toolResult"]["content"])
    return str(block.get("text", ""))


class _Run:
    """One generation on its way to becoming a reply."""

    def __init__(self, model: str, request: ConverseRequest, generation: Generation, usage: Usage) -> None:
        self.generation = generation
        self.usage = usage
        self.tier = request.serviceTier.type if request.serviceTier is not None else None
        self.signature = stable_id("Er", generation.thought)
        billed = self.tier if self.tier in {"flex", "priority"} else "default"
        self.bills = (Bill("converse", model, usage, billed),)
        self._padding = 0

    def whole(self) -> Reply:
        """One JSON document."""
        message = {"role": "assistant", "content": self._content()}
        end = {"stopReason": _FINISH[self.generation.finish]}
        return json_reply({"output": {"message": message}} | end | self._metadata(self.usage.output), bills=self.bills)

    def streamed(self) -> Reply:
        """AWS frames, one for each event."""
        headers = {
            ":message-type": "exception",
            ":exception-type": "modelStreamErrorException",
            ":content-type": "application/json",
        }
        error = encode_event(
            headers, encode_json({"message": "The model produced an unexpected error.", "originalStatusCode": 500})
        )
        return Reply(content_type=EVENT_STREAM, chunks=self._chunks(), is_stream=True, bills=self.bills, error_event=error)

    def _metadata(self, output: int) -> dict[str, Any]:
        usage = self.usage
        written = {"5m": usage.cache_write_5m, "1h": usage.cache_write_1h}
        said: dict[str, Any] = {
            "inputTokens": usage.input,
            "outputTokens": output,
            "totalTokens": usage.total_input + output,
            "cacheReadInputTokens": usage.cache_read,
            "cacheWriteInputTokens": sum(written.values()),
        }
        if any(written.values()):
            said["cacheDetails"] = [{"ttl": ttl, "inputTokens": tokens} for ttl, tokens in written.items() if tokens]
        fields: dict[str, Any] = {"usage": said, "metrics": {"latencyMs": _LATENCY_MS}}
        return fields | ({"serviceTier": {"type": self.tier}} if self.tier is not None else {})

    def _content(self) -> list[Block]:
        generation = self.generation
        blocks: list[Block] = []
        if generation.thought:
            thought = {"text": generation.thought, "signature": self.signature}
            blocks.append({"reasoningContent": {"reasoningText": thought}})
        if text := generation.text:
            blocks.append({"text": text})
        return blocks + [
            {"toolUse": {"toolUseId": f"tooluse_{call.id}", "name": call.name, "input": call.arguments}}
            for call in generation.calls
        ]

    def _chunks(self) -> Iterator[Chunk]:
        yield self._event("messageStart", {"role": "assistant"}, 0)
        generated = 0
        for kind, fields, so_far in self._blocks():
            generated = max(generated, so_far)
            yield self._event(kind, fields, generated)
        yield self._event("messageStop", {"stopReason": _FINISH[self.generation.finish]}, self.usage.output)
        yield self._event("metadata", self._metadata(self.usage.output), self.usage.output)

    def _blocks(self) -> Iterator[tuple[str, Block, int]]:
        index = 0
        thought = self.generation.thought
        tokens = self.generation.thought_tokens
        if thought:
            for piece in ({"text": thought}, {"signature": self.signature}):
                yield _delta(index, {"reasoningContent": piece}, tokens)
            yield "contentBlockStop", {"contentBlockIndex": index}, tokens
            index += 1
        if self.generation.text_bytes:
            for word, tokens in self.generation.text_with_tokens():
                yield _delta(index, {"text": word}, tokens)
            yield "contentBlockStop", {"contentBlockIndex": index}, tokens
            index += 1
        for place, call in enumerate(self.generation.calls, index):
            tokens += call_tokens(call)
            start = {"toolUse": {"toolUseId": f"tooluse_{call.id}", "name": call.name}}
            yield "contentBlockStart", {"contentBlockIndex": place, "start": start}, tokens
            for fragment in ("", *fragments(call.json)):
                yield _delta(place, {"toolUse": {"input": fragment}}, tokens)
            yield "contentBlockStop", {"contentBlockIndex": place}, tokens

    def _event(self, kind: str, fields: dict[str, Any], generated: int) -> Chunk:
        self._padding = (self._padding * 7 + len(kind) + 11) % len(_PADDING)
        headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
        return Chunk(encode_event(headers, encode_json(fields | {"p": _PADDING[: self._padding]})), generated)


def _delta(index: int, delta: Block, tokens: int) -> tuple[str, Block, int]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}, tokens


def chunk_event(event: bytes) -> bytes:
    """A vendor's own event in a frame of `invoke-with-response-stream`."""
    headers = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    return encode_event(headers, encode_json({"bytes": b64encode(event).decode(), "p": _PADDING[: len(event) % 50]}))
