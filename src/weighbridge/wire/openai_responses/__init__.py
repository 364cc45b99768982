"""OpenAI's Responses API (`/v1/responses`): spoken by callers and by providers.

https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from typing import Final

from weighbridge.wire.codecs import InboundFormat, OutboundFormat
from weighbridge.wire.openai_responses.event_reader import ResponseEventReader
from weighbridge.wire.openai_responses.event_writer import ResponseEventWriter
from weighbridge.wire.openai_responses.reply_reader import read_reply
from weighbridge.wire.openai_responses.reply_writer import write_reply
from weighbridge.wire.openai_responses.request_reader import read_request
from weighbridge.wire.openai_responses.request_writer import write_request

INBOUND: Final = InboundFormat(read_request, write_reply, ResponseEventWriter)
"""For callers."""

OUTBOUND: Final = OutboundFormat(write_request, read_reply, ResponseEventReader)
"""For providers."""

__all__ = ("INBOUND", "OUTBOUND")
