"""The response object of OpenAI's responses API and its output items."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from weighbridge.providers.demo.exchange import Stamp
from weighbridge.providers.demo.generate import Answer, Finish

Object = dict[str, object]


class Settings(msgspec.Struct, frozen=True):
    """What the reply needs of the request. `echoed` are fields that it repeats as raw JSON."""

    model: str
    echoed: Mapping[str, msgspec.Raw]
    is_parallel: bool
    shows_summary: bool
    prompt_tokens: int


def response_object(settings: Settings, answered: Answer, stamp: Stamp) -> Object:
    """The finished response."""
    is_cut = answered.finish is Finish.LENGTH
    return {
        **unfinished_object(settings, stamp),
        "status": "incomplete" if is_cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
        "output": output_items(settings, answered, stamp),
        "usage": _usage(settings.prompt_tokens, answered),
    }


def unfinished_object(settings: Settings, stamp: Stamp) -> Object:
    """The response as it stands before the first token."""
    return {
        "id": stamp.id("resp_", length=48),
        "object": "response",
        "created_at": stamp.now_s,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": settings.model,
        "output": [],
        "parallel_tool_calls": settings.is_parallel,
        "previous_response_id": None,
        "service_tier": "default",
        "truncation": "disabled",
        "usage": None,
        "user": None,
        **settings.echoed,
    }


def output_items(settings: Settings, answered: Answer, stamp: Stamp) -> list[Object]:
    """Reasoning, then either function calls or a message, all finished."""
    items: list[Object] = []
    if answered.thoughts:
        items.append(reasoning_item(settings, answered, stamp))
    for index, call in enumerate(answered.calls):
        items.append(call_item(stamp, index, call.name, call.arguments, status="completed"))
    if not answered.calls and (answered.pieces or answered.finish is not Finish.LENGTH):
        status = "incomplete" if answered.finish is Finish.LENGTH else "completed"
        items.append(message_item(stamp, [text_part(answered.text)], status=status))
    return items


def reasoning_item(settings: Settings, answered: Answer, stamp: Stamp) -> Object:
    """A reasoning item; its summary is there for those who asked for one."""
    summary = [{"type": "summary_text", "text": "".join(answered.thoughts)}] if settings.shows_summary else []
    return {"id": stamp.id("rs_", length=48), "type": "reasoning", "summary": summary}


def call_item(stamp: Stamp, index: int, name: str, arguments: str, *, status: str) -> Object:
    """A function call."""
    return {
        "id": stamp.id("fc_", str(index), length=48),
        "type": "function_call",
        "status": status,
        "call_id": stamp.id("call_", str(index)),
        "name": name,
        "arguments": arguments,
    }


def message_item(stamp: Stamp, content: list[Object], *, status: str) -> Object:
    """The assistant's message."""
    return {"id": stamp.id("msg_", length=48), "type": "message", "status": status, "role": "assistant", "content": content}


def text_part(text: str) -> Object:
    """A message's text."""
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _usage(prompt: int, answered: Answer) -> Object:
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": answered.tokens,
        "output_tokens_details": {"reasoning_tokens": len(answered.thoughts)},
        "total_tokens": prompt + answered.tokens,
    }
