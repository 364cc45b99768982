"""The requests and replies of every benchmark: fixed bytes, so that each server's answer can be compared byte for byte."""

from __future__ import annotations

import msgspec

GATEWAY_KEY = "wb-bench-key-0123456789abcdef0123456789abcdef"
CHAT_MODEL = "gpt-4.1"
TOGETHER_MODEL = "stream-together"
PACED_MODEL = "stream-paced"
STAMPED_MODEL = "stream-stamped"
BULK_MODEL = "stream-bulk"
CHAT_PATH = "/chat/completions"
MESSAGES_PATH = "/messages"
"""Below the base path that an OpenAI client is given: where Anthropic's SDK asks."""
MODELS = (CHAT_MODEL, TOGETHER_MODEL, PACED_MODEL, STAMPED_MODEL, BULK_MODEL)

STREAM_CHUNKS = 50
PACE_S = 0.002  # at 64 connections 32,000 chunks a second: a core is busy, not swamped, so chunks still arrive one at a time
STAMPED_PACE_S = 0.010
STAMP = b"sent_ns="
BULK_EVENT_BYTES = 256
BULK_WRITE_BYTES = 64 * 1024

_PROSE = (
    "The ship's log for the third day records a steady wind from the north-west, a falling glass and two sails in sight.\\n"
    'It notes \\u2014 in another hand \\u2014 that the \\"cargo\\" was weighed again, and that both figures agree. '
)


def request_body(*, model: str, size: int, stream: bool = False) -> bytes:
    """A chat request of exactly `size` bytes, its prompt spread over messages of about 2 kB, as agents send it."""
    head = f'{{"model":"{model}","temperature":0.7,'
    if stream:
        # Usage is asked for, so that no gateway has a reason to change the stream.
        head += '"stream":true,"stream_options":{"include_usage":true},'
    return _filled(head + '"messages":[{"role":"system","content":"You are terse."},', size)


def messages_body(*, model: str, size: int, stream: bool = False) -> bytes:
    """The same in Anthropic's dialect."""
    head = f'{{"model":"{model}","temperature":0.7,"max_tokens":256,'
    if stream:
        head += '"stream":true,'
    return _filled(head + '"system":"You are terse.","messages":[', size)


def _filled(head: str, size: int) -> bytes:
    tail = "]}"
    room = size - len(head) - len(tail)
    return (head + _prompt(room) + tail).encode()


def _prompt(room: int) -> str:
    roles = ("user", "assistant")
    messages: list[str] = []
    text = (_PROSE * 10)[:2000].rstrip("\\")
    full = [f'{{"role":"{role}","content":"{text}"}},' for role in roles]
    while room > len(full[1]) + 200:
        messages.append(full[len(messages) % 2])
        room -= len(messages[-1])
    last_open, last_close = '{"role":"user","content":"', '"}'
    padding = room - len(last_open) - len(last_close)
    if padding < 0:
        msg = "the size asked for leaves no room for a prompt"
        raise ValueError(msg)
    words = ("weigh the cargo again and say what it costs " * (padding // 44 + 1))[:padding]
    return "".join(messages) + last_open + words + last_close


CHAT_REPLY = (
    b'{"id":"chatcmpl-bench0001","object":"chat.completion","created":1750000000,"model":"gpt-4.1-2025-04-14",'
    b'"choices":[{"index":0,"message":{"role":"assistant","content":"Both figures agree: the cargo weighs 412 tonnes.",'
    b'"refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":128,'
    b'"completion_tokens":12,"total_tokens":140,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},'
    b'"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}},"service_tier":"default"}'
)

_CHUNK_HEAD = (
    b'data: {"id":"chatcmpl-bench0002","object":"chat.completion.chunk","created":1750000000,'
    b'"model":"gpt-4.1-2025-04-14","choices":['
)
_USAGE = b'],"usage":{"prompt_tokens":128,"completion_tokens":48,"total_tokens":176}}\n\n'


def _event(choice: bytes) -> bytes:
    return _CHUNK_HEAD + choice + b'],"usage":null}\n\n'


def delta_event(content: bytes) -> bytes:
    """One server-sent event that carries `content`, which needs no JSON escapes."""
    return _event(b'{"index":0,"delta":{"content":"' + content + b'"},"finish_reason":null}')


FIRST_EVENT = _event(b'{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}')
FINISH_EVENT = _event(b'{"index":0,"delta":{},"finish_reason":"stop"}')
LAST_EVENTS = _CHUNK_HEAD + _USAGE + b"data: [DONE]\n\n"

STREAM_EVENTS: tuple[bytes, ...] = (
    FIRST_EVENT,
    *(delta_event(b" word%02d" % n) for n in range(STREAM_CHUNKS - 3)),
    FINISH_EVENT,
    LAST_EVENTS,
)
STREAM_REPLY = b"".join(STREAM_EVENTS)


def bulk_events() -> bytes:
    """One write's worth of a bulk stream: events of 256 bytes that fill 64 kB exactly."""
    content_bytes = BULK_EVENT_BYTES - len(delta_event(b""))
    return delta_event(b"x" * content_bytes) * (BULK_WRITE_BYTES // BULK_EVENT_BYTES)


class Payload(msgspec.Struct, frozen=True):
    """One kind of request and the reply that must come back, byte for byte."""

    name: str
    body: bytes
    reply: bytes
    path: str = CHAT_PATH


SMALL = Payload("0.6 kB", request_body(model=CHAT_MODEL, size=600), CHAT_REPLY)
MEDIUM = Payload("20 kB", request_body(model=CHAT_MODEL, size=20_000), CHAT_REPLY)
LARGE = Payload("500 kB", request_body(model=CHAT_MODEL, size=500_000), CHAT_REPLY)
STREAM_PACED = Payload("stream, one at a time", request_body(model=PACED_MODEL, size=600, stream=True), STREAM_REPLY)
STREAM_TOGETHER = Payload("stream, together", request_body(model=TOGETHER_MODEL, size=600, stream=True), STREAM_REPLY)
PAYLOADS = (SMALL, MEDIUM, LARGE, STREAM_PACED, STREAM_TOGETHER)

TRANSLATED = Payload("0.6 kB translated", messages_body(model=CHAT_MODEL, size=600), b'"type":"message"', MESSAGES_PATH)
TRANSLATED_STREAM = Payload(
    "stream, together, translated",
    messages_body(model=TOGETHER_MODEL, size=600, stream=True),
    b"event: message_stop",
    MESSAGES_PATH,
)
"""What Anthropic's dialect asks of the same upstream. `reply` is a part of the answer."""
