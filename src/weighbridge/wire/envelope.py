"""A top-level JSON object whose values stay raw bytes, and splices that change one value in place.

A body is never re-serialised: unknown fields, key order, number spelling, duplicate keys, unicode escapes and blanks
all survive. So a field is changed by replacing its span in the original bytes, and the span must be exact.

Where a key occurs twice, decoders disagree: msgspec, Python, JavaScript and Go take the last value, others take the
first (RFC 8259, section 4). A request could name a model that its key may use in one place and another model in the
other. So `Envelope.string` reads the last occurrence and `Envelope.replace` covers every one.

How a span is found: msgspec gives the raw value of each field, so its length is known and nothing is scanned twice.
Four ways, the cheapest that is certain (0.6 kB chat: 1.3, 3, 8 and 15 µs):

1. *Compact*. No member can be shorter than `"key":value,`. If these minima add up to the length of the body, then each
   is attained: no blanks, no escaped key, no duplicate. Offsets are then sums of lengths.
2. *Only mention*. A small text that has `"model"` once and no escape of an ASCII character has that key nowhere else.
3. *Walk*. Match `"key" :`, compare the known value with the bytes that follow, go on behind it. Every step passes
   exactly one member, so the closing brace after as many steps as there are fields proves that no key occurs twice.
4. *Duplicates*. Decode again with keys that are equal to nothing but themselves, which keeps every member, and walk.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Final, NamedTuple, TypeVar

import msgspec

from weighbridge.core.codec import JsonError, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError

MAX_MEMBERS: Final = 10_000
"""Top-level fields of one object. No dialect has a hundred; each costs half a microsecond on the event loop."""

JOINED_BODY_BYTES: Final = 16_384
"""Below this a spliced body is copied into one piece: the copy (under 1 µs) is cheaper than a vectored write."""

SEARCHED_BODY_BYTES: Final = 4_096
"""Up to here searching the text for a key is cheaper than walking over its members."""

_T = TypeVar("_T")


class _OccurrenceKey(str):
    """A key that is equal to nothing but itself as far as a dict can tell, so that a dict keeps duplicates."""

    __slots__ = ()
    __hash__ = object.__hash__


_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_OCCURRENCES: Final = msgspec.json.Decoder(dict[_OccurrenceKey, msgspec.Raw], dec_hook=type.__call__)
_STRING: Final = msgspec.json.Decoder(str | None)
_BOOLEAN: Final = msgspec.json.Decoder(bool | None)
_INTEGER: Final = msgspec.json.Decoder(int | None)
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])

_MEMBER: Final = re.compile(rb'[ \t\n\r]*+[{,][ \t\n\r]*+"(?:[^"\\]++|\\.)*+"[ \t\n\r]*+:[ \t\n\r]*+', re.DOTALL)
_END: Final = re.compile(rb"[ \t\n\r]*+\}[ \t\n\r]*+\Z")
_EMPTY: Final = re.compile(rb"[ \t\n\r]*+\{[ \t\n\r]*+\}")
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_COLON: Final = re.compile(rb"[ \t\n\r]*+:[ \t\n\r]*+")
_BYTE_NUMBER: Final = re.compile(r"\(byte (\d+)\)")


class Splice(NamedTuple):
    """Replace the bytes [start, end) of a body. `start == end` inserts."""

    start: int
    end: int
    replacement: bytes


class Envelope:
    """The top level of one JSON object. Offsets are bytes from the start of the whole body."""

    __slots__ = ("_base", "_body", "_fields", "_path", "_text")

    def __init__(self, body: bytes, *, base: int = 0, path: str = "") -> None:
        """Use :meth:`read`. `base` and `path` say where a nested object stands in the whole body."""
        self._body = body
        self._base = base
        self._path = path
        try:
            if not body.isascii():
                # msgspec skips values without looking at their encoding, and a provider's decoder might read an
                # overlong sequence as a quote.
                str(body, "utf-8")
            self._fields = _FIELDS.decode(body)
            self._text = body
        except (UnicodeDecodeError, RecursionError, JsonError) as error:
            self._text, self._fields = _decode_masked(body, error)
        if len(self._fields) > MAX_MEMBERS:
            raise _too_many_members()

    @classmethod
    def read(cls, body: bytes) -> Envelope:
        """Read the top level of a body.

        Raises `GatewayError` INVALID_REQUEST when the body is empty, not UTF-8, not JSON, not an object, nested deeper
        than the interpreter's recursion limit, or has more than `MAX_MEMBERS` fields. Its text never quotes the body.
        """
        return cls(body)

    @property
    def body(self) -> bytes:
        """The object as the client spelled it."""
        return self._body

    def has(self, name: str) -> bool:
        """Whether the field is present, null included."""
        return name in self._fields

    def has_any(self, names: frozenset[str]) -> bool:
        """Whether any of these fields is present. 0.2 µs, however many they are."""
        return not self._fields.keys().isdisjoint(names)

    def given(self, names: Sequence[str]) -> list[str]:
        """Those of these fields that are present, null included."""
        fields = self._fields
        return [name for name in names if name in fields]

    def raw(self, name: str) -> msgspec.Raw | None:
        """The value's bytes as the client spelled them, without blanks around; None if absent. The last of duplicates."""
        if self._text is self._body or name not in self._fields:
            return self._fields.get(name)
        start, end = self.locate(name)[-1]
        return msgspec.Raw(self._body[start - self._base : end - self._base])

    def is_object(self, name: str) -> bool:
        """Whether a field is present and an object."""
        raw = self.raw(name)
        return raw is not None and bytes(raw)[:1] == b"{"

    def string(self, name: str) -> str | None:
        """A text field; None if absent or null. Raises `GatewayError` INVALID_REQUEST if it is of another type."""
        raw = self._fields.get(name)
        if raw is None:
            return None
        if self._text is not self._body:
            return self._value(name, _STRING, "a string")
        try:
            text: str | None = _STRING.decode(raw)
        except JsonError:
            raise self._wrong_type(name, "a string") from None
        return text

    def boolean(self, name: str) -> bool | None:
        """A true/false field; None if absent or null. Raises `GatewayError` INVALID_REQUEST if it is of another type."""
        return self._value(name, _BOOLEAN, "true or false") if name in self._fields else None

    def integer(self, name: str) -> int | None:
        """A whole number; None if absent or null. Raises `GatewayError` INVALID_REQUEST if not (`1.0` included)."""
        return self._value(name, _INTEGER, "an integer") if name in self._fields else None

    def nested(self, name: str) -> Envelope | None:
        """An object field; None if absent or null; the last of duplicates. Its offsets are those of the whole body.

        Raises `GatewayError` INVALID_REQUEST if the field is of another type. To write into it, see :meth:`put_nested`.
        """
        spans = self.locate(name)
        return self._nested_at(name, *spans[-1]) if spans else None

    def objects(self, name: str) -> Iterator[Envelope]:
        """The objects in a list field, one by one, and nothing for what else is in it; the last of duplicates. Their offsets are
        those of the whole body. Raises `GatewayError` INVALID_REQUEST if the field is no list."""
        spans = self.locate(name)
        if not spans:
            return
        start, end = spans[-1]
        text = self._body[start - self._base : end - self._base]
        if not text.startswith(b"["):
            raise self._wrong_type(name, "a list")
        for number, (at, raw) in enumerate(_elements(text)):
            if raw.startswith(b"{"):
                yield Envelope(raw, base=start + at, path=f"{self._path}{name}.{number}.")

    def locate(self, name: str) -> list[tuple[int, int]]:
        """The span [start, end) of the value at every top-level occurrence of the key, however spelled, in order."""
        raw = self._fields.get(name)
        if raw is None:
            return []
        base = self._base
        start = self._compact_start(name)
        if start < 0:
            start = self._only_mention(name)
        if start >= 0:
            return [(base + start, base + start + len(raw))]
        return [(base + start, base + end) for key, start, end in self._members() if key == name]

    def occurs_once(self, name: str) -> bool:
        """Whether it is certain, at little cost, that the field occurs at most once. False says nothing.

        A text as long as its decoded members and no longer holds no second occurrence, which the decoder would have dropped.
        """
        fields = self._fields
        compact = len("".join(fields)) + sum(map(len, fields.values())) + 4 * len(fields) + 1
        return compact == len(self._text) or self._only_mention(name) >= 0

    def replace(self, name: str, raw: bytes) -> list[Splice]:
        """Give every occurrence of the key this JSON value. Empty if there is none."""
        spans = self.locate(name)
        if len(spans) == 1:  # Python 3.11 makes a function of a comprehension: 0.2 µs
            return [Splice(*spans[0], raw)]
        return [Splice(start, end, raw) for start, end in spans]

    def insert(self, name: str, raw: bytes) -> Splice:
        """Add a field right after the opening brace. For a name that is absent; at most once for an empty object."""
        brace = self._base + self._text.index(b"{") + 1
        comma = b"" if _EMPTY.match(self._text) else b","
        return Splice(brace, brace, encode_json(name) + b":" + raw + comma)

    def put(self, name: str, raw: bytes) -> list[Splice]:
        """Make the field have this JSON value in whatever way a decoder treats duplicates: replace all, or insert."""
        return self.replace(name, raw) or [self.insert(name, raw)]

    def remove(self, names: Collection[str]) -> list[Splice]:
        """Take every occurrence of these fields out, each with one comma. Empty if there is none."""
        if not any(name in self._fields for name in names):
            return []
        base, brace = self._base, self._text.index(b"{") + 1
        splices: list[Splice] = []
        has_kept = False
        position = leading = brace
        for name, _, end in self._members():
            if str(name) not in names:  # two of one name do not compare as one
                has_kept = True
            elif has_kept:
                splices.append(Splice(base + position, base + end, b""))
            else:
                leading = end
            position = end
        if leading > brace:  # those at the beginning go with the comma behind them, if anything is left
            comma = self._text.index(b",", leading) + 1 if has_kept else leading
            splices.insert(0, Splice(base + brace, base + comma, b""))
        return splices

    def put_nested(self, name: str, field: str, raw: bytes) -> list[Splice]:
        """Put `field` into the object `name` at every occurrence of it; a null or absent object is created.

        Raises `GatewayError` INVALID_REQUEST if `name` is neither an object nor null.
        """
        created = b"{" + encode_json(field) + b":" + raw + b"}"
        spans = self.locate(name)
        if not spans:
            return [self.insert(name, created)]
        splices: list[Splice] = []
        for start, end in spans:
            inner = self._nested_at(name, start, end)
            splices += [Splice(start, end, created)] if inner is None else inner.put(field, raw)
        return splices

    def _value(self, name: str, decoder: msgspec.json.Decoder[_T], expected: str) -> _T | None:
        raw = self._fields[name] if self._text is self._body else self.raw(name)
        if raw is None:
            return None
        try:
            return decoder.decode(raw)
        except JsonError:
            raise self._wrong_type(name, expected) from None

    def _nested_at(self, name: str, start: int, end: int) -> Envelope | None:
        value = self._body[start - self._base : end - self._base]
        if value == b"null":
            return None
        if not value.startswith(b"{"):
            raise self._wrong_type(name, "an object")
        return Envelope(value, base=start, path=f"{self._path}{name}.")

    def _wrong_type(self, name: str, expected: str) -> GatewayError:
        param = self._path + name
        return GatewayError(ErrorKind.INVALID_REQUEST, f"The field '{param}' must be {expected}.", param=param)

    def _compact_start(self, name: str) -> int:
        """Where the value starts if the text is compact, else -1."""
        fields = self._fields
        # Two quotes, a colon and a comma for each member; two braces, less the comma that the last member lacks.
        if len("".join(fields)) + sum(map(len, fields.values())) + 4 * len(fields) + 1 != len(self._text):
            return -1
        position = 1
        for key, raw in fields.items():
            if key == name:
                return position + len(key) + 3
            position += len(key) + len(raw) + 4
        return -1

    def _only_mention(self, name: str) -> int:
        """Where the value starts if the small text mentions the name once, else -1.

        An identifier's characters can only be escaped as `\\u00XX`. So the key stands in the text as it is; a second key, or a
        string that looks like it, would be a second mention.
        """
        text = self._text
        if len(text) > SEARCHED_BODY_BYTES or b"\\u00" in text or not (name.isascii() and name.isidentifier()):
            return -1
        quoted = b'"%b"' % name.encode()
        colon = _COLON.match(text, text.index(quoted) + len(quoted)) if text.count(quoted) == 1 else None
        return colon.end() if colon else -1

    def _members(self) -> list[tuple[str, int, int]]:
        members = _walk(self._text, self._fields.items())
        if members is None:
            occurrences = _OCCURRENCES.decode(self._text)
            if len(occurrences) > MAX_MEMBERS:
                raise _too_many_members()
            members = _walk(self._text, occurrences.items())
        if members is None:
            raise AssertionError("the decoder and the walk disagree about the members of an object")
        return members


