"""The vendors' own SDKs behind one face, so that one test can be asked of each of them.

A caller asks for an answer in its dialect and tells what its SDK understood as an `Answer`. `history` is what the application
would send back in the next turn, in the SDK's own objects: whatever the SDK drops on the way would be missing there.
"""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

import anthropic
import openai
from google import genai
from google.genai import errors, types

from weighbridge.core.codec import decode_json, encode_json

# A white pixel.
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mP8/x8AAwMCAO+ip1sAAAAASUVORK5CYII=")


@dataclass
class Answer:
    text: str = ""
    thinking: str = ""
    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    """(id, name, arguments)"""
    finish: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    written_tokens: int = 0
    pieces: int = 0
    """How many pieces of text a stream brought."""
    edits: list[str] = field(default_factory=list)
    request_id: str = ""
    history: list[Any] = field(default_factory=list)
    """The assistant's turn, to be sent back."""


@dataclass
class Wish:
    """What is asked. `earlier` are turns before the user's text, in the caller's own shape."""

    model: str
    text: str
    stream: bool = False
    system: str | None = None
    tools: dict[str, dict[str, Any]] = field(default_factory=dict)
    schema: dict[str, Any] | None = None
    image: bool = False
    thinks: bool = False
    cached_prefix: str | None = None
    earlier: list[Any] = field(default_factory=list)
    results: list[tuple[str, str, str]] = field(default_factory=list)
    """(call id, tool name, result): sent in place of the text."""
    max_tokens: int = 4096


def edits_of(headers) -> list[str]:
    return headers.get("x-weighbridge-edits", "none").split(",")


class Caller:
    error_kinds: dict[str, type[Exception]]

    def close(self) -> None:
        with suppress(Exception):
            self.client.close()


class ChatCaller(Caller):
    """OpenAI's SDK, chat completions."""

    name = "openai-chat"
    error_kinds: ClassVar = {
        "invalid": openai.BadRequestError,
        "auth": openai.AuthenticationError,
        "not_found": openai.NotFoundError,
        "rate": openai.RateLimitError,
        "server": openai.InternalServerError,
    }

    def __init__(self, base_url, key):
        self.client = openai.OpenAI(api_key=key, base_url=f"{base_url}/v1", max_retries=0)

    def _fields(self, wish):
        messages = []
        if wish.system:
            messages.append({"role": "system", "content": wish.system})
        if wish.cached_prefix:
            block = {"type": "text", "text": wish.cached_prefix, "cache_control": {"type": "ephemeral"}}
            messages.append({"role": "system", "content": [block]})
        messages += wish.earlier
        if wish.results:
            messages += self.results(wish.results)
        elif wish.image:
            url = "data:image/png;base64," + base64.b64encode(PNG).decode()
            parts = [{"type": "text", "text": wish.text}, {"type": "image_url", "image_url": {"url": url}}]
            messages.append({"role": "user", "content": parts})
        else:
            messages.append({"role": "user", "content": wish.text})
        fields = {"model": wish.model, "messages": messages, "max_completion_tokens": wish.max_tokens}
        if wish.tools:
            fields["tools"] = [{"type": "function", "function": {"name": n, "parameters": s}} for n, s in wish.tools.items()]
        if wish.schema:
            shape = {"name": "answer", "schema": wish.schema, "strict": True}
            fields["response_format"] = {"type": "json_schema", "json_schema": shape}
        if wish.thinks:
            fields["reasoning_effort"] = "low"
        return fields

    def user(self, text):
        return {"role": "user", "content": text}

    def results(self, results):
        return [{"role": "tool", "tool_call_id": call_id, "content": result} for call_id, _, result in results]

    def ask(self, wish):
        fields = self._fields(wish)
        if wish.stream:
            return self._streamed(fields)
        raw = self.client.chat.completions.with_raw_response.create(**fields)
        reply = raw.parse()
        return self._answer(reply.choices[0], reply.usage, raw.headers, pieces=0)

    def _streamed(self, fields):
        with self.client.chat.completions.stream(**fields, stream_options={"include_usage": True}) as stream:
            # `current_completion_snapshot`: the SDK's final completion raises where the answer was cut.
            pieces = sum(1 for event in stream if event.type == "content.delta")
            final = stream.current_completion_snapshot
            return self._answer(final.choices[0], final.usage, stream._response.headers, pieces=pieces)

    def _answer(self, choice, usage, headers, *, pieces):
        message = choice.message
        details = usage.prompt_tokens_details
        return Answer(
            text=message.content or "",
            thinking=getattr(message, "reasoning_content", None) or "",
            calls=[(c.id, c.function.name, decode_json(c.function.arguments.encode())) for c in message.tool_calls or ()],
            finish=choice.finish_reason,
            input_tokens=usage.prompt_tokens,
            output_tokens=usage.completion_tokens,
            cached_tokens=(details.cached_tokens or 0) if details else 0,
            written_tokens=(getattr(details, "cache_write_tokens", 0) or 0) if details else 0,
            pieces=pieces,
            edits=edits_of(headers),
            request_id=headers.get("x-weighbridge-request-id", ""),
            history=[message.to_dict(exclude_unset=True)],
        )


