"""What is asked and answered in a simulated exchange. Every byte that matters carries the exchange's own marker."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from random import Random

MARKER = re.compile(rb"m[0-9]{6}z")


@dataclass(frozen=True)
class Asked:
    """One request of a client."""

    marker: str
    provider: str
    kind: str  # chat, messages or upload
    is_stream: bool
    wants_usage: bool
    body: bytes
    is_chunked: bool
    key: str

    @property
    def target(self) -> str:
        return {"chat": "/v1/chat/completions", "messages": "/v1/messages", "upload": f"/{self.provider}/v1/files"}[self.kind]

    def head(self, minor: int) -> bytes:
        framing = "transfer-encoding: chunked" if self.is_chunked else f"content-length: {len(self.body)}"
        version = "anthropic-version: 2023-06-01\r\n" if self.kind == "messages" else ""
        lines = f"host: gateway\r\nauthorization: Bearer {self.key}\r\nx-marker: {self.marker}\r\n{version}{framing}\r\n\r\n"
        return f"POST {self.target} HTTP/1.{minor}\r\n{lines}".encode()

    def is_expected_at_provider(self, received: bytes) -> bool:
        """Whether these are the bytes that the provider should get: all but the declared splices."""
        if self.kind == "upload":
            return received == self.body
        expected = self.body.replace(f'"{self.provider}/{self.marker}"'.encode(), f'"{self.marker}"'.encode())
        if self.kind == "messages" or not self.is_stream or self.wants_usage:
            return received == expected
        return {**json.loads(expected), "stream_options": {"include_usage": True}} == json.loads(received)


def ask(rng: Random, marker: str, provider: str, key: str) -> Asked:
    kind = rng.choices(["chat", "messages", "upload"], [6, 3, 1])[0]
    is_stream, wants_usage = kind != "upload" and rng.random() < 0.6, rng.random() < 0.4
    words = f"{marker} " * rng.choice([1, 20, 2000])
    if kind == "upload":
        body = f"{marker} ".encode() * rng.choice([1, 500, 100_000])
    else:
        asked: dict[str, object] = {"model": f"{provider}/{marker}", "messages": [{"role": "user", "content": words}]}
        if is_stream:
            asked["stream"] = True
            if wants_usage and kind == "chat":
                asked["stream_options"] = {"include_usage": True}
        body = json.dumps(asked).encode()
    return Asked(marker, provider, kind, is_stream, wants_usage, body, rng.random() < 0.2, key)


@dataclass
class Served:
    """What a provider did with one request."""

    n_seen: int = 0
    status: int = 0
    body: bytes = b""
    """All that it meant to send."""
    withheld: bytes = b""
    """The part of it that is not for the client."""
    is_finished: bool = False
    """Whether it sent all of that, and its end."""

    @property
    def for_client(self) -> bytes:
        return self.body.replace(self.withheld, b"") if self.withheld else self.body


def answer(rng: Random, asked: Asked) -> tuple[bytes, bytes, list[bytes]]:
    """(content type, the usage frame that the client didn't ask for, pieces)."""
    marker = asked.marker
    n_pieces, words = (rng.choice([0, 1, 3, 20]), 1) if rng.random() < 0.95 else (1000, 150)
    if not asked.is_stream:
        text = json.dumps({"id": marker, "model": marker, "choices": [{"message": {"content": f"{marker} " * n_pieces * words}}],
                           "usage": {"prompt_tokens": 3, "completion_tokens": n_pieces, "total_tokens": 3 + n_pieces}})  # fmt: skip
        return b"application/json", b"", [text.encode()]
    if asked.kind == "messages":
        return b"text/event-stream; charset=utf-8", b"", _messages(marker, f"{marker} " * words, n_pieces)
    frames = [
        _chunk({"id": marker, "choices": [{"index": 0, "delta": {"content": f"{marker} {n}" * words}}]}) for n in range(n_pieces)
    ]
    frames.append(_chunk({"id": marker, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
    usage = _chunk({"id": marker, "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12}})
    withheld = b"" if asked.wants_usage else usage
    return b"text/event-stream", withheld, [*frames, usage, b"data: [DONE]\n\n"]


def _chunk(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def _messages(marker: str, text: str, n_pieces: int) -> list[bytes]:
    events: list[dict[str, object]] = [{"type": "message_start", "message": {"id": marker, "usage": {"input_tokens": 3}}}]
    events += [{"type": "content_block_delta", "delta": {"type": "text_delta", "text": f"{text}{n}"}} for n in range(n_pieces)]
    events += [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}]
    events += [{"type": "message_stop"}]
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


@dataclass
class Seen:
    """What a client saw of its reply."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_whole: bool = False

    @property
    def is_of_provider(self) -> bool:
        """Error replies of the gateway itself have no edits."""
        return "x-weighbridge-edits" in self.headers
