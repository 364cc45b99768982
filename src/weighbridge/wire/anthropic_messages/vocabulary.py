"""Words of the Messages API that its readers and writers share: cache marks, kinds of tools, citations, ids, arguments.

https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

import re
from binascii import crc32
from typing import Final

import msgspec

from weighbridge.core.codec import JsonError, decode_json, encode_json
from weighbridge.wire.conversation import Citation, ServerTool, ServerToolKind
from weighbridge.wire.json_value import Json, JsonObject

ORIGIN: Final = "anthropic"
"""Who can read what this dialect seals, and say again what only it can say."""

_K = ServerToolKind
# By the longest prefix of a tool's name, a tool's type or a block's type: versions are dates at the end of a type.
_TOOL_KINDS: Final = (
    ("web_search", _K.WEB_SEARCH),
    ("web_fetch", _K.WEB_FETCH),
    ("code_execution", _K.CODE_EXECUTION),
    ("bash_code_execution", _K.CODE_EXECUTION),
    ("text_editor_code_execution", _K.CODE_EXECUTION),
    ("computer", _K.COMPUTER),
    ("mcp", _K.MCP),
)

_SAFE_ID: Final = re.compile(r"[a-zA-Z0-9_-]+\Z").match
_UNSAFE: Final = re.compile(r"[^a-zA-Z0-9_-]")
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def tool_kind(word: str) -> ServerToolKind:
    """Our word for one of Anthropic's own tools, by its name, its type (`web_search_20250305`) or the type of a block."""
    return next((kind for prefix, kind in _TOOL_KINDS if word.startswith(prefix)), _K.OTHER)


def safe_id(call_id: str) -> str:
    """An id that `^[a-zA-Z0-9_-]+$` takes: the same one, or the same new one every time for the same old one."""
    if _SAFE_ID(call_id):
        return call_id
    return f"{_UNSAFE.sub('_', call_id) or 'toolu'}_{crc32(call_id.encode('utf-8', 'replace')):08x}"


def arguments_object(arguments: str) -> msgspec.Raw | None:
    """Arguments of a call as the object that `input` must be, spelled as they came; None if they are no JSON object."""
    if not arguments or arguments == "{}":
        return _NO_ARGUMENTS
    try:
        document = arguments.encode()
        _members(document)
        # Members are skipped over, not checked: what is no JSON would spoil the whole body.
        decode_json(document)
    except (JsonError, UnicodeError, RecursionError):
        return None
    return msgspec.Raw(document)


_NO_ARGUMENTS: Final = msgspec.Raw(b"{}")


def read_citations(value: Json) -> tuple[Citation, ...]:
    """The `citations` of a text block."""
    if not isinstance(value, list):
        return ()
    return tuple(read_citation(raw) for raw in value if isinstance(raw, dict))


def read_citation(raw: JsonObject) -> Citation:
    """One citation. Its indexes count in the cited document, not in the text that cites, so that they stay in `raw` only."""
    title = _text(raw, "title") or _text(raw, "document_title")
    return Citation(ORIGIN, raw, _text(raw, "url"), title, _text(raw, "cited_text"))


def write_citation(citation: Citation) -> JsonObject | None:
    """A citation for a caller: another vendor's as a web page; None where it names no address.

    `encrypted_index` cannot be made; it is empty, by which `sendable_citation` knows what Anthropic never said.
    """
    if citation.origin == ORIGIN:
        return citation.raw
    if citation.url is None:
        return None
    return {
        "type": "web_search_result_location",
        "url": citation.url,
        "title": citation.title,
        "cited_text": citation.cited_text or "",
        "encrypted_index": "",
    }


def sendable_citation(citation: Citation) -> JsonObject | None:
    """A citation as it may be sent to Anthropic: its own ones, without what only replies have."""
    if citation.origin != ORIGIN or citation.raw.get("encrypted_index") == "":
        return None
    return {name: value for name, value in citation.raw.items() if name != "file_id"}


def read_server_tool(block: JsonObject) -> ServerTool:
    """A block that is neither text nor thinking nor a call of the caller's tools, as it stands."""
    kind = _text(block, "type") or ""
    name = _text(block, "name") if kind == "server_tool_use" else None
    given = block.get("input")
    query = _text(given, "query") if isinstance(given, dict) else None
    return ServerTool(ORIGIN, tool_kind(name or kind), block, _text(block, "id") or _text(block, "tool_use_id"), query)


def json_text(value: Json) -> str:
    """A JSON value as text."""
    return encode_json(value).decode()


def _text(fields: JsonObject, name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) else None
