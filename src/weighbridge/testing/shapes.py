"""Checks a JSON body against the fields that a vendor documents, and says what is wrong in vendor-neutral terms."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import Any, Final, TypeVar

import msgspec

from weighbridge.core.codec import decode_json

T = TypeVar("T")


class Flaw(Enum):
    """What is wrong with a field."""

    NOT_JSON = "not json"
    UNKNOWN = "unknown"
    MISSING = "missing"
    TYPE = "type"
    VALUE = "value"


class ShapeError(Exception):
    """A body that the vendor refuses.

    `path` is like `messages[0].role`; empty for the body itself. `expected` and `got` are JSON type names, or a bound.
    """

    def __init__(self, flaw: Flaw, path: str = "", expected: str = "", got: str = "") -> None:
        super().__init__(f"{flaw.value} {path}")
        self.flaw = flaw
        self.path = path
        self.expected = expected
        self.got = got

    @property
    def dotted(self) -> str:
        """The path as Anthropic writes it: `messages.0.role`."""
        return re.sub(r"\[(\d+)\]", r".\1", self.path)


_AT: Final = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING: Final = re.compile(r"missing required field `([^`]*)`")
_TYPES: Final = re.compile(r"^Expected `([^`]*)`(?:, got `([^`]*)`| (.*))?")


def read(body: bytes, shape: type[T], normalise: Callable[[Any], Any]) -> tuple[T, list[str]]:
    """A body as `shape`, and its top-level fields that `shape` does not have. Raises `ShapeError`."""
    try:
        plain = normalise(decode_json(body))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ShapeError(Flaw.NOT_JSON) from error
    if not isinstance(plain, dict):
        raise ShapeError(Flaw.TYPE, "", "object", type(plain).__name__)
    return convert(plain, shape), sorted(set(plain) - documented(shape))


def documented(shape: type[Any]) -> set[str]:
    """The JSON names of a shape's fields."""
    return set(shape.__struct_encode_fields__)


def convert(plain: object, shape: type[T]) -> T:
    """Decoded JSON as `shape`. Raises `ShapeError`."""
    try:
        return msgspec.convert(plain, shape)
    except msgspec.ValidationError as error:
        raise _explained(str(error)) from error


def _explained(text: str) -> ShapeError:
    at = _AT.search(text)
    path = at.group(1) if at else ""
    if missing := _MISSING.search(text):
        return ShapeError(Flaw.MISSING, f"{path}.{missing.group(1)}".lstrip("."))
    if (types := _TYPES.search(text)) and types.group(2):
        return ShapeError(Flaw.TYPE, path, types.group(1), types.group(2))
    return ShapeError(Flaw.VALUE, path, _AT.sub("", text))
