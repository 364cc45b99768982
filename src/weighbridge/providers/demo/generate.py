"""What the demo models answer, apart from any dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.providers.demo.exchange import DemoError
from weighbridge.providers.demo.models import MAX_OUTPUT_TOKENS, Kind, Model
from weighbridge.providers.demo.schema import minimal_instance
from weighbridge.providers.demo.text import CHARACTERS_PER_TOKEN, count_tokens, cut_at_stop, lorem, split_tokens, wanted_status

NOTHING_TO_REPEAT: Final = "There is no user text to repeat."
MESSAGE_TOKENS: Final = 3
"""Each message costs this much besides its text, for the role and the marks around it."""
ATTACHMENT_TOKENS: Final = 256
"""An image, a sound or a file, whatever its size."""


class ToolChoice(Enum):
    """May, must or must not call tools."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


class Tool(msgspec.Struct, frozen=True):
    """A function that may be called. `parameters` is its JSON Schema as plain objects."""

    name: str
    parameters: object


class ToolCall(msgspec.Struct, frozen=True):
    """A call with arguments that satisfy the tool's schema. `arguments` is them as JSON text."""

    name: str
    arguments: str

    @property
    def tokens(self) -> int:
        """What the call costs as output."""
        return count_tokens(self.name) + count_tokens(self.arguments)


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """All of a request that has a bearing on the answer.

    `tool_results` are those that came after the model's last turn. `output_schema` asks for JSON that satisfies it;
    `wants_json` for JSON of any shape. `tools` holds only what the tool choice leaves.
    """

    model: Model
    user_text: str
    tool_results: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice.AUTO
    is_parallel: bool = True
    output_schema: object | None = None
    wants_json: bool = False
    thinks: bool = True
    max_tokens: int | None = None
    stops: tuple[str, ...] = ()


class Finish(Enum):
    """Why an answer ends."""

    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"


class Answer(msgspec.Struct, frozen=True):
    """A finished answer; `thoughts` and `pieces` are split into tokens."""

    thoughts: tuple[str, ...]
    pieces: tuple[str, ...]
    calls: tuple[ToolCall, ...]
    finish: Finish
    stop_sequence: str | None = None

    @property
    def text(self) -> str:
        """The answer in one piece."""
        return "".join(self.pieces)

    @property
    def visible_tokens(self) -> int:
        """Tokens of text and tool calls."""
        return len(self.pieces) + sum(call.tokens for call in self.calls)

    @property
    def tokens(self) -> int:
        """All tokens that the answer costs, thoughts included."""
        return len(self.thoughts) + self.visible_tokens


def answer(prompt: Prompt) -> Answer:
    """The model's answer, within the token limit. Raises `DemoError` for the `error` and `embed` models."""
    if prompt.model.kind is Kind.ERROR:
        raise DemoError(wanted_status(prompt.user_text), "The model `error` fails with the status that the user text names.")
    if prompt.model.kind is Kind.EMBED:
        raise DemoError(400, f"The model `{prompt.model.name}` makes embeddings and does not generate text.", param="model")
    limit = min(prompt.max_tokens or MAX_OUTPUT_TOKENS, MAX_OUTPUT_TOKENS)
    all_thoughts = _thoughts(prompt)
    thoughts = split_tokens(all_thoughts, limit=limit)
    left = limit - len(thoughts)
    calls = _calls(prompt)
    if calls:
        return _called(thoughts, calls, left)
    # A stop sequence beyond the limit changes nothing, so there is no need to look for it there.
    horizon = left * CHARACTERS_PER_TOKEN + max(map(len, prompt.stops), default=1)
    text, stop = cut_at_stop(_text(prompt)[:horizon], prompt.stops)
    pieces = split_tokens(text, limit=left)
    if count_tokens(text) > left or count_tokens(all_thoughts) > limit:
        return Answer(thoughts, pieces, (), Finish.LENGTH)
    return Answer(thoughts, pieces, (), Finish.STOP_SEQUENCE if stop is not None else Finish.STOP, stop)


def _called(thoughts: tuple[str, ...], calls: tuple[ToolCall, ...], left: int) -> Answer:
    """As many calls as fit: half a call would not be JSON."""
    fitting: list[ToolCall] = []
    for call in calls:
        left -= call.tokens
        if left < 0:
            return Answer(thoughts, (), tuple(fitting), Finish.LENGTH)
        fitting.append(call)
    return Answer(thoughts, (), tuple(fitting), Finish.TOOL_CALLS)


def _thoughts(prompt: Prompt) -> str:
    if prompt.model.kind is not Kind.THINK or not prompt.thinks:
        return ""
    return f"The user wrote {len(prompt.user_text)} characters. The plainest answer is to repeat them."


def _calls(prompt: Prompt) -> tuple[ToolCall, ...]:
    """The `tools` model calls what it is offered until it has results; every model calls what it must."""
    is_eager = prompt.model.kind is Kind.TOOLS and not prompt.tool_results
    if not prompt.tools or prompt.tool_choice is ToolChoice.NONE:
        return ()
    if prompt.tool_choice is ToolChoice.AUTO and not is_eager:
        return ()
    tools = prompt.tools if prompt.is_parallel else prompt.tools[:1]
    return tuple(ToolCall(tool.name, _arguments(tool.parameters)) for tool in tools)


def _arguments(parameters: object) -> str:
    """Arguments are an object, even where the schema says nothing."""
    value = minimal_instance(parameters) if parameters else {}
    return encode_json(value if isinstance(value, dict) else {}).decode()


def _text(prompt: Prompt) -> str:
    if prompt.output_schema is not None:
        return encode_json(minimal_instance(prompt.output_schema)).decode()
    plain = _PLAIN_TEXT.get(prompt.model.kind, _echo)(prompt)
    return encode_json({"text": plain}).decode() if prompt.wants_json else plain


def _echo(prompt: Prompt) -> str:
    return prompt.user_text or NOTHING_TO_REPEAT


def _quote(prompt: Prompt) -> str:
    return f"The tools answered: {'; '.join(prompt.tool_results)}" if prompt.tool_results else _echo(prompt)


_PLAIN_TEXT: Final[Mapping[Kind, Callable[[Prompt], str]]] = {
    Kind.LOREM: lambda prompt: lorem(prompt.user_text),
    Kind.TOOLS: _quote,
}
