"""OpenAI responses: reading the request, and the whole reply. The stream's events are in `openai_responses_stream.py`.

Nothing is stored, so `previous_response_id` is refused as an id that OpenAI does not know.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.providers.demo.exchange import SSE_TYPE, DemoError, DemoReply, DemoRequest, Stamp, read_body, whole
from weighbridge.providers.demo.generate import ATTACHMENT_TOKENS, MESSAGE_TOKENS, Prompt, Tool, ToolChoice, answer
from weighbridge.providers.demo.models import Model, pace_of
from weighbridge.providers.demo.openai_model import find_model
from weighbridge.providers.demo.openai_responses_object import Settings, response_object
from weighbridge.providers.demo.openai_responses_stream import response_events
from weighbridge.providers.demo.text import count_tokens


class _Part(msgspec.Struct):
    type: str = ""
    text: str | None = None


class _Item(msgspec.Struct):
    """One input item: a message, a function call, its output, reasoning… told apart by `type`, which messages may omit."""

    type: str = "message"
    role: str = ""
    content: str | list[_Part] | None = None
    name: str = ""
    arguments: str = ""
    output: str | list[_Part] | None = None

    @property
    def text(self) -> str:
        return _text(self.content)

    @property
    def tokens(self) -> int:
        attachments = sum(part.text is None for part in self.content) if isinstance(self.content, list) else 0
        texts = (self.text, self.name, self.arguments, _text(self.output))
        return MESSAGE_TOKENS + sum(map(count_tokens, texts)) + attachments * ATTACHMENT_TOKENS


class _Tool(msgspec.Struct):
    type: str
    name: str | None = None
    description: str | None = None
    parameters: dict[str, object] | None = None


class _NamedTool(msgspec.Struct):
    type: str
    name: str | None = None


class _Format(msgspec.Struct):
    type: str
    schema: dict[str, object] | None = None


class _Text(msgspec.Struct):
    format: _Format | None = None


class _Reasoning(msgspec.Struct):
    summary: str | None = None


class _CountRequest(msgspec.Struct):
    model: str = "echo"
    input: str | list[_Item] = ""
    instructions: str | None = None
    tools: list[_Tool] | None = None

    @property
    def items(self) -> list[_Item]:
        return [_Item(role="user", content=self.input)] if isinstance(self.input, str) else self.input

    @property
    def prompt_tokens(self) -> int:
        tools = count_tokens(encode_json(self.tools).decode()) if self.tools else 0
        instructions = MESSAGE_TOKENS + count_tokens(self.instructions) if self.instructions else 0
        return instructions + tools + sum(item.tokens for item in self.items)


class _ResponseRequest(_CountRequest):
    stream: bool | None = None
    max_output_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    tool_choice: str | _NamedTool | None = None
    parallel_tool_calls: bool | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    previous_response_id: str | None = None
    metadata: dict[str, object] | None = None


class _Echoed(msgspec.Struct):
    """Fields that the reply repeats as they came."""

    tools: msgspec.Raw = msgspec.Raw(b"[]")
    tool_choice: msgspec.Raw = msgspec.Raw(b'"auto"')
    text: msgspec.Raw = msgspec.Raw(b'{"format":{"type":"text"}}')
    metadata: msgspec.Raw = msgspec.Raw(b"{}")
    instructions: msgspec.Raw = msgspec.Raw(b"null")
    max_output_tokens: msgspec.Raw = msgspec.Raw(b"null")
    temperature: msgspec.Raw = msgspec.Raw(b"1.0")
    top_p: msgspec.Raw = msgspec.Raw(b"1.0")
    reasoning: msgspec.Raw = msgspec.Raw(b'{"effort":null,"summary":null}')
    store: msgspec.Raw = msgspec.Raw(b"false")


def input_tokens(request: DemoRequest, _stamp: Stamp) -> DemoReply:
    """`POST /responses/input_tokens`."""
    asked = read_body(request, _CountRequest)
    find_model(asked.model)
    return whole({"object": "response.input_tokens", "input_tokens": asked.prompt_tokens})


def model_response(request: DemoRequest, stamp: Stamp) -> DemoReply:
    """`POST /responses`."""
    asked = read_body(request, _ResponseRequest)
    if asked.previous_response_id:
        raise DemoError(
            400,
            f"Previous response with id '{asked.previous_response_id[:100]}' not found.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    model = find_model(asked.model)
    pace = pace_of(model, request.headers, asked.metadata)
    answered = answer(_prompt(asked, model))
    settings = Settings(
        model=asked.model,
        echoed=msgspec.structs.asdict(read_body(request, _Echoed)),
        is_parallel=asked.parallel_tool_calls is not False,
        shows_summary=asked.reasoning is not None and asked.reasoning.summary is not None,
        prompt_tokens=asked.prompt_tokens,
    )
    if asked.stream:
        events = list(response_events(settings, answered, stamp))
        return DemoReply(status=200, headers=[SSE_TYPE], chunks=pace.play(events))
    return whole(response_object(settings, answered, stamp), delay_ns=pace.whole_ns(answered.tokens))


def _prompt(asked: _ResponseRequest, model: Model) -> Prompt:
    choice, only = _tool_choice(asked.tool_choice)
    offered = [(tool.name, tool.parameters) for tool in asked.tools or () if tool.type == "function"]
    output = asked.text.format if asked.text else None
    return Prompt(
        model=model,
        user_text=next((item.text for item in reversed(asked.items) if item.role == "user"), ""),
        tool_results=_tool_results(asked.items),
        tools=tuple(Tool(name, parameters) for name, parameters in offered if name and only in {None, name}),
        tool_choice=choice,
        is_parallel=asked.parallel_tool_calls is not False,
        output_schema=output.schema if output else None,
        wants_json=output is not None and output.type == "json_object",
        max_tokens=asked.max_output_tokens,
    )


def _tool_choice(choice: str | _NamedTool | None) -> tuple[ToolChoice, str | None]:
    """The choice, and the one function that it names."""
    if isinstance(choice, _NamedTool):
        return (ToolChoice.REQUIRED, choice.name) if choice.type == "function" else (ToolChoice.AUTO, None)
    return ToolChoice(choice) if choice in {"none", "required"} else ToolChoice.AUTO, None


def _tool_results(items: list[_Item]) -> tuple[str, ...]:
    results: list[str] = []
    for item in items:
        if item.type == "function_call_output":
            results.append(_text(item.output))
        elif item.type == "function_call" or item.role in {"assistant", "user"}:
            results.clear()
    return tuple(results)


def _text(content: str | list[_Part] | None) -> str:
    if isinstance(content, list):
        return "\n".join(part.text for part in content if part.text is not None)
    return content or ""
