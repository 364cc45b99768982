"""What a client's message in a realtime session sets off: a response that it asks for, or one that its speech may bring about.

Who asks is told by the event's type, in whatever way it is spelled: a budget holds only if nothing that the provider takes for a
question is passed on as something else. So a message that cannot be read counts as one, and so does a second type beside another.
"""

from __future__ import annotations

import re
from typing import Final

from weighbridge.core.codec import JsonError, decode_json
from weighbridge.core.errors import GatewayError
from weighbridge.wire.envelope import Envelope
from weighbridge.wire.websocket import Message, Opcode

_ASKS: Final = "response.create"
_ASKS_BYTES: Final = _ASKS.encode()
_SPEECH: Final = b"input_audio_buffer"
_ESCAPE: Final = b"\\u00"
_ESCAPED: Final = re.compile(rb"\\u00[2-7]")
"""A letter or a dot, which no encoder escapes: any word may stand there."""


def asks_for_response(message: Message) -> bool:
    """Whether the provider may take this for `response.create`."""
    if message.is_truncated:
        return True
    text = message.payload
    if message.opcode >= Opcode.CLOSE or not _mentions(text, _ASKS_BYTES):
        return False
    try:
        # Where a key occurs twice, decoders take different ones (`envelope.py`).
        return _ASKS in [decode_json(text[start:end]) for start, end in Envelope.read(text).locate("type")]
    except (GatewayError, JsonError):
        return True


def is_speech(message: Message) -> bool:
    """Whether it may be speech, which the provider answers by itself when it takes it to be over."""
    return message.is_truncated or (message.opcode < Opcode.CLOSE and _mentions(message.payload, _SPEECH))


def _mentions(text: bytes, word: bytes) -> bool:
    # Of 60 kB of speech 0.07 ms; one expression for both takes 0.7.
    return text.find(word) >= 0 or (text.find(_ESCAPE) >= 0 and _ESCAPED.search(text) is not None)
