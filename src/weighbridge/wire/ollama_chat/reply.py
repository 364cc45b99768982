"""A whole reply of Ollama's: the same object that ends a stream, with all of the message in it."""

from __future__ import annotations

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.events import Reply
from weighbridge.wire.fold import fold
from weighbridge.wire.ollama_chat.stream import OllamaReader


def read_reply(body: bytes) -> Reply:
    """The reply. Raises `GatewayError` PROVIDER_MALFORMED for what is no reply."""
    reader = OllamaReader()
    events = reader.read(body)
    if not reader.has_message:
        raise GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider's answer is no message of Ollama's.")
    return fold(events)
