"""OpenAI responses: whole, streamed with the full sequence of events, and stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.core.terms import Usage
from weighbridge.testing.generation import (
    CREATED,
    Finish,
    Generation,
    Prompt,
    Tool,
    ToolCall,
    call_tokens,
    fragments,
    stable_id,
)
from weighbridge.testing.invoice import Bill
from weighbridge.testing.openai_chat import Probability, PromptCache, Temperature, check_schema, served_tier
from weighbridge.testing.openai_errors import invalid
from weighbridge.testing.provider import Call
from weighbridge.testing.reply import SSE_TYPE, Chunk, RefusalError, Reply, json_reply, sse

_ERROR = {
    "type": "error",
    "code": "server_error",
    "message": "The server had an error while processing your request.",
    "param": None,
    "sequence_number": 999,
}


class ResponseRequest(msgspec.Struct):
    """The documented fields of `POST /v1/responses`."""

    model: str
    input: str | list[dict[str, Any]]
    background: bool | None = None
    context_management: Any = None
    conversation: Any = None
    include: list[str] | None = None
    instructions: str | list[dict[str, Any]] | None = None
    max_output_tokens: Annotated[int, msgspec.Meta(ge=16)] | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] | None = None
    moderation: Any = None
    parallel_tool_calls: bool | None = None
    previous_response_id: str | None = None
    prompt: Any = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Any = None
    prompt_cache_retention: str | None = None
    reasoning: dict[str, Any] | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: Any = None
    temperature: Temperature | None = None
    text: dict[str, Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    top_logprobs: int | None = None
    top_p: Probability | None = None
    truncation: str | None = None
    user: str | None = None


class _Stored(msgspec.Struct):
    body: dict[str, Any]
    """The finished response."""
    input_items: list[dict[str, Any]]
    status: str
    """`completed`, or for a background response `queued` until it is first asked for, or `cancelled`."""


class Responses:
    """The endpoint, what it has stored, and its prompt cache."""

    def __init__(self) -> None:
        self._stored: dict[str, _Stored] = {}
        self._cache = PromptCache()

    def create(self, call: Call) -> Reply:
        """`POST /v1/responses`."""
        request = call.read(ResponseRequest)
        _check(request)
        call.check_model(request.model)
        items = self._items(request)
        prompt = prompt_of(request, items)
        run = _Run(call.id("resp_"), request, prompt, call.generate(prompt), self._cache.cached_tokens(prompt))
        if request.store is not False:
            self._stored[run.id] = _Stored(run.finished(), items, "queued" if request.background else "completed")
        if request.stream:
            return run.streamed()
        body = run.body(status="queued") if request.background else run.finished()
        return json_reply(body, bills=run.bills, is_pretty=True)

    def count(self, call: Call) -> Reply:
        """`POST /v1/responses/input_tokens`: a count, not billed."""
        request = call.read(ResponseRequest)
        call.check_model(request.model)
        tokens = prompt_of(request, self._items(request)).tokens
        return json_reply({"object": "response.input_tokens", "input_tokens": tokens})

    def retrieve(self, call: Call) -> Reply:
        """`GET /v1/responses/{id}`; a background response is done by then."""
        stored = self._find(call)
        if stored.status == "queued":
            stored.status = "completed"
        return json_reply(stored.body | {"status": stored.status}, is_pretty=True)

    def delete(self, call: Call) -> Reply:
        """`DELETE /v1/responses/{id}`."""
        self._find(call)
        del self._stored[call.values["id"]]
        return json_reply({"id": call.values["id"], "object": "response", "deleted": True}, is_pretty=True)

    def cancel(self, call: Call) -> Reply:
        """`POST /v1/responses/{id}/cancel`: only for a background response."""
        stored = self._find(call)
        if not stored.body["background"]:
            raise invalid("Cannot cancel a synchronous response.")
        if stored.status == "queued":
            stored.status = "cancelled"
            stored.body |= {"output": [], "usage": None}
        return json_reply(stored.body | {"status": stored.status}, is_pretty=True)

    def input_items(self, call: Call) -> Reply:
        """`GET /v1/responses/{id}/input_items`."""
        items = self._find(call).input_items
        ids: list[str | None] = [str(item.get("id", "")) for item in items] or [None]
        page = {"object": "list", "data": items, "first_id": ids[0], "last_id": ids[-1], "has_more": False}
        return json_reply(page, is_pretty=True)

    def _find(self, call: Call) -> _Stored:
        stored = self._stored.get(call.values["id"])
        if stored is None:
            raise RefusalError(404, f"Response with id '{call.values['id']}' not found.", kind="invalid_request_error")
        return stored

    def _items(self, request: ResponseRequest) -> list[dict[str, Any]]:
        earlier: list[dict[str, Any]] = []
        if (previous := request.previous_response_id) is not None:
            if previous not in self._stored:
                text = f"Previous response with id '{previous}' not found."
                raise invalid(text, "previous_response_id", "previous_response_not_found")
            earlier = [*self._stored[previous].input_items, *self._stored[previous].body["output"]]
        given = request.input
        if isinstance(given, str):
            content = [{"type": "input_text", "text": given}]
            given = [{"type": "message", "role": "user", "content": content}]
        return earlier + [{"id": f"msg_input_{place}"} | item for place, item in enumerate(given, len(earlier))]


def _check(request: ResponseRequest) -> None:
    roles = ("assistant", "system", "developer", "user")
    for place, item in enumerate(request.input if isinstance(request.input, list) else []):
        role = item.get("role")
        if item.get("type", "message") == "message" and role not in roles:
            supported = ", ".join(f"'{name}'" for name in roles)
            path = f"input[{place}].role"
            raise invalid(f"Invalid value: '{role}'. Supported values are: {supported}.", path, "invalid_value")
    for place, tool in enumerate(request.tools or []):
        if not isinstance(tool.get("type"), str):
            path = f"tools[{place}].type"
            raise invalid(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")
        if tool["type"] == "function":
            if not isinstance(tool.get("name"), str):
                path = f"tools[{place}].name"
                raise invalid(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")
            check_schema(tool["name"], tool.get("parameters"), f"tools[{place}].parameters")


def prompt_of(request: ResponseRequest, items: list[dict[str, Any]]) -> Prompt:
    """What the model is asked."""
    prompt = Prompt(max_tokens=request.max_output_tokens)
    if request.instructions:
        prompt.texts.append(str(request.instructions))
    for item in items:
        _add_item(prompt, item)
    functions = [tool for tool in request.tools or [] if tool["type"] == "function"]
    prompt.tools = [Tool(tool["name"], tool.get("parameters") or {}) for tool in functions]
    if request.tools:
        prompt.texts.append(encode_json(request.tools).decode())
    prompt.may_call = request.tool_choice != "none"
    prompt.may_call_several = request.parallel_tool_calls is not False
    if isinstance(request.tool_choice, dict):
        prompt.forced_tool = str(request.tool_choice.get("name", "*"))
    elif request.tool_choice == "required":
        prompt.forced_tool = "*"
    form = (request.text or {}).get("format", {})
    if form.get("type") == "json_schema":
        prompt.schema = form.get("schema", {})
    prompt.thinks = bool(request.reasoning) and (request.reasoning or {}).get("effort") != "none"
    return prompt


def _add_item(prompt: Prompt, item: dict[str, Any]) -> None:
    if item.get("type") == "function_call_output":
        output = item.get("output")
        prompt.user_text = output if isinstance(output, str) else encode_json(output).decode()
        prompt.texts.append(prompt.user_text)
        return
    if item.get("type", "message") != "message":
        prompt.texts.append(encode_json({name: value for name, value in item.items() if name != "id"}).decode())
        return
    content = item.get("content") or ""
    parts = [{"text": content}] if isinstance(content, str) else content
    text = "".join(str(part.get("text", "")) for part in parts)
    prompt.texts.append(text)
    prompt.images += sum(part.get("type") == "input_image" for part in parts)
    if item.get("role") == "user":
        prompt.user_text = text


class _Run:
    """One generation on its way to becoming a reply."""

    def __init__(self, response_id: str, request: ResponseRequest, prompt: Prompt, generation: Generation, cached: int) -> None:
        self.id = response_id
        self.request = request
        self.generation = generation
        self.usage = Usage(
            input=prompt.tokens - cached,
            cache_read=cached,
            output=generation.tokens,
            reasoning=generation.thought_tokens,
        )
        self.tier = served_tier(request.service_tier)
        self.bills = (Bill("responses", request.model, self.usage, self.tier),)

    def body(self, *, status: str) -> dict[str, Any]:
        """The response object before anything was generated."""
        request = self.request
        return {
            "id": self.id,
            "object": "response",
            "created_at": CREATED,
            "status": status,
            "background": bool(request.background),
            "completed_at": None,
            "error": None,
            "incomplete_details": None,
            "instructions": request.instructions,
            "max_output_tokens": request.max_output_tokens,
            "max_tool_calls": request.max_tool_calls,
            "model": request.model,
            "output": [],
            "parallel_tool_calls": request.parallel_tool_calls is not False,
            "previous_response_id": request.previous_response_id,
            "prompt_cache_key": request.prompt_cache_key,
            "reasoning": request.reasoning or {"effort": None, "summary": None},
            "safety_identifier": request.safety_identifier,
            "service_tier": self.tier,
            "store": request.store is not False,
            "temperature": 1.0 if request.temperature is None else request.temperature,
            "text": request.text or {"format": {"type": "text"}, "verbosity": "medium"},
            "tool_choice": request.tool_choice or "auto",
            "tools": request.tools or [],
            "top_logprobs": request.top_logprobs or 0,
            "top_p": 1.0 if request.top_p is None else request.top_p,
            "truncation": request.truncation or "disabled",
            "usage": None,
            "user": request.user,
            "metadata": request.metadata or {},
        }

    def finished(self) -> dict[str, Any]:
        """The response object when all is generated."""
        is_cut = self.generation.finish is Finish.LENGTH
        usage = self.usage
        return self.body(status="incomplete" if is_cut else "completed") | {
            "completed_at": None if is_cut else CREATED,
            "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
            "output": self._output(),
            "usage": usage_body(usage),
        }

    def streamed(self) -> Reply:
        """Server-sent events; there is no `[DONE]`."""
        error = sse(_ERROR, "error")
        return Reply(content_type=SSE_TYPE, chunks=self._chunks(), is_stream=True, bills=self.bills, error_event=error)

    def _output(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        if self.generation.thought:
            items.append(self._reasoning())
        items += [self._function_call(call, status="completed", arguments=call.json) for call in self.generation.calls]
        if not self.generation.calls:
            items.append(self._message(status="completed", content=[_text_part(self.generation.text)]))
        return items

    def _reasoning(self) -> dict[str, Any]:
        """The thought: its summary if one was asked for, and the whole of it sealed, to be sent back, where nothing is stored."""
        item: dict[str, Any] = {"id": f"rs_{self.id[5:]}", "type": "reasoning", "summary": []}
        if (self.request.reasoning or {}).get("summary"):
            item["summary"] = [{"type": "summary_text", "text": self.generation.thought}]
        if "reasoning.encrypted_content" in (self.request.include or ()):
            item["encrypted_content"] = stable_id("gAAAA", self.id, self.generation.thought)
        return item

    def _message(self, *, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {"id": f"msg_{self.id[5:]}", "type": "message", "status": status, "content": content, "role": "assistant"}

    def _function_call(self, call: ToolCall, *, status: str, arguments: str) -> dict[str, Any]:
        return {
            "id": f"fc_{call.id}",
            "type": "function_call",
            "status": status,
            "arguments": arguments,
            "call_id": f"call_{call.id}",
            "name": call.name,
        }

    def _chunks(self) -> Iterator[Chunk]:
        for number, (kind, fields, generated) in enumerate(self._events()):
            yield Chunk(sse({"type": kind} | fields | {"sequence_number": number}, kind), generated)

    def _events(self) -> Iterator[tuple[str, dict[str, Any], int]]:
        yield "response.created", {"response": self.body(status="in_progress")}, 0
        yield "response.in_progress", {"response": self.body(status="in_progress")}, 0
        place = 0
        tokens = self.generation.thought_tokens
        if self.generation.thought:
            for kind, fields in self._reasoning_events():
                yield kind, fields, tokens
            place = 1
        for place_of_call, call in enumerate(self.generation.calls, place):
            tokens += call_tokens(call)
            for kind, fields in self._call_events(call, place_of_call):
                yield kind, fields, tokens
        if not self.generation.calls:
            yield from self._text_events(place, tokens)
        finished = self.finished()
        yield f"response.{finished['status']}", {"response": finished}, self.generation.tokens

    def _reasoning_events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        item = self._reasoning()
        yield "response.output_item.added", {"output_index": 0, "item": {**item, "summary": []}}
        at = {"item_id": item["id"], "output_index": 0, "summary_index": 0}
        for part in item["summary"]:
            text = part["text"]
            yield "response.reasoning_summary_part.added", at | {"part": {**part, "text": ""}}
            for fragment in fragments(text):
                yield "response.reasoning_summary_text.delta", at | {"delta": fragment}
            yield "response.reasoning_summary_text.done", at | {"text": text}
            yield "response.reasoning_summary_part.done", at | {"part": part}
        yield "response.output_item.done", {"output_index": 0, "item": item}

    def _call_events(self, call: ToolCall, place: int) -> Iterator[tuple[str, dict[str, Any]]]:
        at = {"item_id": f"fc_{call.id}", "output_index": place}
        added = self._function_call(call, status="in_progress", arguments="")
        yield "response.output_item.added", {"output_index": place, "item": added}
        for fragment in fragments(call.json):
            yield "response.function_call_arguments.delta", at | {"delta": fragment}
        yield "response.function_call_arguments.done", at | {"name": call.name, "arguments": call.json}
        done = self._function_call(call, status="completed", arguments=call.json)
        yield "response.output_item.done", {"output_index": place, "item": done}

    def _text_events(self, place: int, tokens: int) -> Iterator[tuple[str, dict[str, Any], int]]:
        at = {"item_id": f"msg_{self.id[5:]}", "output_index": place, "content_index": 0}
        added = self._message(status="in_progress", content=[])
        yield "response.output_item.added", {"output_index": place, "item": added}, tokens
        yield "response.content_part.added", at | {"part": _text_part("")}, tokens
        for piece, so_far in self.generation.text_with_tokens():
            tokens = so_far
            yield "response.output_text.delta", at | {"delta": piece, "logprobs": []}, tokens
        text = self.generation.text
        yield "response.output_text.done", at | {"text": text, "logprobs": []}, tokens
        yield "response.content_part.done", at | {"part": _text_part(text)}, tokens
        done = self._message(status="completed", content=[_text_part(text)])
        yield "response.output_item.done", {"output_index": place, "item": done}, tokens


def usage_body(usage: Usage) -> dict[str, Any]:
    """Usage as responses and batches report it."""
    return {
        "input_tokens": usage.total_input,
        "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": usage.cache_read},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total_input + usage.output,
    }


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}
