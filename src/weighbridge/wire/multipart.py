"""multipart/form-data: find one text field and its exact place, so that it can be changed in the original bytes.

RFC 7578 (form-data) and RFC 2046, section 5.1 (boundaries). Stricter than both where parsers are known to differ: whoever
sends a form that we and a provider could read differently might name a model that its key may not use. So a bare LF in
part headers, a line that only begins like a delimiter, a preamble and an epilogue are refused; no SDK sends them.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.envelope import Splice

MAX_PARTS: Final = 1_000
"""Parts of one form. An image edit takes 16 images and some ten fields; each part costs microseconds on the event loop."""

MAX_PART_HEADER_BYTES: Final = 16_384
"""Headers of one part: a file name and a type. As much as common servers take for all headers of a request."""

_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - RFC 9110's word, not a credential
# RFC 2046 bounds a boundary to 70 of these characters, the last no blank. Unquoted ones with `/` or `=` are met in practice.
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_TYPE_PARAMETER: Final = re.compile(rf'[ \t]*;[ \t]*(?:({_TOKEN})=("(?:[^"\\]|\\.)*"|[^\s";,]+))?')
_DISPOSITION: Final = re.compile(rb"[ \t]*form-data(?=[ \t]*(?:;|\Z))", re.IGNORECASE)
_PART_PARAMETER: Final = re.compile(rb'[ \t]*;[ \t]*(%b)=("(?:[^"\\]|\\.)*"|%b)' % (_TOKEN.encode(), _TOKEN.encode()))
_HEADER_LINE: Final = re.compile(rb"(%b):([^\r\n\0]*)" % _TOKEN.encode())
_QUOTED_PAIR: Final = re.compile(r"\\(.)")
_QUOTED_PAIR_BYTES: Final = re.compile(rb"\\(.)", re.DOTALL)
_DELIMITER_TAIL: Final = re.compile(rb"(--)?[ \t]*(\r\n|\Z)")
_BLANK: Final = re.compile(rb"[ \t\r\n]*")
_IDENTITY_ENCODINGS: Final = frozenset({b"7bit", b"8bit", b"binary"})


class FormField(NamedTuple):
    """A text field. `spans` are the places of its value in the body; more than one only if all hold the same bytes."""

    value: bytes
    spans: tuple[tuple[int, int], ...]

    def text(self) -> str:
        """The value as text. Raises `GatewayError` INVALID_REQUEST if it is not UTF-8."""
        try:
            return self.value.decode()
        except UnicodeDecodeError:
            raise _malformed("has a text field that is not UTF-8") from None

    def replace(self, value: bytes) -> list[Splice]:
        """Give every occurrence of the field this value."""
        return [Splice(start, end, value) for start, end in self.spans]


class PartHead(NamedTuple):
    """What the headers of a part say."""

    name: bytes
    is_file: bool
    is_encoded: bool
    """In a transfer encoding that changes its bytes."""


class _Part(NamedTuple):
    head: PartHead
    start: int
    end: int

    @property
    def name(self) -> bytes:
        return self.head.name

    @property
    def is_plain_text(self) -> bool:
        """Neither a file nor in a transfer encoding."""
        return not (self.head.is_file or self.head.is_encoded)


def find_field(content_type: str, body: bytes, name: str) -> FormField | None:
    """The field of that name; None if there is none.

    Raises `GatewayError` INVALID_REQUEST when the content type has no usable boundary, when any part of the body is
    malformed, and when the field is a file or occurs with different values.
    """
    wanted = name.encode()
    found = [part for part in _parts(body, b"\n--" + boundary_of(content_type)) if part.name == wanted]
    if not found:
        return None
    if not all(part.is_plain_text for part in found):
        raise _malformed(f"must have '{name}' as a text field", param=name)
    values = {body[part.start : part.end] for part in found}
    if len(values) > 1:
        raise _malformed(f"has '{name}' twice with different values", param=name)
    return FormField(values.pop(), tuple((part.start, part.end) for part in found))


def find_file(content_type: str, body: bytes, name: str) -> bytes | None:
    """What the file of that name holds; None if there is none, or more than one. Raises `GatewayError` INVALID_REQUEST as
    `find_field` does."""
    wanted = name.encode()
    found = [part for part in _parts(body, b"\n--" + boundary_of(content_type)) if part.name == wanted]
    return body[found[0].start : found[0].end] if len(found) == 1 else None


def boundary_of(content_type: str) -> bytes:
    """The boundary of a `multipart/form-data` content type. Raises `GatewayError` INVALID_REQUEST if there is none."""
    media_type, semicolon, rest = content_type.partition(";")
    if media_type.strip().lower() != "multipart/form-data":
        raise _malformed("is not multipart/form-data")
    boundaries: list[str] = []
    rest = semicolon + rest.rstrip()
    position = 0
    while position < len(rest):
        match = _TYPE_PARAMETER.match(rest, position)
        if match is None:
            raise _malformed("has a malformed content type")
        position = match.end()
        # RFC 2231's `boundary*=` is a second boundary to those who know it.
        if match[1] and match[1].lower().partition("*")[0] == "boundary":
            boundaries.append(match[2])
    if len(boundaries) != 1:
        raise _malformed("needs exactly one boundary in its content type")
    boundary = boundaries[0]
    if boundary.startswith('"'):
        boundary = _QUOTED_PAIR.sub(r"\1", boundary[1:-1])
    if not _BOUNDARY.fullmatch(boundary):
        raise _malformed("has a boundary of characters or of a length that RFC 2046 does not allow")
    return boundary.encode()


def _parts(body: bytes, delimiter: bytes) -> list[_Part]:
    """Every part. `delimiter` begins with the LF that ends the line before, so that a bare LF there is noticed."""
    if not body.startswith(delimiter[1:]):
        raise _malformed("does not begin with its boundary")
    parts: list[_Part] = []
    position = len(delimiter) - 1
    while True:
        tail = _DELIMITER_TAIL.match(body, position)
        if tail is None or not (tail[1] or tail[2]):
            raise _malformed("has a line that only begins like its boundary")
        if tail[1]:
            if not _BLANK.fullmatch(body, tail.end()):
                raise _malformed("goes on behind its last boundary")
            return parts
        if len(parts) == MAX_PARTS:
            raise _malformed(f"has more than {MAX_PARTS} parts")
        value = _end_of_headers(body, tail.end())
        found = body.find(delimiter, value - 1)
        if found < 0:
            raise _malformed("breaks off before its last boundary")
        # An empty value: the blank line's own CRLF is no CRLF of the delimiter (RFC 2046 wants another one).
        if found <= value or body[found - 1] != 0x0D:
            raise _malformed("has a boundary that is not on a line of its own")
        parts.append(_Part(read_part_head(body[tail.end() : value - 4]), value, found - 1))
        position = found + len(delimiter)


def _end_of_headers(body: bytes, start: int) -> int:
    found = body.find(b"\r\n\r\n", start, start + MAX_PART_HEADER_BYTES)
    if found < 0:
        raise _malformed("has a part without an end of its headers, or with headers that are too long")
    return found + 4


def read_part_head(headers: bytes) -> PartHead:
    """The header lines of a part, without the blank one. Raises `GatewayError` INVALID_REQUEST for what could be read in two
    ways."""
    dispositions: list[bytes] = []
    is_encoded = False
    for line in headers.split(b"\r\n"):
        match = _HEADER_LINE.fullmatch(line)
        if match is None:
            raise _malformed("has a part with a malformed header line")
        header = match[1].lower()
        if header == b"content-disposition":
            dispositions.append(match[2])
        elif header == b"content-transfer-encoding":
            is_encoded = is_encoded or match[2].strip().lower() not in _IDENTITY_ENCODINGS
    if len(dispositions) != 1:
        raise _malformed("has a part that does not have exactly one Content-Disposition")
    name, is_file = _read_disposition(dispositions[0])
    return PartHead(name, is_file, is_encoded)


def _read_disposition(value: bytes) -> tuple[bytes, bool]:
    """The name of the part and whether it is a file."""
    kind = _DISPOSITION.match(value)
    position = kind.end() if kind else 0
    names: list[bytes] = []
    is_file = False
    value = value.rstrip()
    while kind and position < len(value):
        match = _PART_PARAMETER.match(value, position)
        if match is None:
            raise _malformed("has a part with a malformed Content-Disposition")
        position = match.end()
        parameter, _, _ = match[1].lower().partition(b"*")
        if parameter == b"name":
            names.append(match[2])
        is_file = is_file or parameter == b"filename"
    if len(names) != 1:
        raise _malformed("has a part that does not have exactly one name")
    name = names[0]
    return (_QUOTED_PAIR_BYTES.sub(rb"\1", name[1:-1]) if name.startswith(b'"') else name), is_file


def _malformed(reason: str, *, param: str | None = None) -> GatewayError:
    return GatewayError(ErrorKind.INVALID_REQUEST, f"The form {reason}.", param=param)
