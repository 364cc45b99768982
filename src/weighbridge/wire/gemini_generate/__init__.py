"""Gemini's generateContent, at the Gemini API and at Vertex: requests and replies, whole and streamed, and counts of tokens.

https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

from typing import Final

from weighbridge.wire.codecs import InboundFormat, OutboundFormat
from weighbridge.wire.gemini_generate.count_tokens import (
    read_count_reply,
    read_count_request,
    write_count_reply,
    write_count_request,
    write_vertex_count_request,
)
from weighbridge.wire.gemini_generate.event_reader import ArrayEventReader, GenerateEventReader
from weighbridge.wire.gemini_generate.event_writer import GenerateEventWriter, array_event_writer
from weighbridge.wire.gemini_generate.reply_reader import read_reply
from weighbridge.wire.gemini_generate.reply_writer import write_reply
from weighbridge.wire.gemini_generate.request_reader import read_request
from weighbridge.wire.gemini_generate.request_writer import write_request

INBOUND: Final = InboundFormat(read_request, write_reply, GenerateEventWriter)
OUTBOUND: Final = OutboundFormat(write_request, read_reply, GenerateEventReader)

__all__ = [
    "INBOUND",
    "OUTBOUND",
    "ArrayEventReader",
    "GenerateEventReader",
    "GenerateEventWriter",
    "array_event_writer",
    "read_count_reply",
    "read_count_request",
    "write_count_reply",
    "write_count_request",
    "write_vertex_count_request",
]
