"""One `GenerateContentResponse`: a whole reply, or an event of a stream. https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse

Only what is read is decoded; counts stay raw, since every event repeats them and only the last ones matter.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final, TypeVar

import msgspec

from weighbridge.core.codec import JsonError, decode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.loose_json import as_list, as_object
from weighbridge.wire.tolerant_decoder import tolerant_decoder
from weighbridge.wire.usage import GeminiUsage

S = TypeVar("S", bound=msgspec.Struct)


class Call(msgspec.Struct, rename="camel", gc=False):
    """`functionCall`. Vertex streams arguments in pieces (`partialArgs`) to callers who ask for that."""

    id: str | None = None
    name: str | None = None
    args: msgspec.Raw = msgspec.Raw()
    partial_args: list[Any] | None = None
    will_continue: bool | None = None


class Blob(msgspec.Struct, rename="camel", gc=False):
    """`inlineData`."""

    mime_type: str | None = None
    data: str | None = None


class ReplyPart(msgspec.Struct, rename="camel", gc=False):
    """A part of a candidate's content."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: Call | None = None
    inline_data: Blob | None = None
    file_data: Any = None
    executable_code: Any = None
    code_execution_result: Any = None
    tool_call: Any = None
    tool_response: Any = None


class Content(msgspec.Struct, gc=False):
    """`content` of a candidate; a blocked one has no parts."""

    parts: list[ReplyPart] | None = None


class Candidate(msgspec.Struct, rename="camel", gc=False):
    """One answer."""

    index: int | None = None
    content: Content | None = None
    finish_reason: str | int | None = None
    grounding_metadata: Any = None
    citation_metadata: Any = None
    url_context_metadata: Any = None
    logprobs_result: Any = None


class Chunk(msgspec.Struct, rename="camel", gc=False):
    """The response."""

    candidates: list[Candidate] | None = None
    usage_metadata: msgspec.Raw = msgspec.Raw()
    model_version: str | None = None
    response_id: str | None = None
    create_time: Any = None
    prompt_feedback: Any = None
    error: Any = None

    @property
    def is_empty(self) -> bool:
        """Nothing in it is known: it is no reply."""
        return self == _NOTHING and not bytes(self.usage_metadata)


_NOTHING: Final = Chunk()
_decode: Final = msgspec.json.Decoder(Chunk).decode
_decode_usage: Final = tolerant_decoder(GeminiUsage)


def read_chunk(document: bytes) -> Chunk:
    """A response; fields of an unexpected type read as absent. Raises `GatewayError` PROVIDER_MALFORMED for what is no object."""
    try:
        return _decode(document)
    except (JsonError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return _salvaged(decode_json(document), document)
    except (JsonError, UnicodeDecodeError, RecursionError):
        raise malformed(f"{len(document)} bytes are no JSON") from None


def read_counts(document: bytes) -> GeminiUsage | None:
    """`usageMetadata`; None for what cannot be read, since a wrong number is worse than none."""
    try:
        return _decode_usage(document)
    except (JsonError, UnicodeDecodeError, RecursionError):
        return None


def malformed(detail: str) -> GatewayError:
    """The failure of a provider whose reply makes no sense."""
    return GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider sent a reply that cannot be read.", detail=detail)


def _salvaged(document: object, source: bytes) -> Chunk:
    """Field by field, what fits: one oddity must not cost the rest of an answer."""
    if not isinstance(document, dict):
        raise malformed(f"{len(source)} bytes are no JSON object")
    chunk = _fitting(Chunk, document, ("candidates", "usageMetadata"))
    if isinstance(document.get("candidates"), list):
        chunk.candidates = [_candidate(as_object(candidate)) for candidate in as_list(document["candidates"])]
    if isinstance(document.get("usageMetadata"), dict):
        chunk.usage_metadata = msgspec.Raw(msgspec.json.encode(document["usageMetadata"]))
    return chunk


def _candidate(given: dict[str, Any]) -> Candidate:
    candidate = _fitting(Candidate, given, ("content",))
    parts = [_part(as_object(part)) for part in as_list(as_object(given.get("content")).get("parts"))]
    candidate.content = Content(parts)
    return candidate


def _part(given: dict[str, Any]) -> ReplyPart:
    part = _fitting(ReplyPart, given, ("functionCall", "inlineData"))
    call = given.get("functionCall")
    if isinstance(call, dict):
        part.function_call = _fitting(Call, call, ("args",))
        if "args" in call:
            part.function_call.args = msgspec.Raw(msgspec.json.encode(call["args"]))
    if isinstance(given.get("inlineData"), dict):
        part.inline_data = _fitting(Blob, given["inlineData"], ())
    return part


def _fitting(kind: type[S], given: dict[str, Any], apart: tuple[str, ...]) -> S:
    good: dict[str, Any] = {}
    for name in kind.__struct_encode_fields__:
        if name in given and name not in apart:
            with suppress(msgspec.ValidationError):
                msgspec.convert({name: given[name]}, kind)
                good[name] = given[name]
    return msgspec.convert(good, kind)
