"""Bedrock's Converse and ConverseStream: one API for the models of many vendors, spoken by providers only.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from typing import Final

from weighbridge.wire.bedrock_converse.reply import read_reply
from weighbridge.wire.bedrock_converse.request import write_request
from weighbridge.wire.bedrock_converse.stream import ConverseReader
from weighbridge.wire.codecs import Framing, OutboundFormat

OUTBOUND: Final = OutboundFormat(write_request, read_reply, ConverseReader, Framing.AWS)

__all__ = ["OUTBOUND"]
