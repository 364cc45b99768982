"""A conversation as the body of Cohere's `POST /v2/chat`."""

from __future__ import annotations

from typing import Final

from weighbridge.core.codec import encode_json
from weighbridge.wire.codecs import TargetContext
from weighbridge.wire.cohere_chat.messages import CUSTOM_INPUT, write_messages
from weighbridge.wire.cohere_chat.models import thinks
from weighbridge.wire.conversation import ChoiceMode, Conversation, CustomTool, FormatKind, FunctionTool, Tool, ToolChoice
from weighbridge.wire.format_instruction import described_schema, format_instruction
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.reasoning import budget_of, is_off, note_that_it_is_shown
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.unsaid import drop_store, drop_unsaid, drop_vendor_fields, limited_stops, without_refused

_UNSAID: Final = (
    "min_p", "n", "repetition_penalty", "logit_bias", "top_logprobs", "parallel_tool_calls", "max_tool_calls", "verbosity",
    "modalities", "audio", "prediction", "user", "safety_identifier", "metadata", "service_tier", "previous_response_id",
    "conversation_id", "background", "truncation", "include", "prompt_cache_key", "prompt_cache_retention", "cached_content",
    "cache", "safety_settings",
)  # fmt: skip
_SAME: Final = (
    ("max_output_tokens", "max_tokens"),
    ("temperature", "temperature"),
    ("top_p", "p"),
    ("top_k", "k"),
    ("seed", "seed"),
)
_MAX_STOPS: Final = 5
"""https://docs.cohere.com/reference/chat (stop_sequences)."""
_FREE_TEXT: Final[JsonObject] = {"type": "object", "properties": {CUSTOM_INPUT: {"type": "string"}}, "required": [CUSTOM_INPUT]}
_NO_ARGUMENTS: Final[JsonObject] = {"type": "object", "properties": {}}
_CHOICES: Final = {ChoiceMode.REQUIRED: "REQUIRED", ChoiceMode.NONE: "NONE"}
"""Without one the model is free."""


def write_request(conversation: Conversation, context: TargetContext, receipt: Receipt) -> bytes:
    """The body. Raises `GatewayError` INVALID_REQUEST where nothing of a turn can be sent."""
    quirks = context.quirks
    conversation = without_refused(conversation, quirks, receipt)
    can_think = thinks(context.model)
    turns = write_messages(conversation, quirks, receipt, thinks=can_think)
    body: JsonObject = {"model": context.model, "messages": turns.messages, "stream": conversation.stream}
    _add_tools(body, conversation, quirks, receipt)
    if turns.documents:
        body["documents"] = turns.documents
    _add_format(body, turns.messages, conversation, quirks, receipt)
    _add_sampling(body, conversation, quirks, receipt)
    _add_thinking(body, conversation, receipt, can_think=can_think)
    drop_unsaid(conversation, _UNSAID, receipt)
    drop_store(conversation, receipt)
    drop_vendor_fields(conversation, receipt)
    for name, renamed in quirks.renames.items():
        if name in body:
            body[renamed] = body.pop(name)
    return encode_json(body)


def _add_sampling(body: JsonObject, conversation: Conversation, quirks: Quirks, receipt: Receipt) -> None:
    for neutral, name in _SAME:
        value = getattr(conversation, neutral)
        if value is not None:
            body[name] = value
    for name in ("frequency_penalty", "presence_penalty"):
        value = getattr(conversation, name)
        if value is None:
            continue
        # Cohere's go from 0 to 1, OpenAI's from -2 to 2.
        body[name] = min(max(value, 0), 1)
        if body[name] != value:
            receipt.widened(name, "between 0 and 1")
    stops = limited_stops(conversation, quirks.max_stop or _MAX_STOPS, receipt)
    if stops:
        body["stop_sequences"] = stops
    if conversation.logprobs:
        body["logprobs"] = True


def _add_thinking(body: JsonObject, conversation: Conversation, receipt: Receipt, *, can_think: bool) -> None:
    wish = conversation.reasoning
    if wish is None:
        return
    note_that_it_is_shown(wish, receipt)
    if is_off(wish):
        if can_think:
            body["thinking"] = {"type": "disabled"}
        return
    if not can_think:
        receipt.dropped("reasoning", "the model does not think")
        return
    thinking: JsonObject = {"type": "enabled"}
    budget = budget_of(wish)
    if budget is not None:
        thinking["token_budget"] = budget
        if budget != wish.budget_tokens:
            receipt.mapped("reasoning", f"a budget of {budget} tokens")
    body["thinking"] = thinking


def _add_format(body: JsonObject, messages: list[Json], conversation: Conversation, quirks: Quirks, receipt: Receipt) -> None:
    wish = conversation.answer_format
    if wish is None or wish.kind is FormatKind.TEXT:
        return
    # Cohere takes no `response_format` beside tools or documents (https://docs.cohere.com/reference/chat, response_format).
    is_possible = "tools" not in body and "documents" not in body
    if is_possible and wish.kind.value in quirks.answer_formats:
        form: JsonObject = {"type": "json_object"}
        if wish.kind is FormatKind.JSON_SCHEMA and wish.schema is not None:
            form["json_schema"] = described_schema(wish)
        body["response_format"] = form
        return
    receipt.widened("answer_format", "asked for in the instructions")
    messages.insert(0, {"role": "system", "content": format_instruction(wish)})


def _add_tools(body: JsonObject, conversation: Conversation, quirks: Quirks, receipt: Receipt) -> None:
    choice = conversation.tool_choice
    if conversation.tools and not quirks.tools:
        receipt.dropped("tools", "the provider takes no tools")
        return
    tools = _chosen(conversation.tools, choice, receipt)
    written: list[Json] = [block for i, tool in tools if (block := _tool(tool, f"tools[{i}]", receipt)) is not None]
    if not written:
        return
    body["tools"] = written
    functions = [(i, tool) for i, tool in tools if isinstance(tool, FunctionTool)]
    strict = [i for i, tool in functions if tool.strict]
    if strict and len(strict) == len(written) and quirks.strict_tools:
        body["strict_tools"] = True
    else:
        for i in strict:
            receipt.widened(f"tools[{i}].strict", "all tools are strict, or none is")
    if choice is not None and choice.mode in _CHOICES:
        if choice.mode.value in quirks.tool_choices:
            body["tool_choice"] = _CHOICES[choice.mode]
        else:
            receipt.widened("tool_choice", "the model is free to choose")


def _chosen(tools: tuple[Tool, ...], choice: ToolChoice | None, receipt: Receipt) -> list[tuple[int, Tool]]:
    """The tools to send: Cohere cannot be told to call this one, but can be given no other."""
    numbered = list(enumerate(tools))
    if choice is None or not choice.names:
        return numbered
    receipt.mapped("tool_choice", "only the tools to choose from are sent")
    return [(i, tool) for i, tool in numbered if tool.name in choice.names]


def _tool(tool: Tool, path: str, receipt: Receipt) -> Json:
    if isinstance(tool, FunctionTool):
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
    function: JsonObject = {"name": name, "parameters": schema}
    if description is not None:
        function["description"] = description
    return {"type": "function", "function": function}