def apply_splices(body: bytes, splices: Sequence[Splice]) -> tuple[list[bytes | memoryview], int]:
    """The body with its splices, as pieces to be sent one after another, and their length in bytes together.

    A body below `JOINED_BODY_BYTES` comes as one piece; a larger one as views of the original, without a copy. Splices may
    come in any order; insertions at one place keep theirs. Raises `ValueError` when two overlap or one leaves the body.
    """
    is_small = len(body) < JOINED_BODY_BYTES
    source: bytes | memoryview = body if is_small else memoryview(body)
    pieces: list[bytes | memoryview] = []
    position = 0
    length = len(body)
    for start, end, replacement in sorted(splices, key=itemgetter(0)) if len(splices) > 1 else splices:
        if not position <= start <= end <= len(body):
            raise ValueError("splices overlap or leave the body")
        pieces += (source[position:start], replacement)
        length += len(replacement) - (end - start)
        position = end
    pieces.append(source[position:])
    return ([b"".join(pieces)] if is_small else pieces), length


def _walk(text: bytes, members: Iterable[tuple[str, msgspec.Raw]]) -> list[tuple[str, int, int]] | None:
    """Key and value span of each member; None when the members are not exactly those of the text, in order."""
    view = memoryview(text)
    found: list[tuple[str, int, int]] = []
    position = 0
    for key, raw in members:
        match = _MEMBER.match(text, position)
        if match is None:
            return None
        start = match.end()
        position = start + len(raw)
        if msgspec.Raw(view[start:position]) != raw:
            return None
        found.append((key, start, position))
    return found if _END.match(text, position) else None