class ResponsesCaller(Caller):
    """OpenAI's SDK, the Responses API."""

    name = "openai-responses"
    error_kinds: ClassVar = ChatCaller.error_kinds

    def __init__(self, base_url, key):
        self.client = openai.OpenAI(api_key=key, base_url=f"{base_url}/v1", max_retries=0)

    def _fields(self, wish):
        items = list(wish.earlier)
        if wish.results:
            items += self.results(wish.results)
        elif wish.image:
            url = "data:image/png;base64," + base64.b64encode(PNG).decode()
            parts = [{"type": "input_text", "text": wish.text}, {"type": "input_image", "image_url": url, "detail": "auto"}]
            items.append({"role": "user", "content": parts})
        else:
            items.append({"role": "user", "content": wish.text})
        fields = {"model": wish.model, "input": items, "max_output_tokens": wish.max_tokens, "store": False}
        if wish.system or wish.cached_prefix:
            fields["instructions"] = wish.system or wish.cached_prefix
        if wish.tools:
            fields["tools"] = [{"type": "function", "name": n, "parameters": s, "strict": False} for n, s in wish.tools.items()]
        if wish.schema:
            fields["text"] = {"format": {"type": "json_schema", "name": "answer", "schema": wish.schema, "strict": True}}
        if wish.thinks:
            fields["reasoning"] = {"effort": "low", "summary": "auto"}
            fields["include"] = ["reasoning.encrypted_content"]
        return fields

    def user(self, text):
        return {"role": "user", "content": text}

    def results(self, results):
        return [{"type": "function_call_output", "call_id": call_id, "output": result} for call_id, _, result in results]

    def ask(self, wish):
        fields = self._fields(wish)
        if wish.stream:
            with self.client.responses.stream(**fields) as stream:
                events = list(stream)
                pieces = sum(event.type == "response.output_text.delta" for event in events)
                # The SDK knows no other final response than a completed one.
                assert events[-1].type in {"response.completed", "response.incomplete"}, events[-1]
                return self._answer(events[-1].response, stream._response.headers, pieces=pieces)
        raw = self.client.responses.with_raw_response.create(**fields)
        return self._answer(raw.parse(), raw.headers, pieces=0)

    def _answer(self, reply, headers, *, pieces):
        thinking = [part for item in reply.output if item.type == "reasoning" for part in [*item.summary, *(item.content or ())]]
        calls = [item for item in reply.output if item.type == "function_call"]
        finish = reply.status if reply.incomplete_details is None else reply.incomplete_details.reason
        usage = reply.usage
        return Answer(
            text=reply.output_text,
            thinking="".join(part.text for part in thinking),
            calls=[(c.call_id, c.name, decode_json(c.arguments.encode())) for c in calls],
            finish=finish,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.input_tokens_details.cached_tokens,
            written_tokens=getattr(usage.input_tokens_details, "cache_write_tokens", 0) or 0,
            pieces=pieces,
            edits=edits_of(headers),
            request_id=headers.get("x-weighbridge-request-id", ""),
            history=[item.to_dict(exclude_unset=True) for item in reply.output],
        )


class MessagesCaller(Caller):
    """Anthropic's SDK."""

    name = "anthropic-messages"
    error_kinds: ClassVar = {
        "invalid": anthropic.BadRequestError,
        "auth": anthropic.AuthenticationError,
        "not_found": anthropic.NotFoundError,
        "rate": anthropic.RateLimitError,
        "server": anthropic.InternalServerError,
    }

    def __init__(self, base_url, key):
        self.client = anthropic.Anthropic(api_key=key, base_url=base_url, max_retries=0)

    def _fields(self, wish):
        messages = list(wish.earlier)
        if wish.results:
            messages += self.results(wish.results)
        elif wish.image:
            source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()}
            messages.append({"role": "user", "content": [{"type": "text", "text": wish.text}, {"type": "image", "source": source}]})
        else:
            messages.append({"role": "user", "content": wish.text})
        fields = {"model": wish.model, "messages": messages, "max_tokens": wish.max_tokens}
        if wish.system:
            fields["system"] = wish.system
        if wish.cached_prefix:
            fields["system"] = [{"type": "text", "text": wish.cached_prefix, "cache_control": {"type": "ephemeral"}}]
        if wish.tools:
            fields["tools"] = [{"name": n, "input_schema": s} for n, s in wish.tools.items()]
        if wish.schema:
            fields["output_config"] = {"format": {"type": "json_schema", "schema": wish.schema}}
        if wish.thinks:
            fields["thinking"] = {"type": "enabled", "budget_tokens": 1024}
        return fields

    def user(self, text):
        return {"role": "user", "content": text}

    def results(self, results):
        blocks = [{"type": "tool_result", "tool_use_id": call_id, "content": result} for call_id, _, result in results]
        return [{"role": "user", "content": blocks}]

    def ask(self, wish):
        fields = self._fields(wish)
        if wish.stream:
            with self.client.messages.stream(**fields) as stream:
                pieces = sum(1 for event in stream if event.type == "text")
                return self._answer(stream.get_final_message(), stream.response.headers, pieces=pieces)
        raw = self.client.messages.with_raw_response.create(**fields)
        return self._answer(raw.parse(), raw.headers, pieces=0)

    def _answer(self, message, headers, *, pieces):
        usage = message.usage
        cached, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
        return Answer(
            text="".join(block.text for block in message.content if block.type == "text"),
            thinking="".join(block.thinking for block in message.content if block.type == "thinking"),
            calls=[(block.id, block.name, block.input) for block in message.content if block.type == "tool_use"],
            finish=message.stop_reason,
            input_tokens=usage.input_tokens + cached + written,
            output_tokens=usage.output_tokens,
            cached_tokens=cached,
            written_tokens=written,
            pieces=pieces,
            edits=edits_of(headers),
            request_id=headers.get("x-weighbridge-request-id", ""),
            history=[{"role": "assistant", "content": [_sendable(block) for block in message.content]}],
        )


