"""The event sequence of OpenAI's responses API. Every event carries the next `sequence_number`; there is no `[DONE]`."""

from __future__ import annotations

from collections.abc import Iterator

from weighbridge.providers.demo.exchange import Stamp, StreamEvent, sse_event
from weighbridge.providers.demo.generate import Answer, Finish
from weighbridge.providers.demo.models import MAX_OUTPUT_TOKENS
from weighbridge.providers.demo.openai_responses_object import (
    Object,
    Settings,
    call_item,
    message_item,
    output_items,
    reasoning_item,
    response_object,
    text_part,
    unfinished_object,
)
from weighbridge.providers.demo.text import count_tokens, split_tokens

_Step = tuple[str, Object, int]
"""An event's type without `response.`, its fields, and how many tokens' time it takes."""


def response_events(settings: Settings, answered: Answer, stamp: Stamp) -> Iterator[StreamEvent]:
    """All events of a response, numbered from 0."""
    for number, (kind, fields, tokens) in enumerate(_steps(settings, answered, stamp)):
        name = f"response.{kind}"
        yield StreamEvent(sse_event({"type": name, "sequence_number": number, **fields}, name=name), tokens)


def _steps(settings: Settings, answered: Answer, stamp: Stamp) -> Iterator[_Step]:
    opening = unfinished_object(settings, stamp)
    yield "created", {"response": opening}, 0
    yield "in_progress", {"response": opening}, 0
    for index, item in enumerate(output_items(settings, answered, stamp)):
        if item["type"] == "reasoning":
            yield from _reasoning_steps(index, settings, answered, stamp)
        elif item["type"] == "function_call":
            yield from _call_steps(index, item, answered, stamp)
        else:
            yield from _message_steps(index, item, answered, stamp)
    ending = "incomplete" if answered.finish is Finish.LENGTH else "completed"
    yield ending, {"response": response_object(settings, answered, stamp)}, 0


def _reasoning_steps(index: int, settings: Settings, answered: Answer, stamp: Stamp) -> Iterator[_Step]:
    item = reasoning_item(settings, answered, stamp)
    yield "output_item.added", {"output_index": index, "item": {**item, "summary": []}}, 0
    where: Object = {"item_id": item["id"], "output_index": index, "summary_index": 0}
    if settings.shows_summary:
        part = {"type": "summary_text", "text": "".join(answered.thoughts)}
        yield "reasoning_summary_part.added", {**where, "part": {**part, "text": ""}}, 0
        for piece in answered.thoughts:
            yield "reasoning_summary_text.delta", {**where, "delta": piece}, 1
        yield "reasoning_summary_text.done", {**where, "text": part["text"]}, 0
        yield "reasoning_summary_part.done", {**where, "part": part}, 0
    yield "output_item.done", {"output_index": index, "item": item}, 0 if settings.shows_summary else len(answered.thoughts)


def _call_steps(index: int, item: Object, answered: Answer, stamp: Stamp) -> Iterator[_Step]:
    at = index - (1 if answered.thoughts else 0)
    call = answered.calls[at]
    where: Object = {"item_id": item["id"], "output_index": index}
    opening = call_item(stamp, at, call.name, "", status="in_progress")
    yield "output_item.added", {"output_index": index, "item": opening}, count_tokens(call.name)
    for piece in split_tokens(call.arguments, limit=MAX_OUTPUT_TOKENS):
        yield "function_call_arguments.delta", {**where, "delta": piece}, 1
    yield "function_call_arguments.done", {**where, "name": call.name, "arguments": call.arguments}, 0
    yield "output_item.done", {"output_index": index, "item": item}, 0


def _message_steps(index: int, item: Object, answered: Answer, stamp: Stamp) -> Iterator[_Step]:
    where: Object = {"item_id": item["id"], "output_index": index, "content_index": 0}
    yield "output_item.added", {"output_index": index, "item": message_item(stamp, [], status="in_progress")}, 0
    yield "content_part.added", {**where, "part": text_part("")}, 0
    for piece in answered.pieces:
        yield "output_text.delta", {**where, "delta": piece, "logprobs": []}, 1
    yield "output_text.done", {**where, "text": answered.text, "logprobs": []}, 0
    yield "content_part.done", {**where, "part": text_part(answered.text)}, 0
    yield "output_item.done", {"output_index": index, "item": item}, 0
