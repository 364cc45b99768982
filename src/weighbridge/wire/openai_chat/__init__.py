"""OpenAI's Chat Completions, and the many who speak it (https://platform.openai.com/docs/api-reference/chat)."""

from __future__ import annotations

from typing import Final

from weighbridge.wire.codecs import InboundFormat, OutboundFormat
from weighbridge.wire.openai_chat.event_reader import ChatEventReader
from weighbridge.wire.openai_chat.event_writer import ChatEventWriter
from weighbridge.wire.openai_chat.reply_reader import read_reply
from weighbridge.wire.openai_chat.reply_writer import write_reply
from weighbridge.wire.openai_chat.request_reader import read_request
from weighbridge.wire.openai_chat.request_writer import write_request

INBOUND: Final = InboundFormat(read_request, write_reply, ChatEventWriter)
OUTBOUND: Final = OutboundFormat(write_request, read_reply, ChatEventReader)