def _sendable(block):
    fields = block.to_dict(exclude_unset=True)
    fields.pop("parsed_output", None)
    return fields


class GeminiCaller(Caller):
    """Google's SDK."""

    name = "gemini-generate"
    error_kinds: ClassVar = {
        "invalid": errors.ClientError,
        "auth": errors.ClientError,
        "not_found": errors.ClientError,
        "rate": errors.ClientError,
        "server": errors.ServerError,
    }

    def __init__(self, base_url, key):
        self.client = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=base_url))

    def _call(self, wish):
        contents = list(wish.earlier)
        if wish.results:
            contents += self.results(wish.results)
        elif wish.image:
            parts = [types.Part(text=wish.text), types.Part.from_bytes(data=PNG, mime_type="image/png")]
            contents.append(types.Content(role="user", parts=parts))
        else:
            contents.append(self.user(wish.text))
        config: dict[str, Any] = {"max_output_tokens": wish.max_tokens}
        if wish.system or wish.cached_prefix:
            config["system_instruction"] = wish.system or wish.cached_prefix
        if wish.tools:
            declared = [types.FunctionDeclaration(name=n, parameters_json_schema=s) for n, s in wish.tools.items()]
            config["tools"] = [types.Tool(function_declarations=declared)]
            config["automatic_function_calling"] = types.AutomaticFunctionCallingConfig(disable=True)
        if wish.schema:
            config |= {"response_mime_type": "application/json", "response_json_schema": wish.schema}
        if wish.thinks:
            config["thinking_config"] = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
        return {"model": wish.model, "contents": contents, "config": types.GenerateContentConfig(**config)}

    def user(self, text):
        return types.Content(role="user", parts=[types.Part(text=text)])

    def results(self, results):
        parts = [
            types.Part(function_response=types.FunctionResponse(id=call_id, name=name, response={"result": result}))
            for call_id, name, result in results
        ]
        return [types.Content(role="user", parts=parts)]

    def ask(self, wish):
        call = self._call(wish)
        if not wish.stream:
            reply = self.client.models.generate_content(**call)
            return self._answer([reply], pieces=0)
        chunks = list(self.client.models.generate_content_stream(**call))
        return self._answer(chunks, pieces=sum(bool(_texts(chunk, thought=False)) for chunk in chunks))

    def _answer(self, chunks, *, pieces):
        parts = [part for chunk in chunks for part in _parts(chunk)]
        last = chunks[-1]
        usage = last.usage_metadata
        calls = [part.function_call for part in parts if part.function_call]
        headers = (chunks[0].sdk_http_response.headers or {}) if chunks[0].sdk_http_response else {}
        return Answer(
            text="".join(_texts(chunk, thought=False) for chunk in chunks),
            thinking="".join(_texts(chunk, thought=True) for chunk in chunks),
            calls=[(c.id or "", c.name, dict(c.args or {})) for c in calls],
            finish=last.candidates[0].finish_reason.value,
            input_tokens=usage.prompt_token_count,
            output_tokens=(usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
            cached_tokens=usage.cached_content_token_count or 0,
            pieces=pieces,
            edits=edits_of(headers),
            request_id=headers.get("x-weighbridge-request-id", ""),
            history=[types.Content(role="model", parts=parts)],
        )


def _parts(chunk):
    candidates = chunk.candidates or ()
    return [part for candidate in candidates if candidate.content for part in candidate.content.parts or ()]


def _texts(chunk, *, thought):
    return "".join(part.text for part in _parts(chunk) if part.text and bool(part.thought) is thought)


CALLERS = {caller.name: caller for caller in (ChatCaller, ResponsesCaller, MessagesCaller, GeminiCaller)}


def same_json(left, right):
    """Whether two JSON values mean the same, whatever their spelling."""
    return decode_json(encode_json(left)) == decode_json(encode_json(right))
