"""Decoding of what providers send, which is not always what they document."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import ceil
from typing import Any, Final, TypeVar

import msgspec

from weighbridge.core.codec import JsonError, decode_json

S = TypeVar("S", bound=msgspec.Struct)

_split: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def tolerant_decoder(kind: type[S]) -> Callable[[bytes], S]:
    """A decoder for a Struct that survives a provider's oddities. It raises `JsonError` for what is not a JSON object.

    One field of an unexpected type must not cost all others: on a mismatch, floats become whole numbers (rounded up) and
    the top-level fields that still do not fit are left out.
    """
    decode_exactly = msgspec.json.Decoder(kind).decode

    def decode(document: bytes) -> S:
        try:
            return decode_exactly(document)
        except msgspec.ValidationError:
            return _salvage(document, kind)
        except UnicodeDecodeError as error:
            raise JsonError("text that is not UTF-8") from error
        except RecursionError as error:
            raise JsonError("nested too deeply") from error

    return decode


def _salvage(document: bytes, kind: type[S]) -> S:
    try:
        fields = _split(document)
    except (UnicodeDecodeError, RecursionError) as error:
        raise JsonError("not UTF-8, or nested too deeply") from error
    good: dict[str, object] = {}
    for name in kind.__struct_encode_fields__:
        if (raw := fields.get(name)) is None:
            continue
        with suppress(JsonError, UnicodeDecodeError, RecursionError):
            value = _without_floats(decode_json(raw))
            msgspec.convert({name: value}, kind)
            good[name] = value
    return msgspec.convert(good, kind)


def _without_floats(value: Any) -> Any:
    if isinstance(value, float):
        return ceil(value)
    if isinstance(value, dict):
        return {name: _without_floats(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_without_floats(part) for part in value]
    return value
