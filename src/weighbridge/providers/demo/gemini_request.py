"""What Gemini's requests hold.

Google reads field names in camelCase and in snake_case, and its Python SDK sends a mixture (`thinkingConfig` with
`include_thoughts`). :func:`camel_case` makes them all camelCase first.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.providers.demo.generate import ATTACHMENT_TOKENS, MESSAGE_TOKENS, Prompt, Tool, ToolChoice
from weighbridge.providers.demo.models import MAX_CHOICES, Model
from weighbridge.providers.demo.text import count_tokens
from weighbridge.providers.demo.vectors import MAX_DIMENSIONS

JSON_TYPE: Final = (b"content-type", b"application/json; charset=UTF-8")


_OPAQUE: Final = frozenset({"args", "response", "parametersJsonSchema", "responseJsonSchema", "labels", "enum", "default"})
"""Fields whose content is the caller's own."""


def camel_case(value: object) -> object:
    """A decoded body with Google's field names in camelCase; names that the caller chose stay."""
    if isinstance(value, list):
        return [camel_case(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {(name := _camel_name(key)): _camel_field(name, item) for key, item in value.items()}


def _camel_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest) if first else name


def _camel_field(name: str, value: object) -> object:
    if name in _OPAQUE:
        return value
    if name == "properties" and isinstance(value, dict):
        return {key: camel_case(item) for key, item in value.items()}
    return camel_case(value)


class _Camel(msgspec.Struct, rename="camel", omit_defaults=True):
    """A message of Google's, whose fields are camelCase in JSON."""


class FunctionCall(_Camel):
    """A call that the model made before."""

    name: str = ""
    args: object = None


class FunctionResponse(_Camel):
    """What such a call gave."""

    name: str = ""
    response: object = None


class Part(_Camel):
    """A piece of content: text, a call, a result, or a file."""

    text: str | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None

    @property
    def tokens(self) -> int:
        """What the part costs as input."""
        if self.text is not None:
            return count_tokens(self.text)
        if self.function_call is not None:
            return count_tokens(encode_json(self.function_call).decode())
        if self.function_response is not None:
            return count_tokens(encode_json(self.function_response).decode())
        return ATTACHMENT_TOKENS


class Content(_Camel):
    """One turn; without a role it is the user's."""

    role: str = "user"
    parts: list[Part] = []

    @property
    def text(self) -> str:
        """Its texts."""
        return "\n".join(part.text for part in self.parts if part.text is not None)

    @property
    def tokens(self) -> int:
        """What the turn costs as input."""
        return MESSAGE_TOKENS + sum(part.tokens for part in self.parts)


class FunctionDeclaration(_Camel):
    """A function that may be called; its schema is Google's or plain JSON Schema."""

    name: str
    description: str | None = None
    parameters: dict[str, object] | None = None
    parameters_json_schema: object = None


class ToolParam(_Camel):
    """Functions; tools of Google's own are left alone."""

    function_declarations: list[FunctionDeclaration] | None = None


class FunctionCallingConfig(_Camel):
    """`AUTO`, `ANY` or `NONE`, and which names."""

    mode: str = "AUTO"
    allowed_function_names: list[str] | None = None


class ToolConfig(_Camel):
    """Holds the above."""

    function_calling_config: FunctionCallingConfig | None = None


class ThinkingConfig(_Camel):
    """Whether thoughts are shown, and 0 for none."""

    include_thoughts: bool | None = None
    thinking_budget: int | None = None


class GenerationConfig(_Camel):
    """What shapes the answer."""

    candidate_count: Annotated[int, msgspec.Meta(ge=1, le=MAX_CHOICES)] | None = None
    max_output_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    stop_sequences: list[str] | None = None
    response_mime_type: str | None = None
    response_schema: dict[str, object] | None = None
    response_json_schema: object = None
    thinking_config: ThinkingConfig | None = None


class GenerateRequest(_Camel):
    """`generateContent` and `streamGenerateContent`."""

    contents: Annotated[list[Content], msgspec.Meta(min_length=1)]
    system_instruction: Content | None = None
    tools: list[ToolParam] | None = None
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig = msgspec.field(default_factory=GenerationConfig)
    labels: dict[str, object] | None = None

    @property
    def declarations(self) -> list[FunctionDeclaration]:
        """All functions of all tools."""
        return [function for tool in self.tools or () for function in tool.function_declarations or ()]

    @property
    def tokens(self) -> int:
        """What the prompt costs."""
        tools = count_tokens(encode_json(self.declarations).decode()) if self.declarations else 0
        system = self.system_instruction.tokens if self.system_instruction else 0
        return tools + system + sum(content.tokens for content in self.contents)


class CountRequest(_Camel):
    """`countTokens`: contents, or a whole request."""

    contents: list[Content] | None = None
    generate_content_request: GenerateRequest | None = None

    @property
    def tokens(self) -> int:
        """What the prompt costs."""
        if self.generate_content_request is not None:
            return self.generate_content_request.tokens
        return sum(content.tokens for content in self.contents or ())


class EmbedRequest(_Camel):
    """`embedContent`, and each of a batch."""

    content: Content
    output_dimensionality: Annotated[int, msgspec.Meta(ge=1, le=MAX_DIMENSIONS)] | None = None


class BatchEmbedRequest(_Camel):
    """`batchEmbedContents`."""

    requests: list[EmbedRequest]


def read_prompt(asked: GenerateRequest, model: Model) -> Prompt:
    """The prompt in the demo's own terms."""
    config = asked.generation_config
    calling = asked.tool_config.function_calling_config if asked.tool_config else None
    allowed = calling.allowed_function_names if calling else None
    thinking = config.thinking_config
    return Prompt(
        model=model,
        user_text=next((turn.text for turn in reversed(asked.contents) if turn.role == "user" and turn.text), ""),
        tool_results=_tool_results(asked.contents[-1]),
        tools=tuple(
            Tool(function.name, function.parameters or function.parameters_json_schema)
            for function in asked.declarations
            if not allowed or function.name in allowed
        ),
        tool_choice=_CHOICES.get(calling.mode.upper(), ToolChoice.AUTO) if calling else ToolChoice.AUTO,
        output_schema=config.response_schema if config.response_schema is not None else config.response_json_schema,
        wants_json=config.response_mime_type == "application/json",
        thinks=thinking is None or thinking.thinking_budget != 0,
        max_tokens=config.max_output_tokens,
        stops=tuple(config.stop_sequences or ()),
    )


_CHOICES: Final = {"ANY": ToolChoice.REQUIRED, "NONE": ToolChoice.NONE}


def _tool_results(last: Content) -> tuple[str, ...]:
    responses = [part.function_response for part in last.parts if part.function_response is not None]
    return tuple(encode_json(response.response).decode() for response in responses)
