"""Anthropic's Messages API: requests and replies, whole and streamed, read and written, and counts of tokens.

https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

from typing import Final

from weighbridge.wire.anthropic_messages.count_tokens import (
    estimate_input_tokens,
    read_count_reply,
    read_count_request,
    write_count_reply,
    write_count_request,
)
from weighbridge.wire.anthropic_messages.event_reader import MessageEventReader
from weighbridge.wire.anthropic_messages.event_writer import MessageEventWriter
from weighbridge.wire.anthropic_messages.reply_reader import read_reply
from weighbridge.wire.anthropic_messages.reply_writer import write_reply
from weighbridge.wire.anthropic_messages.request_reader import read_request
from weighbridge.wire.anthropic_messages.request_writer import write_request
from weighbridge.wire.codecs import InboundFormat, OutboundFormat

INBOUND: Final = InboundFormat(read_request, write_reply, MessageEventWriter)
OUTBOUND: Final = OutboundFormat(write_request, read_reply, MessageEventReader)

__all__ = [
    "INBOUND",
    "OUTBOUND",
    "MessageEventReader",
    "MessageEventWriter",
    "estimate_input_tokens",
    "read_count_reply",
    "read_count_request",
    "write_count_reply",
    "write_count_request",
]
