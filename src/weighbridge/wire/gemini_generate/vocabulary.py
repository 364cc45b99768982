"""Words of Gemini's API that its readers and writers share: both spellings of names, numbers of enums, seals, tools, ids.

The API is protobuf behind JSON (https://protobuf.dev/programming-guides/json/): a field is `camelCase` or `snake_case`, an enum its
name or its number, a repeated field may be one object alone, bytes are base64 of either alphabet.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final, cast

import msgspec

from weighbridge.core.codec import JsonError, decode_json, encode_json
from weighbridge.wire.conversation import Seal, SealKind, ServerTool, ServerToolKind
from weighbridge.wire.fields import Fields, invalid
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.sealing import unwrap

ORIGIN: Final = "gemini"
"""Who can read what this dialect seals, and say again what only it can say."""

STAND_IN: Final = "skip_thought_signature_validator"
"""Google's own word for a call that no Gemini made: Gemini 3 refuses a step whose first call has no signature.
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/thought-signatures,
https://ai.google.dev/gemini-api/docs/thought-signatures (questions, "history from other models")."""
_WORDS: Final = (STAND_IN, "context_engineering_is_the_way_to_go")
_STAND_INS: Final = frozenset((*_WORDS, *(b64encode(word.encode()).decode() for word in _WORDS)))
"""As callers write them: SDKs take bytes and encode these."""

CUSTOM_INPUT: Final = "input"
"""The one argument of a tool that takes free text, since every tool takes an object here."""
WRAPPED_ARGUMENTS: Final = "arguments"
"""Where arguments go that are no JSON object, so that the model sees what it had written."""

GROUNDING: Final = "groundingMetadata"
URL_CONTEXT: Final = "urlContextMetadata"
BESIDE_CONTENT: Final = frozenset((GROUNDING, URL_CONTEXT))
"""What a step of a tool of Google's leaves beside the content of a candidate, and not in a part."""

_K = ServerToolKind
TOOL_KINDS: Final[dict[str, ServerToolKind]] = {
    "googleSearch": _K.WEB_SEARCH,
    "googleSearchRetrieval": _K.WEB_SEARCH,
    "enterpriseWebSearch": _K.WEB_SEARCH,
    "parallelAiSearch": _K.WEB_SEARCH,
    "exaAiSearch": _K.WEB_SEARCH,
    "urlContext": _K.WEB_FETCH,
    "codeExecution": _K.CODE_EXECUTION,
    "fileSearch": _K.FILE_SEARCH,
    "retrieval": _K.FILE_SEARCH,
    "computerUse": _K.COMPUTER,
    "mcpServers": _K.MCP,
    "googleMaps": _K.OTHER,
}
"""Fields of `Tool` (https://ai.google.dev/api/caching#Tool) beside `functionDeclarations`."""

STEP_KINDS: Final[dict[str, ServerToolKind]] = {
    "executableCode": _K.CODE_EXECUTION,
    "codeExecutionResult": _K.CODE_EXECUTION,
    "toolCall": _K.OTHER,
    "toolResponse": _K.OTHER,
}
"""Fields of `Part` that hold a step of one of Google's tools."""

_STEP_TYPES: Final = {
    "GOOGLE_SEARCH_WEB": _K.WEB_SEARCH,
    "GOOGLE_SEARCH_IMAGE": _K.WEB_SEARCH,
    "URL_CONTEXT": _K.WEB_FETCH,
    "FILE_SEARCH": _K.FILE_SEARCH,
}

_STANDARD_ALPHABET: Final = str.maketrans("-_", "+/")
_ID: Final = re.compile(r"[^A-Za-z0-9_-]")
_MAX_ID: Final = 40
"""OpenAI's Responses API takes 64 characters for the id of a call, of which the prefix and the number need some."""


def camel(message: JsonObject) -> JsonObject:
    """The same message with its fields' names in `camelCase`. What the fields hold is left as it is."""
    for name in message:
        if "_" in name:
            return {_camel_name(name): value for name, value in message.items()}
    return message


def _camel_name(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest) if head else name


def message(fields: Fields, name: str) -> Fields | None:
    """A nested message to read field by field."""
    value = fields.json_object(name)
    return None if value is None else Fields(camel(value), fields.at(name))


