"""OpenAI's legacy completions, which go on being asked for by older applications
(https://platform.openai.com/docs/api-reference/completions). Providers are asked in chat."""

from __future__ import annotations

from typing import Final

from weighbridge.wire.codecs import InboundFormat
from weighbridge.wire.openai_completions.reply_writer import CompletionEventWriter, write_reply
from weighbridge.wire.openai_completions.request_reader import read_request

INBOUND: Final = InboundFormat(read_request, write_reply, CompletionEventWriter)
