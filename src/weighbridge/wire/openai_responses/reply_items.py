"""Parts of a reply -> items of `output`, for whole replies and for the events of a stream.

- Texts and refusals that follow one another share a message, each as a content of its own.
- Thinking is reasoning's `content`, or its `summary` for a caller who asked for one: most clients show and send back nothing else.
- A seal has its place in a reasoning item (`encrypted_content`), another vendor's in our wrapping. Gemini signs texts and calls as
  well: such a seal stands in a reasoning item of its own behind them, and `input_reader.py` gives it back to them.
- A step of another vendor's tool is shown where this API has the same tool (a web search); its words cannot be said here.
- A picture is the result of an `image_generation_call`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from weighbridge.wire.codecs import ReplyContext
from weighbridge.wire.conversation import (
    Audio,
    Citation,
    Conversation,
    Image,
    MediaBytes,
    Part,
    Reasoning,
    Refusal,
    Seal,
    ServerTool,
    ServerToolKind,
    Text,
    ToolCall,
)
from weighbridge.wire.events import Choice
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.openai_responses.custom_calls import as_custom, custom_names
from weighbridge.wire.openai_responses.vocabulary import ORIGIN, Item, own_id, seal_id, write_annotation
from weighbridge.wire.sealing import wrap

_IN_MESSAGE: Final = (Text, Refusal, Audio)


def summarises(conversation: Conversation) -> bool:
    """Whether the caller asked for a summary of the reasoning, so that thinking is given as one."""
    wish = conversation.reasoning
    return wish is not None and wish.summary is not None and wish.summary != "omitted"


def write_items(choice: Choice, context: ReplyContext, status: str) -> list[Item]:
    """The output. `status` is that of the last item: `incomplete` where the answer was cut."""
    request_id, as_summary = context.request_id, summarises(context.conversation)
    custom = custom_names(context.conversation)
    items: list[Item] = []
    contents: list[Json] | None = None
    last: Item | None = None
    for part in choice.parts:
        seal: Seal | None = None
        if isinstance(part, _IN_MESSAGE):
            if contents is None:
                contents = []
                last = message_item(own_id("msg", request_id, len(items)), contents)
                items.append(last)
            contents.append(content_of(part))
            seal = part.seal if isinstance(part, Text) else None
        else:
            shown = part
            if isinstance(part, ToolCall):
                shown = as_custom(part) if part.name in custom and not part.is_custom else part
            elif isinstance(part, Reasoning) and as_summary:
                shown = _with_summary(part)
            item = item_of(shown, request_id, len(items))
            if item is None:
                continue
            contents = None
            last = item
            items.append(item)
            seal = part.seal if isinstance(part, ToolCall) else None
        if seal is not None:
            contents = None
            items.append(reasoning_item(seal_id(request_id, len(items)), "", (), seal))
    if last is not None and status != "completed":
        cut(last, status)
    add_logprobs(items, choice.logprobs)
    return items


def _with_summary(part: Reasoning) -> Reasoning:
    return Reasoning("", (part.text, *part.summary), part.seal, part.id) if part.text else part


def cut(item: Item, status: str) -> None:
    """Note that an item is not whole, so that no half call is taken for one."""
    if item.get("type") in ("message", "function_call", "custom_tool_call", "reasoning"):
        item["status"] = status


def add_logprobs(items: list[Item], logprobs: Sequence[JsonObject]) -> None:
    """Log probabilities go with the last text; there is one but in rare cases."""
    if not logprobs:
        return
    for item in reversed(items):
        contents = item.get("content")
        if item["type"] == "message" and isinstance(contents, list):
            for content in contents:
                if isinstance(content, dict) and content.get("type") == "output_text":
                    content["logprobs"] = list(logprobs)
                    return


def message_item(item_id: str, contents: list[Json], status: str = "completed") -> Item:
    """A message of the model's."""
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": contents}


def content_of(part: Text | Refusal | Audio) -> JsonObject:
    """One content of a message. Of sound, what it says: there is no place for the sound."""
    if isinstance(part, Refusal):
        return refusal_content(part.text)
    if isinstance(part, Audio):
        return text_content(part.transcript or "")
    return text_content(part.text, part.citations)


def refusal_content(text: str) -> JsonObject:
    """A refusal."""
    return {"type": "refusal", "refusal": text}


def text_content(text: str, citations: Iterable[Citation] = ()) -> JsonObject:
    """A text and what it cites."""
    written = (write_annotation(citation, len(text)) for citation in citations)
    annotations: list[Json] = [annotation for annotation in written if annotation is not None]
    return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}


def item_of(part: Part, request_id: str, number: int) -> Item | None:
    """The item of a part that is no message; None for what cannot be shown."""
    if isinstance(part, ToolCall):
        item_id = call_item_id(part.item_id, request_id, number, is_custom=part.is_custom)
        return call_item(item_id, part.id, part.name, part.arguments, is_custom=part.is_custom)
    if isinstance(part, Reasoning):
        item_id = part.id or own_id("rs", request_id, number)
        return reasoning_item(item_id, part.text, part.summary, part.seal)
    if isinstance(part, ServerTool):
        return _server_item(part, request_id, number)
    if isinstance(part, Image) and isinstance(part.source, MediaBytes):
        media_format = part.source.media_type.rpartition("/")[2]
        return {
            "id": own_id("ig", request_id, number),
            "type": "image_generation_call",
            "status": "completed",
            "result": part.source.base64,
            "output_format": media_format,
        }
    return None


def call_item_id(given: str | None, request_id: str, number: int, *, is_custom: bool) -> str:
    """The id of a call: the provider's, if it has one."""
    return given or own_id("ctc" if is_custom else "fc", request_id, number)


def call_item(item_id: str, call_id: str, name: str, arguments: str, *, is_custom: bool, status: str = "completed") -> Item:
    """A call of one of the caller's tools."""
    if is_custom:
        return {
            "id": item_id,
            "type": "custom_tool_call",
            "status": status,
            "input": arguments,
            "call_id": call_id,
            "name": name,
        }
    return {"id": item_id, "type": "function_call", "status": status, "arguments": arguments, "call_id": call_id, "name": name}


def reasoning_item(item_id: str, text: str, summary: Sequence[str], seal: Seal | None) -> Item:
    """Reasoning: the thinking itself as `content`, what its vendor made of it as `summary`, its seal as `encrypted_content`."""
    paragraphs: list[Json] = [{"type": "summary_text", "text": paragraph} for paragraph in summary]
    item: Item = {"id": item_id, "type": "reasoning", "summary": paragraphs}
    if text:
        item["content"] = [{"type": "reasoning_text", "text": text}]
    if seal is not None:
        item["encrypted_content"] = wrap(seal, ORIGIN)
    return item


def _server_item(part: ServerTool, request_id: str, number: int) -> Item | None:
    if part.origin == ORIGIN:
        return part.raw if "type" in part.raw else None
    if part.kind != ServerToolKind.WEB_SEARCH or part.query is None:
        return None
    return {
        "id": own_id("ws", request_id, number),
        "type": "web_search_call",
        "status": "completed",
        "action": {"type": "search", "query": part.query},
    }
