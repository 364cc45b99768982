"""multipart/form-data (RFC 7578), read whole and strictly."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from weighbridge.testing.reply import RefusalError

_BOUNDARY: Final = re.compile(r'multipart/form-data;.*\bboundary="?([^";]+)"?', re.IGNORECASE)
_PARAMETER: Final = re.compile(r'\b(name|filename)="((?:[^"\\]|\\.)*)"')


class FormPart(msgspec.Struct, frozen=True):
    """One field. `filename` is None for a plain value."""

    name: str
    filename: str | None
    data: bytes


def parts_of(body: bytes, content_type: str | None) -> list[FormPart]:
    """All parts in order. Raises `RefusalError` 400 for anything that is not a well-formed form."""
    found = _BOUNDARY.match(content_type or "")
    if not found:
        raise RefusalError(400, "Invalid Content-Type: expected multipart/form-data with a boundary.")
    delimiter = b"\r\n--" + found.group(1).encode()
    preamble, *pieces = (b"\r\n" + body).split(delimiter)
    if preamble.strip() or not pieces or not pieces[-1].startswith(b"--"):
        raise RefusalError(400, "Could not parse multipart form.")
    return [_part(piece) for piece in pieces[:-1]]


def _part(piece: bytes) -> FormPart:
    head, separator, data = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    parameters = dict(_PARAMETER.findall(head.decode("utf-8", "replace")))
    if not separator or "name" not in parameters:
        raise RefusalError(400, "Could not parse multipart form.")
    return FormPart(parameters["name"], parameters.get("filename"), data)