def messages(fields: Fields, name: str) -> list[Fields]:
    """A repeated field of messages; none where it is absent."""
    path = fields.at(name)
    return [Fields(camel(value), where) for value, where in listed(fields.value(name), path)]


def listed(value: Json, path: str) -> list[tuple[JsonObject, str]]:
    """The objects of a repeated field with their paths; one object alone counts as a list of it."""
    if value is None:
        return []
    if isinstance(value, dict):
        return [(value, path)]
    if not isinstance(value, list):
        raise invalid(path, "an array")
    for i, entry in enumerate(value):
        if not isinstance(entry, dict):
            raise invalid(f"{path}[{i}]", "an object")
    return [(cast("JsonObject", entry), f"{path}[{i}]") for i, entry in enumerate(value)]


def integer(fields: Fields, name: str) -> int | None:
    """A whole number, which protobuf also takes as text."""
    value = fields.rest.get(name)
    if isinstance(value, str) and value.lstrip("-").isdigit() and len(value) < 20:
        del fields.rest[name]
        return int(value)
    return fields.integer(name)


def enum_word(value: Json, numbers: Mapping[int, str]) -> str | None:
    """The name of an enum's value, given as name or number; None for what is neither (or unspecified)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return numbers.get(value)
    if not isinstance(value, str) or value.upper().endswith("_UNSPECIFIED"):
        return None
    return value.upper()


def read_seal(signature: str) -> Seal | None:
    """A `thoughtSignature`; None for a stand-in. The vendor's SDK turns another vendor's seal into the URL-safe alphabet."""
    if signature in _STAND_INS:
        return None
    standard = signature.translate(_STANDARD_ALPHABET)
    seal = unwrap(standard, ORIGIN, SealKind.SIGNATURE)
    return Seal(ORIGIN, SealKind.SIGNATURE, signature) if seal.text is standard or seal.text == standard else seal


def read_step(raw: JsonObject) -> ServerTool | None:
    """A part that is a step of one of Google's tools; None for any other."""
    for name, kind in STEP_KINDS.items():
        step = raw.get(name)
        if isinstance(step, dict):
            word = step.get("toolType") or step.get("tool_type")
            known = _STEP_TYPES.get(word, kind) if isinstance(word, str) else kind
            step_id = step.get("id")
            return ServerTool(ORIGIN, known, raw, step_id if isinstance(step_id, str) else None, _query(step))
    return None


def _query(step: JsonObject) -> str | None:
    given = step.get("args")
    queries = given.get("queries") if isinstance(given, dict) else None
    first = queries[0] if isinstance(queries, list) and queries else None
    return first if isinstance(first, str) else None


def call_id(reply_id: str, number: int) -> str:
    """An id for a call that has none, the same one every time, and another one in every reply."""
    return f"call_{_ID.sub('', reply_id)[-_MAX_ID:]}_{number}" if reply_id else f"call_{number}"


def json_text(value: object) -> str:
    """A JSON value as text."""
    return encode_json(value).decode()


_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NO_ARGUMENTS: Final = msgspec.Raw(b"{}")


def arguments_object(arguments: str) -> msgspec.Raw | None:
    """JSON text as the object that it is, spelled as it came; None if it is no JSON object. Empty text is an empty object."""
    if not arguments or arguments == "{}":
        return _NO_ARGUMENTS
    if arguments[0] != "{" and not arguments.lstrip().startswith("{"):
        return None
    try:
        document = arguments.encode()
        _members(document)
        decode_json(document)  # members are skipped over above, not checked: what is no JSON would spoil the whole body
    except (JsonError, UnicodeError, RecursionError):
        return None
    return msgspec.Raw(document)


def call_arguments(arguments: str, *, is_custom: bool) -> object:
    """`args` of a call, which is an object whatever the model wrote."""
    if is_custom:
        return {CUSTOM_INPUT: arguments}
    given = arguments_object(arguments)
    return {WRAPPED_ARGUMENTS: arguments} if given is None else given


def compact_json(document: bytes) -> str:
    """JSON as it came, numbers and all, without the blanks between its words (Google indents whole replies)."""
    return msgspec.json.format(document, indent=-1).decode()
