"""A caller's request for a message -> `Conversation`.

https://docs.anthropic.com/en/api/messages; the beta fields as in the vendor's OpenAPI description of 2026-08-18.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from weighbridge.wire.anthropic_messages.content_reader import ContentReader
from weighbridge.wire.anthropic_messages.tools_reader import read_choice, read_tools
from weighbridge.wire.anthropic_messages.vocabulary import ORIGIN
from weighbridge.wire.cache_control import read_cache
from weighbridge.wire.codecs import RequestContext
from weighbridge.wire.conversation import AnswerFormat, Conversation, FormatKind, ReasoningWish, Role, Text, Turn
from weighbridge.wire.fields import Fields, invalid, read_object
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.receipt import Receipt

_ROLES: Final = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
"""`system` within `messages` is a beta; some clients send it anyway."""

_VENDOR: Final = ("container", "context_management", "mcp_servers", "inference_geo", "speed")
"""Fields that nobody else has."""

_OF_THE_PATH: Final = frozenset(("anthropic_version", "anthropic_beta", "betas"))
"""What Bedrock and Vertex want in the body in place of headers."""


def read_request(body: bytes, context: RequestContext, receipt: Receipt) -> Conversation:
    """The request. Raises `GatewayError` INVALID_REQUEST with the field at fault."""
    fields = read_object(body)
    turns = read_turns(fields, receipt)
    tools, choosing = read_tools(fields, receipt), read_choice(fields, receipt)
    vendor: JsonObject = {name: value for name in _VENDOR if (value := fields.value(name)) is not None}
    answer_format, effort = _output(fields, vendor, receipt)
    conversation = Conversation(
        model=fields.text("model") or context.model,
        turns=turns,
        stream=fields.boolean("stream") or context.stream,
        max_output_tokens=fields.integer("max_tokens"),
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        top_k=fields.integer("top_k"),
        stop=fields.texts("stop_sequences"),
        tools=tools,
        tool_choice=choosing.choice,
        parallel_tool_calls=choosing.parallel,
        answer_format=answer_format,
        reasoning=_thinking(fields, effort, receipt),
        user=_user(fields, receipt),
        service_tier=fields.text("service_tier"),
        cache=read_cache(fields.value("cache_control")),
        vendor=vendor,
        vendor_origin=ORIGIN,
    )
    fields.leftover(receipt, ignored=_OF_THE_PATH)
    return conversation


def read_turns(fields: Fields, receipt: Receipt) -> tuple[Turn, ...]:
    """`system` and `messages`."""
    content = ContentReader(receipt)
    turns: list[Turn] = []
    system = fields.value("system")
    if system is not None and (parts := content.read(system, "system")):
        turns.append(Turn(Role.SYSTEM, parts))
    messages = fields.array("messages")
    if messages is None:
        fields.missing("messages")
    for i, message in enumerate(messages):
        if not isinstance(message, dict):
            raise invalid(f"messages[{i}]", "an object")
        word = message.get("role")
        role = _ROLES.get(word) if isinstance(word, str) else None
        if role is None:
            raise invalid(f"messages[{i}].role", "'user' or 'assistant'")
        turns.append(Turn(role, content.read(message.get("content"), f"messages[{i}].content") or _NO_CONTENT))
        if len(message) > 2:
            Fields(message, f"messages[{i}]").leftover(receipt, ignored=_MESSAGE_FIELDS)
    return tuple(turns)


_NO_CONTENT: Final = (Text(""),)
_MESSAGE_FIELDS: Final = frozenset(("role", "content"))


def _enabled(wish: Fields, effort: str | None, summary: str | None) -> ReasoningWish:
    return ReasoningWish(effort, wish.integer("budget_tokens"), is_enabled=True, summary=summary)


def _adaptive(_wish: Fields, effort: str | None, summary: str | None) -> ReasoningWish:
    return ReasoningWish(effort, is_adaptive=True, summary=summary)


def _disabled(_wish: Fields, effort: str | None, summary: str | None) -> ReasoningWish:
    return ReasoningWish(effort, is_enabled=False, summary=summary)


_THINKING: Final[dict[str, Callable[[Fields, str | None, str | None], ReasoningWish]]] = {
    "enabled": _enabled,
    "adaptive": _adaptive,
    "disabled": _disabled,
}
_DISPLAYS: Final = {"summarized": "auto", "omitted": "omitted"}


def _thinking(fields: Fields, effort: str | None, receipt: Receipt) -> ReasoningWish | None:
    wish = fields.nested("thinking")
    if wish is None:
        return None if effort is None else ReasoningWish(effort)
    kind = wish.required_text("type")
    if kind not in _THINKING:
        raise invalid(wish.at("type"), "'enabled', 'disabled' or 'adaptive'")
    display = wish.text("display")
    read = _THINKING[kind](wish, effort, None if display is None else _DISPLAYS.get(display, display))
    wish.leftover(receipt)
    return read


def _output(fields: Fields, vendor: JsonObject, receipt: Receipt) -> tuple[AnswerFormat | None, str | None]:
    """Structured output and effort. `output_format` is the beta's spelling of `output_config.format`."""
    old = fields.nested("output_format")
    config = fields.nested("output_config")
    effort = None
    new = None
    if config is not None:
        effort, new = config.text("effort"), config.nested("format")
        rest: JsonObject = {name: value for name, value in config.rest.items() if value is not None}
        if rest:
            vendor["output_config"] = rest
    wish = new or old
    if wish is None:
        return None, effort
    if wish.required_text("type") != "json_schema":
        raise invalid(wish.at("type"), "'json_schema'")
    schema = wish.json_object("schema")
    if schema is None:
        wish.missing("schema")
    wish.leftover(receipt)
    return AnswerFormat(FormatKind.JSON_SCHEMA, schema), effort


def _user(fields: Fields, receipt: Receipt) -> str | None:
    metadata = fields.nested("metadata")
    if metadata is None:
        return None
    user = metadata.text("user_id")
    metadata.leftover(receipt)
    return user
