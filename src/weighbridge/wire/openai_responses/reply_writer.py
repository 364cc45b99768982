"""`Reply` -> the whole response for a caller."""

from __future__ import annotations

from typing import Final

from weighbridge.core.codec import encode_json
from weighbridge.wire.codecs import ReplyContext
from weighbridge.wire.events import Choice, FinishReason, Reply
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.openai_responses.reply_items import write_items
from weighbridge.wire.openai_responses.response_object import ResponseFrame, ending_of

_NO_CHOICE: Final = Choice((), FinishReason.OTHER)


def response_of(reply: Reply, context: ReplyContext) -> JsonObject:
    """The response as an object. There is place for one choice."""
    choice = reply.choices[0] if reply.choices else _NO_CHOICE
    ending = ending_of(choice.reason)
    items = write_items(choice, context, ending.item_status)
    frame = ResponseFrame(context, reply.id, reply.model, reply.created_s)
    return frame.render_end(ending, items, reply.usage, reply.service_tier)


def write_reply(reply: Reply, context: ReplyContext) -> bytes:
    """The body of the response."""
    return encode_json(response_of(reply, context))
