"""A conversation as the body of Ollama's `POST /api/chat`."""

from __future__ import annotations

from typing import Final

from weighbridge.core.codec import encode_json
from weighbridge.wire.codecs import TargetContext
from weighbridge.wire.conversation import ChoiceMode, Conversation, CustomTool, FormatKind, FunctionTool, Tool
from weighbridge.wire.format_instruction import described_schema, format_instruction
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.ollama_chat.messages import CUSTOM_INPUT, write_messages
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.reasoning import effort_of, is_off, nearest, note_that_it_is_shown
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.unsaid import drop_store, drop_unsaid, drop_vendor_fields, limited_stops, without_refused

_UNSAID: Final = (
    "n", "logit_bias", "parallel_tool_calls", "max_tool_calls", "verbosity", "modalities", "audio", "prediction", "user",
    "safety_identifier", "metadata", "service_tier", "previous_response_id", "conversation_id", "background", "truncation",
    "include", "prompt_cache_key", "prompt_cache_retention", "cached_content", "cache", "safety_settings",
)  # fmt: skip
_OPTIONS: Final = (
    ("max_output_tokens", "num_predict"),
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("top_k", "top_k"),
    ("min_p", "min_p"),
    ("seed", "seed"),
    ("presence_penalty", "presence_penalty"),
    ("frequency_penalty", "frequency_penalty"),
    ("repetition_penalty", "repeat_penalty"),
)
"""https://github.com/ollama/ollama/blob/main/docs/modelfile.mdx#valid-parameters-and-values"""
_LEVELS: Final = ("low", "medium", "high")
_FREE_TEXT: Final[JsonObject] = {"type": "object", "properties": {CUSTOM_INPUT: {"type": "string"}}, "required": [CUSTOM_INPUT]}
_NO_ARGUMENTS: Final[JsonObject] = {"type": "object", "properties": {}}


def write_request(conversation: Conversation, context: TargetContext, receipt: Receipt) -> bytes:
    """The body. Raises `GatewayError` INVALID_REQUEST where nothing of a turn can be sent."""
    quirks = context.quirks
    conversation = without_refused(conversation, quirks, receipt)
    messages = write_messages(conversation, quirks, receipt)
    # Without `stream` Ollama streams.
    body: JsonObject = {"model": context.model, "messages": messages, "stream": conversation.stream}
    tools = _tools(conversation, quirks, receipt)
    if tools:
        body["tools"] = tools
    _add_format(body, messages, conversation, quirks, receipt)
    options = _options(conversation, quirks, receipt)
    if options:
        body["options"] = options
    _add_thinking(body, conversation, quirks, receipt)
    if conversation.logprobs:
        body["logprobs"] = True
        if conversation.top_logprobs:
            body["top_logprobs"] = conversation.top_logprobs
    drop_unsaid(conversation, _UNSAID, receipt)
    drop_store(conversation, receipt)
    drop_vendor_fields(conversation, receipt)
    for name, renamed in quirks.renames.items():
        if name in body:
            body[renamed] = body.pop(name)
    return encode_json(body)


def _options(conversation: Conversation, quirks: Quirks, receipt: Receipt) -> JsonObject:
    options: JsonObject = {}
    for neutral, name in _OPTIONS:
        value = getattr(conversation, neutral)
        if value is not None:
            options[name] = value
    stops = limited_stops(conversation, quirks.max_stop, receipt)
    if stops:
        options["stop"] = stops
    return options


def _add_thinking(body: JsonObject, conversation: Conversation, quirks: Quirks, receipt: Receipt) -> None:
    """`think` is a switch or, for models that have levels, one of these: https://docs.ollama.com/capabilities/thinking."""
    wish = conversation.reasoning
    if wish is None:
        return
    note_that_it_is_shown(wish, receipt)
    if is_off(wish):
        body["think"] = False
        return
    effort = wish.effort
    if effort is None:
        body["think"] = True
        if wish.budget_tokens is not None:
            receipt.mapped("reasoning", f"switched on, without a bound ({effort_of(wish)})")
        return
    level = nearest(effort, quirks.reasoning_efforts or _LEVELS)
    if level != effort:
        receipt.mapped("reasoning", f"level {level}")
    body["think"] = level


def _add_format(body: JsonObject, messages: list[Json], conversation: Conversation, quirks: Quirks, receipt: Receipt) -> None:
    wish = conversation.answer_format
    if wish is None or wish.kind is FormatKind.TEXT:
        return
    if wish.kind.value in quirks.answer_formats:
        body["format"] = (described_schema(wish) if wish.kind is FormatKind.JSON_SCHEMA else None) or "json"
        return
    receipt.widened("answer_format", "asked for in the instructions")
    messages.insert(0, {"role": "system", "content": format_instruction(wish)})


def _tools(conversation: Conversation, quirks: Quirks, receipt: Receipt) -> list[Json]:
    """The tools. Ollama's models are free to choose: what may not be called is left out, and nothing can be made to be called."""
    choice = conversation.tool_choice
    if not quirks.tools:
        if conversation.tools:
            receipt.dropped("tools", "the provider takes no tools")
        return []
    if choice is not None and choice.mode is ChoiceMode.NONE:
        if conversation.tools:
            receipt.mapped("tool_choice", "tools that may not be called are left out")
        return []
    if choice is not None and choice.mode is ChoiceMode.REQUIRED:
        receipt.widened("tool_choice", "the model may choose to call none")
    names = choice.names if choice is not None else ()
    if names:
        receipt.mapped("tool_choice", "only the tools to choose from are sent")
    tools: list[Json] = []
    for i, tool in enumerate(conversation.tools):
        if names and tool.name not in names:
            continue
        written = _tool(tool, f"tools[{i}]", receipt)
        if written is not None:
            tools.append(written)
    return tools


def _tool(tool: Tool, path: str, receipt: Receipt) -> JsonObject | None:
    if isinstance(tool, FunctionTool):
        if tool.strict:
            receipt.widened(f"{path}.strict", "the model is not held to the schema")
        if tool.cache is not None:
            receipt.dropped(f"{path}.cache", "caching is automatic")
        for name in tool.raw or ():
            receipt.dropped(f"{path}.{name}", "only Anthropic knows it")
        return _function(tool.name, tool.description, tool.schema or _NO_ARGUMENTS)
    if isinstance(tool, CustomTool):
        note = "free text becomes one argument" + (", without its grammar" if tool.format else "")
        (receipt.widened if tool.format else receipt.mapped)(path, note)
        return _function(tool.name, tool.description, _FREE_TEXT)
    receipt.dropped(path, f"a tool that {tool.origin} runs itself")
    return None


def _function(name: str, description: str | None, schema: JsonObject) -> JsonObject:
    function: JsonObject = {"name": name}
    if description is not None:
        function["description"] = description
    function["parameters"] = schema
    return {"type": "function", "function": function}
