"""Cohere's Chat API, version 2, spoken by providers only. https://docs.cohere.com/reference/chat"""

from __future__ import annotations

from typing import Final

from weighbridge.wire.codecs import OutboundFormat
from weighbridge.wire.cohere_chat.reply import read_reply
from weighbridge.wire.cohere_chat.request import write_request
from weighbridge.wire.cohere_chat.stream import CohereReader

OUTBOUND: Final = OutboundFormat(write_request, read_reply, CohereReader)

__all__ = ["OUTBOUND"]
