"""Pieces of a response that are complete in themselves: parts in one piece, an error, the time."""

from __future__ import annotations

from datetime import datetime

from weighbridge.wire.conversation import Part
from weighbridge.wire.events import Failed
from weighbridge.wire.fields import Fields
from weighbridge.wire.gemini_generate.chunk import ReplyPart
from weighbridge.wire.gemini_generate.media import read_file
from weighbridge.wire.gemini_generate.vocabulary import read_step
from weighbridge.wire.loose_json import as_object, as_text


def whole_part(part: ReplyPart) -> Part | None:
    """A file or a step of one of Google's tools; None for any other part."""
    if part.file_data is not None:
        file = as_object(part.file_data)
        return read_file(Fields(file, "fileData")) if as_text(file.get("fileUri")) else None
    raw = {
        name: value
        for name, value in (
            ("executableCode", part.executable_code),
            ("codeExecutionResult", part.code_execution_result),
            ("toolCall", part.tool_call),
            ("toolResponse", part.tool_response),
        )
        if value is not None
    }
    if not raw:
        return None
    if part.thought_signature:
        raw["thoughtSignature"] = part.thought_signature
    return read_step(raw)


def read_error(error: object) -> Failed:
    """An error in place of a response. `code` is the HTTP status, `status` the word of google.rpc.Code."""
    told = as_object(error)
    code = told.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else 0
    return Failed(as_text(told.get("message")) or as_text(error), as_text(told.get("status")), "", status)


def unix_seconds(create_time: object) -> int:
    """Unix time of `createTime` (RFC 3339); 0 where it is not told."""
    if not isinstance(create_time, str):
        return 0
    try:
        return int(datetime.fromisoformat(create_time).timestamp())
    except (ValueError, OverflowError):
        return 0
