"""What Anthropic's requests hold, and what they cost as input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.providers.demo.exchange import DemoError
from weighbridge.providers.demo.generate import ATTACHMENT_TOKENS, MESSAGE_TOKENS, Prompt, Tool, ToolChoice
from weighbridge.providers.demo.models import MODELS, Model
from weighbridge.providers.demo.text import count_tokens


class CacheControl(msgspec.Struct, omit_defaults=True):
    """Marks the end of a cacheable prefix; five minutes unless `ttl` says `1h`."""

    ttl: str | None = None


class Block(msgspec.Struct):
    """A content block of any type: the fields that cost tokens."""

    type: str
    text: str | None = None
    thinking: str | None = None
    name: str | None = None
    input: object = None
    content: str | list[Block] | None = None
    cache_control: CacheControl | None = None

    @property
    def tokens(self) -> int:
        """Tokens of its texts; what has no text is an attachment."""
        nested = self.content if isinstance(self.content, list) else []
        texts = [text for text in (self.text, self.thinking, self.name) if text is not None]
        if isinstance(self.content, str):
            texts.append(self.content)
        if self.input is not None:
            texts.append(encode_json(self.input).decode())
        flat = ATTACHMENT_TOKENS if self.type in {"image", "document"} else 0
        return flat + sum(map(count_tokens, texts)) + sum(block.tokens for block in nested)


class Message(msgspec.Struct):
    """One turn."""

    role: str
    content: str | list[Block]

    @property
    def blocks(self) -> list[Block]:
        """The content as blocks."""
        return [Block("text", self.content)] if isinstance(self.content, str) else self.content


class ToolParam(msgspec.Struct, omit_defaults=True):
    """A tool. Those of Anthropic's own have a `type` and no schema; the demo does not call them."""

    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, object] | None = None
    cache_control: CacheControl | None = None


class ToolChoiceParam(msgspec.Struct):
    """`auto`, `any`, `none`, or `tool` with a name."""

    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(msgspec.Struct):
    """Whether to think, and whether to show it."""

    type: str
    display: str | None = None


class OutputFormat(msgspec.Struct):
    """Structured output."""

    type: str
    schema: dict[str, object] | None = None


class OutputConfig(msgspec.Struct):
    """Holds the output format; older clients send `output_format` beside the messages instead."""

    format: OutputFormat | None = None


class InputUsage(NamedTuple):
    """Input tokens as Anthropic counts them: the three are disjoint."""

    uncached: int
    written_5m: int
    written_1h: int

    @property
    def total(self) -> int:
        """Every token of the prompt."""
        return sum(self)


class CountRequest(msgspec.Struct, kw_only=True):
    """`POST /messages/count_tokens`: a prompt without anything about the answer."""

    model: str
    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    system: str | list[Block] | None = None
    tools: list[ToolParam] | None = None
    tool_choice: ToolChoiceParam | None = None
    cache_control: CacheControl | None = None

    def input_usage(self) -> InputUsage:
        """Tokens of the prompt. All before a cache mark counts as written with that mark's lifetime, as on a first call:
        the demo remembers nothing, so nothing is ever read from a cache."""
        pending = written_5m = written_1h = 0
        for tokens, mark in self._segments():
            pending += tokens
            if mark is not None:
                if mark.ttl == "1h":
                    written_1h += pending
                else:
                    written_5m += pending
                pending = 0
        return InputUsage(pending, written_5m, written_1h)

    def _segments(self) -> Iterator[tuple[int, CacheControl | None]]:
        """Pieces of the prompt in Anthropic's cache order: tools, system, messages."""
        for tool in self.tools or ():
            yield count_tokens(encode_json(msgspec.structs.replace(tool, cache_control=None)).decode()), tool.cache_control
        system = [Block("text", self.system)] if isinstance(self.system, str) else self.system or []
        for block in system:
            yield block.tokens, block.cache_control
        for message in self.messages:
            yield MESSAGE_TOKENS, None
            for block in message.blocks:
                yield block.tokens, block.cache_control
        if self.cache_control is not None:
            yield 0, self.cache_control


class MessagesRequest(CountRequest, kw_only=True):
    """`POST /messages`."""

    max_tokens: Annotated[int, msgspec.Meta(ge=1)]
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    metadata: dict[str, object] | None = None


def find_model(name: str) -> Model:
    """The model of this name. Raises `DemoError` 404 in Anthropic's words."""
    model = MODELS.get(name)
    if model is None:
        raise DemoError(404, f"model: {name[:100]}")
    return model


def read_prompt(asked: MessagesRequest, model: Model) -> Prompt:
    """The prompt in the demo's own terms."""
    choice = asked.tool_choice or ToolChoiceParam("auto")
    only = choice.name if choice.type == "tool" else None
    offered = [tool for tool in asked.tools or () if tool.type in {None, "custom"}]
    output = (asked.output_config.format if asked.output_config else None) or asked.output_format
    return Prompt(
        model=model,
        user_text=_user_text(asked.messages),
        tool_results=_tool_results(asked.messages[-1]),
        tools=tuple(Tool(tool.name, tool.input_schema) for tool in offered if only in {None, tool.name}),
        tool_choice=_CHOICES.get(choice.type, ToolChoice.AUTO),
        is_parallel=choice.disable_parallel_tool_use is not True,
        output_schema=output.schema if output else None,
        thinks=asked.thinking is None or asked.thinking.type != "disabled",
        max_tokens=asked.max_tokens,
        stops=tuple(asked.stop_sequences or ()),
    )


_CHOICES = {"any": ToolChoice.REQUIRED, "tool": ToolChoice.REQUIRED, "none": ToolChoice.NONE}


def _user_text(messages: list[Message]) -> str:
    """The last user text: a turn that holds only tool results has none."""
    for message in reversed(messages):
        texts = [block.text for block in message.blocks if block.type == "text" and block.text is not None]
        if message.role == "user" and texts:
            return "\n".join(texts)
    return ""


def _tool_results(last: Message) -> tuple[str, ...]:
    return tuple(_result_text(block) for block in last.blocks if block.type == "tool_result")


def _result_text(block: Block) -> str:
    if isinstance(block.content, list):
        return "\n".join(part.text for part in block.content if part.text is not None)
    return block.content or ""
