"""What the blocks of an answer have in common, whether they come whole or piece by piece."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Final

from weighbridge.wire.conversation import Citation, Image, MediaBytes, Seal, SealKind, ServerTool, ServerToolKind
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.loose_json import as_list, as_object, as_text

SERVER_TOOL_USE: Final = "server_tool_use"
"""The `type` of a call that Bedrock itself answers."""

_KINDS: Final = {"nova_grounding": ServerToolKind.WEB_SEARCH, "nova_code_interpreter": ServerToolKind.CODE_EXECUTION}


def citation_of(raw: JsonObject) -> Citation:
    """A citation. Its places are those in the document, and none in the answer: the text beside it is what cites."""
    web = as_object(as_object(raw.get("location")).get("web"))
    quoted = "".join(as_text(as_object(piece).get("text")) for piece in as_list(raw.get("sourceContent")))
    url = as_text(web.get("url")) or as_text(raw.get("source"))
    return Citation("bedrock", raw, url or None, as_text(raw.get("title")) or as_text(web.get("domain")) or None, quoted or None)


def signature_seal(signature: str) -> Seal | None:
    """The seal of visible thinking; only Claude signs."""
    return Seal("anthropic", SealKind.SIGNATURE, signature) if signature else None


def redacted_seal(blob: str) -> Seal:
    """The seal of withheld thinking. AWS puts Claude's own text, which is ASCII, into base64 once more."""
    try:
        return Seal("anthropic", SealKind.REDACTED, b64decode(blob, validate=True).decode("ascii"))
    except (binascii.Error, UnicodeDecodeError):
        return Seal("bedrock", SealKind.REDACTED, blob)


def server_call(block: JsonObject) -> ServerTool:
    """A `toolUse` block of Bedrock's own tool. `block` is the whole content block."""
    use = as_object(block.get("toolUse"))
    kind = _KINDS.get(as_text(use.get("name")), ServerToolKind.OTHER)
    query = as_text(as_object(use.get("input")).get("query")) or None
    return ServerTool("bedrock", kind, block, as_text(use.get("toolUseId")) or None, query)


def server_result(block: JsonObject) -> ServerTool:
    """A `toolResult` block within an answer: what Bedrock's own tool found."""
    result = as_object(block.get("toolResult"))
    kind = _KINDS.get(as_text(result.get("type")).removesuffix("_result"), ServerToolKind.OTHER)
    return ServerTool("bedrock", kind, block, as_text(result.get("toolUseId")) or None)


def picture(form: str, source: JsonObject) -> Image | None:
    """An `image` block's picture; None if it has no bytes."""
    data = as_text(source.get("bytes"))
    return Image(MediaBytes(data, f"image/{form or 'png'}")) if data else None
