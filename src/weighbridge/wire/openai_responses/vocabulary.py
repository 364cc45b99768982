"""Words of the Responses API that its readers and writers share: ids, kinds of items and tools, citations, cache marks."""

from __future__ import annotations

from binascii import crc32
from typing import Final

from weighbridge.wire.conversation import Citation, Role, ServerTool, ServerToolKind
from weighbridge.wire.json_value import JsonObject

ORIGIN: Final = "openai"
"""Who can read what this dialect seals, and say again what only it can say."""

VENDOR_ORIGIN: Final = "openai-responses"
"""Whose fields `Conversation.vendor` holds: chat has others, although it is the same vendor's."""

Item = JsonObject
"""One entry of `input` or `output`."""

_K = ServerToolKind
_KINDS: Final = {
    "web_search": _K.WEB_SEARCH,
    "x_search": _K.WEB_SEARCH,
    "file_search": _K.FILE_SEARCH,
    "code_interpreter": _K.CODE_EXECUTION,
    "image_generation": _K.IMAGE_GENERATION,
    "mcp": _K.MCP,
    "computer": _K.COMPUTER,
}
"""By the beginning of a tool's or an item's type: versions and previews have longer names."""

_OWN: Final = "_wb_"
_SEAL: Final = "rs_seal"
_MAX_CALL_ID: Final = 64
"""`call_id` has a `maxLength` in OpenAI's description of the API."""


def tool_kind(word: str) -> ServerToolKind:
    """Our word for a tool of the vendor's, by its type (`web_search_preview`) or that of an item (`web_search_call`)."""
    return next((kind for prefix, kind in _KINDS.items() if word.startswith(prefix)), _K.OTHER)


def own_id(prefix: str, request_id: str, number: int) -> str:
    """The id of an item that has none of its provider's: the same one every time for the same exchange."""
    return f"{prefix}{_OWN}{request_id}_{number}"


def given_id(item_id: str | None) -> str | None:
    """An id that a provider gave. One that we made means nothing to a provider, and OpenAI looks up ids it does not know."""
    return None if not item_id or _OWN in item_id else item_id


def seal_id(request_id: str, number: int) -> str:
    """The id of a reasoning item that only holds the seal of the text or call before it."""
    return own_id(_SEAL, request_id, number)


def may_be_seal_id(item_id: str | None) -> bool:
    """Whether such an item may have this id. Some clients send items back without their ids."""
    return not item_id or item_id.startswith(_SEAL + _OWN)


def is_own_id(item_id: object) -> bool:
    """Whether `own_id` made it."""
    return isinstance(item_id, str) and _OWN in item_id


def bounded_call_id(call_id: str) -> str:
    """An id that is not too long: the same one, or the same new one every time for the same old one."""
    if len(call_id) <= _MAX_CALL_ID:
        return call_id
    return f"{call_id[: _MAX_CALL_ID - 9]}_{crc32(call_id.encode('utf-8', 'replace')):08x}"


def server_tool(item: Item) -> ServerTool:
    """An item of which only its vendor knows what it says."""
    word = item.get("type")
    action = item.get("action")
    query = action.get("query") if isinstance(action, dict) else None
    item_id = item.get("id")
    kind = tool_kind(word if isinstance(word, str) else "")
    return ServerTool(ORIGIN, kind, item, item_id if isinstance(item_id, str) else None, query if isinstance(query, str) else None)


def role_of(word: str) -> Role:
    """Who says an item that is no message: results and approvals come from the caller, all else from the model."""
    if word == "additional_tools":
        return Role.DEVELOPER
    if word.endswith(("_output", "_response")) or word == "compaction_trigger":
        return Role.USER
    return Role.ASSISTANT


def read_annotations(value: object) -> tuple[Citation, ...]:
    """The `annotations` of a text; what is none is left out."""
    if not isinstance(value, list):
        return ()
    return tuple(read_annotation(raw) for raw in value if isinstance(raw, dict))


def read_annotation(raw: JsonObject) -> Citation:
    """One citation of a page or a file. xAI says nothing but the address."""
    return Citation(
        ORIGIN,
        raw,
        _text(raw, "url"),
        _text(raw, "title") or _text(raw, "filename"),
        None,
        _index(raw, "start_index"),
        _index(raw, "end_index"),
    )


def is_own(citation: Citation) -> bool:
    """Whether it is in the words of this format: chat, the same vendor's, puts the address into an object of its own."""
    return citation.origin == ORIGIN and "type" in citation.raw and "url_citation" not in citation.raw


def write_annotation(citation: Citation, length: int) -> JsonObject | None:
    """A citation for a caller: another vendor's as a web page, None where it names no address.

    `length` is that of the text so far, which is what a citation without a place refers to.
    """
    if is_own(citation):
        return citation.raw
    if citation.url is None:
        return None
    return {
        "type": "url_citation",
        "url": citation.url,
        "title": citation.title or "",
        "start_index": citation.start or 0,
        "end_index": length if citation.end is None else citation.end,
    }


def _text(raw: JsonObject, name: str) -> str | None:
    value = raw.get(name)
    return value if isinstance(value, str) else None


def _index(raw: JsonObject, name: str) -> int | None:
    value = raw.get(name)
    return value if isinstance(value, int) else None
