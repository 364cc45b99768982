"""The only door to JSON (and to MessagePack, which the processes of one gateway speak among themselves).

msgspec rather than the standard library: reading a 20 kB chat into raw top-level values takes 4.4 µs instead of 50.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from weighbridge.core.secret import Secret

T = TypeVar("T")
JsonError: Final = msgspec.DecodeError
"""Raised for bytes that are not JSON or not of the expected type. Its text names a path, never a value."""

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading the bytes of a stranger may raise: no JSON, strings that are not UTF-8, more nesting than the interpreter bears."""

encode_json: Final = msgspec.json.Encoder().encode
"""Any JSON-able object or Struct as compact UTF-8."""

encode_json_lines: Final = msgspec.json.Encoder().encode_lines
"""Many objects, each on a line of its own that ends in LF."""

decode_json: Final = msgspec.json.Decoder().decode
"""Bytes as plain Python objects. Raises `JsonError`; of bytes that are not known to be UTF-8 whatever is `UNREADABLE`."""


def lines_decoder(kind: type[T]) -> Callable[[bytes], list[T]]:
    """The reverse of `encode_json_lines` for one type. What it returns raises `JsonError`."""
    return msgspec.json.Decoder(kind).decode_lines


def pretty_json(value: object) -> str:
    """JSON indented by two, for files and screens that people read."""
    return msgspec.json.format(encode_json(value), indent=2).decode()


def _reveal(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(f"{type(value).__name__} has no encoding")


def _conceal(kind: type[Any], value: object) -> object:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError(f"{kind.__name__} has no decoding")


_private_encoder: Final = msgspec.msgpack.Encoder(enc_hook=_reveal)


def encode_private(value: object) -> bytes:
    """MessagePack with secrets in clear. Only for the socket pair between our own processes: never a file, never a log."""
    return _private_encoder.encode(value)


def private_decoder(kind: type[T]) -> Callable[[bytes], T]:
    """The reverse of :func:`encode_private` for one type (a union of Structs too). What it returns raises `JsonError`."""
    return msgspec.msgpack.Decoder(kind, dec_hook=_conceal).decode
