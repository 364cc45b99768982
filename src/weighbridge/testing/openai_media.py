"""OpenAI's endpoints that are neither chat nor storage: embeddings, moderations, images, speech, transcription."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

import msgspec

from weighbridge.core.terms import Usage
from weighbridge.testing.forms import FormPart, parts_of
from weighbridge.testing.generation import CREATED, count_bytes, count_tokens, stable_id, vector
from weighbridge.testing.invoice import Bill
from weighbridge.testing.openai_chat import Count
from weighbridge.testing.openai_completions import texts_of
from weighbridge.testing.openai_errors import invalid
from weighbridge.testing.provider import Call
from weighbridge.testing.reply import SSE_TYPE, Chunk, Reply, json_reply, sse, whole

DIMENSIONS: Final = 16
"""Of an embedding, unless asked otherwise: enough to compare, few enough to read."""
IMAGE_OUTPUT_TOKENS: Final = 272
"""Of one generated image: gpt-image-1 at low quality, 1024 x 1024."""
AUDIO_BYTES_PER_TOKEN: Final = 100
_SPEECH_CHUNK: Final = 4096
_BY_CHARACTERS: Final = "tts-1"
_BY_SECONDS: Final = "whisper"
_TRANSCRIPTION_FIELDS: Final = frozenset(
    {
        "chunking_strategy", "file", "include", "keywords", "known_speaker_names", "known_speaker_references", "language",
        "languages", "model", "prompt", "response_format", "stream", "temperature", "timestamp_granularities",
    }
)  # fmt: skip
_CATEGORIES: Final = (
    "sexual", "hate", "harassment", "self-harm", "sexual/minors", "hate/threatening", "violence/graphic",
    "self-harm/intent", "self-harm/instructions", "harassment/threatening", "violence", "illicit", "illicit/violent",
)  # fmt: skip


class EmbeddingRequest(msgspec.Struct):
    """The documented fields of `POST /v1/embeddings`."""

    model: str
    input: str | Annotated[list[Any], msgspec.Meta(min_length=1)]
    dimensions: Count | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None


def embed(call: Call) -> Reply:
    """`POST /v1/embeddings`."""
    request = call.read(EmbeddingRequest)
    call.check_model(request.model)
    texts = texts_of(request.input)
    vectors = [vector(text, request.dimensions or DIMENSIONS) for text in texts]
    is_base64 = request.encoding_format == "base64"
    data = [
        {"object": "embedding", "index": place, "embedding": _packed(numbers) if is_base64 else numbers}
        for place, numbers in enumerate(vectors)
    ]
    usage = Usage(input=sum(count_tokens(text) for text in texts))
    body = {
        "object": "list",
        "data": data,
        "model": request.model,
        "usage": {"prompt_tokens": usage.input, "total_tokens": usage.input},
    }
    return json_reply(body, bills=(Bill("embeddings", request.model, usage),), is_pretty=True)


def _packed(numbers: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


class ModerationRequest(msgspec.Struct):
    """The documented fields of `POST /v1/moderations`."""

    input: str | list[Any]
    model: str | None = None


def moderate(call: Call) -> Reply:
    """`POST /v1/moderations`: free of charge. A text with "kill" in it is flagged as violence."""
    request = call.read(ModerationRequest)
    model = request.model or "omni-moderation-latest"
    call.check_model(model)
    texts = [request.input] if isinstance(request.input, str) else [str(item) for item in request.input]
    results = [_judged(text) for text in texts]
    return json_reply({"id": call.id("modr-"), "model": model, "results": results}, is_pretty=True)


def _judged(text: str) -> dict[str, Any]:
    is_violent = "kill" in text.lower()
    categories = {name: name == "violence" and is_violent for name in _CATEGORIES}
    scores = {name: 0.99 if flagged else 0.0001 for name, flagged in categories.items()}
    applied = {name: ["text"] for name in _CATEGORIES}
    return {
        "flagged": is_violent,
        "categories": categories,
        "category_scores": scores,
        "category_applied_input_types": applied,
    }


class ImageRequest(msgspec.Struct):
    """The documented fields of `POST /v1/images/generations`."""

    prompt: str
    model: str | None = None
    background: str | None = None
    moderation: str | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=10)] | None = None
    output_compression: int | None = None
    output_format: str | None = None
    partial_images: int | None = None
    quality: str | None = None
    response_format: str | None = None
    size: str | None = None
    stream: bool | None = None
    style: str | None = None
    user: str | None = None


def generate_images(call: Call) -> Reply:
    """`POST /v1/images/generations`: one-pixel PNGs in base64."""
    request = call.read(ImageRequest)
    model = request.model or "gpt-image-1"
    call.check_model(model)
    count = request.n or 1
    usage = Usage(input=count_tokens(request.prompt), output_image=IMAGE_OUTPUT_TOKENS * count)
    data = [{"b64_json": base64.b64encode(_pixel(f"{place}:{request.prompt}")).decode()} for place in range(count)]
    body = {
        "created": CREATED,
        "background": "opaque",
        "data": data,
        "output_format": "png",
        "quality": request.quality or "low",
        "size": request.size or "1024x1024",
        "usage": {
            "input_tokens": usage.input,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": usage.input},
            "output_tokens": usage.output_image,
            "total_tokens": usage.input + usage.output_image,
        },
    }
    return json_reply(body, bills=(Bill("images.generations", model, usage),), is_pretty=True)


def _pixel(seed: str) -> bytes:
    colour = bytes.fromhex(stable_id("", seed)[:6])
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" + colour)), (b"IEND", b""))
    framed = (struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


class SpeechRequest(msgspec.Struct):
    """The documented fields of `POST /v1/audio/speech`."""

    model: str
    input: Annotated[str, msgspec.Meta(max_length=4096)]
    voice: str | dict[str, Any]
    instructions: str | None = None
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | None = None
    speed: float | None = None
    stream_format: Literal["audio", "sse"] | None = None


def speak(call: Call) -> Reply:
    """`POST /v1/audio/speech`: binary that is streamed, 100 bytes for each token of audio and 20 tokens for each of text. `tts-1`
    is billed by the characters that it speaks."""
    request = call.read(SpeechRequest)
    call.check_model(request.model)
    tokens = count_tokens(request.input)
    usage = Usage(input=tokens, output_audio=tokens * 20)
    audio = b"".join(
        bytes.fromhex(stable_id("", request.input, str(block))) * 9 for block in range(-(-usage.output_audio * 100 // 108))
    )[: usage.output_audio * AUDIO_BYTES_PER_TOKEN]
    if request.model.startswith(_BY_CHARACTERS):
        usage = Usage(characters=len(request.input))
    bills = (Bill("audio.speech", request.model, usage),)
    if request.stream_format == "sse":
        return Reply(content_type=SSE_TYPE, chunks=_speech_events(audio, usage), is_stream=True, bills=bills)
    chunks = [Chunk(audio[start : start + _SPEECH_CHUNK]) for start in range(0, len(audio), _SPEECH_CHUNK)]
    kind = {"mp3": "audio/mpeg", None: "audio/mpeg"}.get(request.response_format, f"audio/{request.response_format}")
    return Reply(content_type=kind, chunks=chunks, is_stream=True, bills=bills)


def _speech_events(audio: bytes, usage: Usage) -> Iterator[Chunk]:
    for start in range(0, len(audio), _SPEECH_CHUNK):
        piece = base64.b64encode(audio[start : start + _SPEECH_CHUNK]).decode()
        yield Chunk(sse({"type": "speech.audio.delta", "audio": piece}))
    total = {"input_tokens": usage.input, "output_tokens": usage.output_audio, "total_tokens": usage.input + usage.output_audio}
    yield Chunk(sse({"type": "speech.audio.done", "usage": total}))


def transcribe(call: Call) -> Reply:
    """`POST /v1/audio/transcriptions`: the text names the upload and its hash. `whisper-1` is billed by the second, of which it
    hears one in each kilobyte."""
    parts = parts_of(call.body, call.request.header("content-type"))
    fields = {part.name.removesuffix("[]"): part for part in parts}
    for name in ("file", "model"):
        if name not in fields:
            raise invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    call.provider.judge_unknown(call.request, sorted(set(fields) - _TRANSCRIPTION_FIELDS))
    model = fields["model"].data.decode()
    call.check_model(model)
    text = f"{fields['file'].filename} {stable_id('', fields['file'].data)}"
    if model.startswith(_BY_SECONDS):
        return _timed_transcript(text, -(-len(fields["file"].data) // 1_000), model, fields)
    usage = Usage(input_audio=count_bytes(len(fields["file"].data)), output=count_tokens(text))
    return _transcript(text, usage, Bill("audio.transcriptions", model, usage), fields)


def _timed_transcript(text: str, seconds: int, model: str, fields: dict[str, FormPart]) -> Reply:
    bill = Bill("audio.transcriptions", model, Usage(audio_ms=seconds * 1_000))
    form = fields["response_format"].data if "response_format" in fields else b"json"
    if form not in (b"json", b"verbose_json"):
        return Reply(content_type="text/plain; charset=utf-8", chunks=whole(text.encode() + b"\n", (bill,)), bills=(bill,))
    more = {"task": "transcribe", "language": "english", "duration": float(seconds)} if form == b"verbose_json" else {}
    return json_reply({**more, "text": text, "usage": {"type": "duration", "seconds": seconds}}, bills=(bill,))


def _transcript(text: str, usage: Usage, bill: Bill, fields: dict[str, FormPart]) -> Reply:
    report = {
        "type": "tokens",
        "total_tokens": usage.input_audio + usage.output,
        "input_tokens": usage.input_audio,
        "input_token_details": {"text_tokens": 0, "audio_tokens": usage.input_audio},
        "output_tokens": usage.output,
    }
    if "response_format" in fields and fields["response_format"].data == b"text":
        line = whole(text.encode() + b"\n", (bill,))
        return Reply(content_type="text/plain; charset=utf-8", chunks=line, bills=(bill,))
    if "stream" in fields and fields["stream"].data.lower() == b"true":
        delta = sse({"type": "transcript.text.delta", "delta": text})
        done = sse({"type": "transcript.text.done", "text": text, "usage": report})
        chunks = (Chunk(delta, usage.output), Chunk(done, usage.output))
        return Reply(content_type=SSE_TYPE, chunks=chunks, is_stream=True, bills=(bill,))
    return json_reply({"text": text, "usage": report}, bills=(bill,))