def _elements(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Where each element of a list stands, and its bytes."""
    shown = text
    try:
        elements = _LIST.decode(shown)
    except JsonError:  # for a lone surrogate, which the whole body was forgiven
        shown = _masked(text)
        elements = _LIST.decode(shown)
    position = 0
    for element in elements:
        # Only blanks and a comma stand between two of them, so that the first match is the element itself.
        position = shown.index(element, position)
        end = position + len(element)
        yield position, text[position:end]
        position = end


def _decode_masked(body: bytes, error: Exception) -> tuple[bytes, dict[str, msgspec.Raw]]:
    r"""The text and fields of a body that msgspec refuses only for a lone surrogate (`\ud83d`); else raise why it was refused.

    RFC 8259 allows it and JavaScript sends it when text is cut within an emoji, so it must pass.
    """
    if type(error) is not JsonError or not _SURROGATE.search(body):
        raise _refusal(error) from None
    masked = _masked(body)
    try:
        return masked, _FIELDS.decode(masked)
    except (RecursionError, JsonError) as masked_error:
        raise _refusal(masked_error) from None


def _masked(body: bytes) -> bytes:
    """A copy that differs from the body only within strings and has the same offsets: escaped backslashes first, so that each
    remaining backslash begins an escape, then surrogates."""
    return _SURROGATE.sub(rb"\\ufffd", body.replace(rb"\\", rb"\t"))


def _refusal(error: Exception) -> GatewayError:
    """What the caller reads. It never quotes the body: msgspec's messages hold its own words and a byte number only."""
    if isinstance(error, UnicodeDecodeError):
        return _invalid(f"The request body is not UTF-8 (at byte {error.start}).")
    if isinstance(error, RecursionError):
        return _invalid("The request body is nested too deep.")
    if isinstance(error, msgspec.ValidationError):
        return _invalid("The request body must be a JSON object.")
    if "truncated" in str(error):
        return _invalid("The request body is empty or ends before its JSON is complete.")
    place = _BYTE_NUMBER.search(str(error))
    return _invalid(f"The request body is not valid JSON{f' (at byte {place[1]})' if place else ''}.")


def _too_many_members() -> GatewayError:
    return _invalid(f"The request body has more than {MAX_MEMBERS} top-level fields.")


def _invalid(public: str) -> GatewayError:
    return GatewayError(ErrorKind.INVALID_REQUEST, public)
