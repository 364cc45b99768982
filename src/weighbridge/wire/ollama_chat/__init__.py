"""Ollama's own chat API, spoken by providers only. https://github.com/ollama/ollama/blob/main/docs/api.md"""

from __future__ import annotations

from typing import Final

from weighbridge.wire.codecs import Framing, OutboundFormat
from weighbridge.wire.ollama_chat.reply import read_reply
from weighbridge.wire.ollama_chat.request import write_request
from weighbridge.wire.ollama_chat.stream import OllamaReader

OUTBOUND: Final = OutboundFormat(write_request, read_reply, OllamaReader, Framing.NDJSON)

__all__ = ["OUTBOUND"]
