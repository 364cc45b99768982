"""What Converse takes: the documented fields, and the rules that go beyond them."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Annotated, Any, Final, Literal

import msgspec

from weighbridge.testing.reply import RefusalError

Block = dict[str, Any]

_ID: Final = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_DOCUMENT_NAME: Final = re.compile(r"(?!.*\s\s)[A-Za-z0-9\s\-()\[\]]{1,200}")
_IMAGES: Final = frozenset(("png", "jpeg", "gif", "webp"))
_DOCUMENTS: Final = frozenset(("pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"))
_MINIMUM_THINKING: Final = 1024


class Message(msgspec.Struct):
    """One message."""

    role: Literal["user", "assistant"]
    content: list[Block]


class Inference(msgspec.Struct, forbid_unknown_fields=True):
    """`inferenceConfig`."""

    maxTokens: Annotated[int, msgspec.Meta(ge=1)] | None = None  # noqa: N815 - as on the wire, here and below
    temperature: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    topP: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None  # noqa: N815
    stopSequences: list[Annotated[str, msgspec.Meta(min_length=1)]] | None = None  # noqa: N815


class ToolConfig(msgspec.Struct, forbid_unknown_fields=True):
    """`toolConfig`."""

    tools: Annotated[list[Block], msgspec.Meta(min_length=1)]
    toolChoice: Block | None = None  # noqa: N815


class Tier(msgspec.Struct, forbid_unknown_fields=True):
    """`serviceTier`."""

    type: Literal["priority", "default", "flex", "reserved"]


class Output(msgspec.Struct, forbid_unknown_fields=True):
    """`outputConfig`."""

    textFormat: Block | None = None  # noqa: N815
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None


class ConverseRequest(msgspec.Struct, kw_only=True):
    """The documented fields of Converse and ConverseStream."""

    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    system: list[Block] | None = None
    inferenceConfig: Inference | None = None  # noqa: N815
    toolConfig: ToolConfig | None = None  # noqa: N815
    guardrailConfig: Block | None = None  # noqa: N815
    projectIdentifier: str | None = None  # noqa: N815
    additionalModelRequestFields: Block | None = None  # noqa: N815
    promptVariables: Block | None = None  # noqa: N815
    additionalModelResponseFieldPaths: list[str] | None = None  # noqa: N815
    requestMetadata: dict[str, str] | None = None  # noqa: N815
    performanceConfig: Block | None = None  # noqa: N815
    serviceTier: Tier | None = None  # noqa: N815
    outputConfig: Output | None = None  # noqa: N815


def invalid(message: str) -> RefusalError:
    """400 `ValidationException`."""
    return RefusalError(400, message, kind="ValidationException")


def check(request: ConverseRequest) -> None:
    """Raises `RefusalError` for what the schema allows and Bedrock does not."""
    _check_roles(request.messages)
    for place, message in enumerate(request.messages):
        if not message.content:
            raise invalid(f"The content field in the Message object at messages.{place} is empty. Add a ContentBlock object to it.")
        for part, block in enumerate(message.content):
            _check_block(block, f"messages.{place}.content.{part}")
        _check_text_beside_documents(message, place)
    for part, block in enumerate(request.system or []):
        _check_kind(block, ("text", "guardContent", "cachePoint"), f"system.{part}")
        _check_block(block, f"system.{part}")
    _check_calls(request)
    _check_tools(request.toolConfig)
    _check_thinking(request)
    _check_names(request)


def blocks_of(request: ConverseRequest) -> Iterator[Block]:
    """Every block of every message."""
    for message in request.messages:
        yield from message.content


def _check_roles(messages: list[Message]) -> None:
    if messages[0].role != "user":
        raise invalid(
            "A conversation must start with a user message. Try again with a conversation that starts with a user message."
        )
    for before, message in pairwise(messages):
        if before.role == message.role:
            raise invalid(
                "A conversation must alternate between user and assistant roles. "
                "Make sure the conversation alternates between user and assistant roles and try again."
            )


def _check_kind(block: Block, kinds: tuple[str, ...], where: str) -> str:
    names = [name for name in block if name in kinds]
    if len(block) != 1 or len(names) != 1:
        raise invalid(
            f"The value at {where} must have exactly one of the members {', '.join(kinds)}; it has {', '.join(block) or 'none'}."
        )
    return names[0]


def _check_block(block: Block, where: str) -> None:
    kind = _check_kind(block, tuple(_CHECKS), where)
    _CHECKS[kind](block[kind], where)


def _check_text(text: Any, where: str) -> None:
    if not isinstance(text, str) or not text:
        raise invalid(f"The text field in the ContentBlock object at {where} is blank. Add text to the text field, and try again.")


def _check_cache_point(point: Any, where: str) -> None:
    _only(point, {"type", "ttl"}, f"{where}.cachePoint")
    if point.get("type") != "default" or point.get("ttl", "5m") not in {"5m", "1h"}:
        raise invalid(f"The cachePoint at {where} must have the type default and a ttl of 5m or 1h.")


def _check_image(image: Any, where: str) -> None:
    _only(image, {"format", "source"}, f"{where}.image")
    if image.get("format") not in _IMAGES:
        raise invalid(f"Value at '{where}.image.format' must satisfy enum value set: [png, jpeg, gif, webp]")
    _check_source(image.get("source"), f"{where}.image")


def _check_document(document: Any, where: str) -> None:
    _only(document, {"format", "name", "source", "context", "citations"}, f"{where}.document")
    if not isinstance(document.get("name"), str) or not _DOCUMENT_NAME.fullmatch(document["name"]):
        raise invalid(
            "The file name can only contain alphanumeric characters, whitespace characters, hyphens, parentheses, and square "
            "brackets. The name can't contain more than one consecutive whitespace character."
        )
    if document.get("format") not in _DOCUMENTS:
        raise invalid(f"Value at '{where}.document.format' failed to satisfy constraint: Member must satisfy enum value set.")
    _check_source(document.get("source"), f"{where}.document", also=("text", "content"))


def _check_source(source: Any, where: str, also: tuple[str, ...] = ()) -> None:
    kind = _check_kind(source if isinstance(source, dict) else {}, ("bytes", "s3Location", *also), f"{where}.source")
    if kind == "bytes":
        try:
            b64decode(source["bytes"], validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise invalid(f"The bytes at {where}.source are not base64.") from error


def _check_tool_use(use: Any, where: str) -> None:
    _only(use, {"toolUseId", "name", "input", "type"}, f"{where}.toolUse")
    if not _ID.fullmatch(str(use.get("toolUseId"))) or not _TOOL_NAME.fullmatch(str(use.get("name"))):
        raise invalid(f"Value at '{where}.toolUse' failed to satisfy constraint: Member must satisfy regular expression pattern.")
    if not isinstance(use.get("input"), dict):
        raise invalid(
            f"The format of the value at {where}.toolUse.input is invalid. Provide a json object for the field and try again."
        )


def _check_tool_result(result: Any, where: str) -> None:
    _only(result, {"toolUseId", "content", "status", "type"}, f"{where}.toolResult")
    if not _ID.fullmatch(str(result.get("toolUseId"))) or result.get("status", "success") not in {"success", "error"}:
        raise invalid(f"Value at '{where}.toolResult' failed to satisfy constraint.")
    if not isinstance(result.get("content"), list):
        raise invalid(f"The content field at {where}.toolResult is required.")
    for part, block in enumerate(result["content"]):
        inner = f"{where}.toolResult.content.{part}"
        kind = _check_kind(block, ("text", "json", "image", "document", "video", "searchResult"), inner)
        if kind in _CHECKS:
            _CHECKS[kind](block[kind], inner)


def _check_reasoning(reasoning: Any, where: str) -> None:
    if _check_kind(reasoning, ("reasoningText", "redactedContent"), f"{where}.reasoningContent") == "reasoningText":
        thought = reasoning["reasoningText"]
        _only(thought, {"text", "signature"}, f"{where}.reasoningContent.reasoningText")
        if not thought.get("signature"):
            raise invalid(f"The model returned the following errors: {where}.thinking.signature: Field required")


def _passed(_value: Any, _where: str) -> None:
    """Blocks that the simulator takes as they are."""


_CHECKS: Final[dict[str, Callable[[Any, str], None]]] = {
    "text": _check_text,
    "image": _check_image,
    "document": _check_document,
    "toolUse": _check_tool_use,
    "toolResult": _check_tool_result,
    "reasoningContent": _check_reasoning,
    "cachePoint": _check_cache_point,
    "video": _passed,
    "audio": _passed,
    "guardContent": _passed,
    "citationsContent": _passed,
    "searchResult": _passed,
}


def _check_text_beside_documents(message: Message, place: int) -> None:
    if any("document" in block for block in message.content) and not any("text" in block for block in message.content):
        raise invalid(f"A text block must be included with the document at messages.{place}. Add a text block and try again.")


def _check_names(request: ConverseRequest) -> None:
    names = [block["document"]["name"] for block in blocks_of(request) if "document" in block]
    if len(set(names)) < len(names):
        raise invalid("The messages contain duplicate document names. Every document name must be unique.")


def _check_calls(request: ConverseRequest) -> None:
    has_calls = any("toolUse" in block or "toolResult" in block for block in blocks_of(request))
    if has_calls and request.toolConfig is None:
        raise invalid("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
    open_ids: list[str] = []
    for place, message in enumerate(request.messages):
        answered = [block["toolResult"]["toolUseId"] for block in message.content if "toolResult" in block]
        missing = [call_id for call_id in open_ids if call_id not in answered]
        if missing:
            raise invalid(f"Expected toolResult blocks at messages.{place}.content for the following Ids: {', '.join(missing)}")
        unasked = [call_id for call_id in answered if call_id not in open_ids]
        if unasked:
            raise invalid(
                f"The number of toolResult blocks at messages.{place}.content exceeds that of toolUse blocks of the turn before."
            )
        first_other = next((i for i, block in enumerate(message.content) if not {"toolResult", "cachePoint"} & set(block)), None)
        if first_other is not None and any("toolResult" in block for block in message.content[first_other:]):
            raise invalid(f"toolResult blocks come before all others: messages.{place}.content")
        open_ids = [block["toolUse"]["toolUseId"] for block in message.content if "toolUse" in block]


def _check_tools(config: ToolConfig | None) -> None:
    for place, tool in enumerate(config.tools if config else []):
        where = f"toolConfig.tools.{place}"
        if _check_kind(tool, ("toolSpec", "systemTool", "cachePoint"), where) != "toolSpec":
            continue
        spec = tool["toolSpec"]
        _only(spec, {"name", "description", "inputSchema", "strict"}, f"{where}.toolSpec")
        schema = spec.get("inputSchema", {}).get("json")
        if not _TOOL_NAME.fullmatch(str(spec.get("name"))) or spec.get("description", "x") == "":
            raise invalid(f"Value at '{where}.toolSpec' failed to satisfy constraint.")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise invalid(f"The value at {where}.toolSpec.inputSchema.json.type must be one of the following: object.")
    if config and config.toolChoice is not None:
        _check_kind(config.toolChoice, ("auto", "any", "tool"), "toolConfig.toolChoice")


def _check_thinking(request: ConverseRequest) -> None:
    thinking = (request.additionalModelRequestFields or {}).get("thinking")
    if not isinstance(thinking, dict) or thinking.get("type") not in {"enabled", "adaptive"}:
        return
    inference = request.inferenceConfig or Inference()
    if inference.temperature not in {None, 1}:
        raise invalid("The model returned the following errors: `temperature` may only be set to 1 when thinking is enabled.")
    if request.toolConfig and request.toolConfig.toolChoice and "auto" not in request.toolConfig.toolChoice:
        raise invalid("The model returned the following errors: Thinking may not be enabled when tool_choice forces tool use.")
    if thinking["type"] == "enabled":
        budget = thinking.get("budget_tokens")
        if not isinstance(budget, int) or budget < _MINIMUM_THINKING:
            raise invalid("The model returned the following errors: thinking.enabled.budget_tokens: Input should be at least 1024")
        if inference.maxTokens is not None and budget >= inference.maxTokens:
            raise invalid("The model returned the following errors: `max_tokens` must be greater than `thinking.budget_tokens`.")


def _only(value: Any, names: set[str], where: str) -> None:
    if not isinstance(value, dict):
        raise invalid(f"The value at {where} must be an object.")
    unknown = sorted(set(value) - names)
    if unknown:
        raise invalid(f"Malformed input request: #/{where.replace('.', '/')}: extraneous key [{unknown[0]}] is not permitted")
