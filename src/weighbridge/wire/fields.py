"""Reading a decoded JSON request field by field, with errors that name the field as the caller wrote it.

What is not taken is left over: `Fields.leftover` names it, so that nothing a caller says is lost without a word.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NoReturn, TypeAlias, cast

from weighbridge.core.codec import JsonError, decode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.receipt import Receipt

Number: TypeAlias = int | float


def invalid(path: str, expected: str) -> GatewayError:
    """The refusal of a field of the wrong type."""
    return GatewayError(ErrorKind.INVALID_REQUEST, f"The field '{path}' must be {expected}.", param=path)


def read_object(body: bytes) -> Fields:
    """A request body as the fields of its top-level object. Raises `GatewayError` INVALID_REQUEST."""
    try:
        document = decode_json(body)
    except JsonError:
        raise GatewayError(ErrorKind.INVALID_REQUEST, "The request body is not valid JSON.") from None
    except UnicodeDecodeError:
        raise GatewayError(ErrorKind.INVALID_REQUEST, "The request body is not UTF-8.") from None
    except RecursionError:
        raise GatewayError(ErrorKind.INVALID_REQUEST, "The request body is nested too deep.") from None
    if not isinstance(document, dict):
        raise GatewayError(ErrorKind.INVALID_REQUEST, "The request body must be a JSON object.")
    return Fields(cast("JsonObject", document), "")


class Fields:
    """One JSON object. Each reading method takes a field away; null reads as absent.

    All raise `GatewayError` INVALID_REQUEST, with the field's path as `param`, when a value is of another type.
    """

    __slots__ = ("path", "rest")

    def __init__(self, value: JsonObject, path: str) -> None:
        self.rest = dict(value)
        """What has not been taken yet."""
        self.path = path

    def at(self, name: str) -> str:
        """The path of a field: `messages[3].content`."""
        return f"{self.path}.{name}" if self.path else name

    def text(self, name: str) -> str | None:
        """A string."""
        value = self.rest.pop(name, None)
        if value is None or isinstance(value, str):
            return value
        raise self._refusal(name, "a string")

    def required_text(self, name: str) -> str:
        """A string that must be there."""
        value = self.text(name)
        if value is None:
            self.missing(name)
        return value

    def boolean(self, name: str) -> bool | None:
        """True or false."""
        value = self.rest.pop(name, None)
        if value is None or isinstance(value, bool):
            return value
        raise self._refusal(name, "true or false")

    def integer(self, name: str) -> int | None:
        """A whole number; `5.0` is one."""
        value = self.rest.pop(name, None)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        if isinstance(value, float) and value.is_integer():
            return int(value)
        raise self._refusal(name, "an integer")

    def number(self, name: str) -> Number | None:
        """A number."""
        value = self.rest.pop(name, None)
        if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            return value
        raise self._refusal(name, "a number")

    def value(self, name: str) -> Json:
        """Any JSON value."""
        return self.rest.pop(name, None)

    def json_object(self, name: str) -> JsonObject | None:
        """An object that is passed on as it is (a schema, metadata)."""
        value = self.rest.pop(name, None)
        if value is None or isinstance(value, dict):
            return value
        raise self._refusal(name, "an object")

    def nested(self, name: str) -> Fields | None:
        """An object to read field by field."""
        value = self.json_object(name)
        return None if value is None else Fields(value, self.at(name))

    def array(self, name: str) -> list[Json] | None:
        """An array of anything."""
        value = self.rest.pop(name, None)
        if value is None or isinstance(value, list):
            return value
        raise self._refusal(name, "an array")

    def objects(self, name: str) -> list[Fields] | None:
        """An array of objects to read field by field."""
        values = self.array(name)
        if values is None:
            return None
        path = self.at(name)
        read: list[Fields] = []
        for i, value in enumerate(values):
            if not isinstance(value, dict):
                raise invalid(f"{path}[{i}]", "an object")
            read.append(Fields(value, f"{path}[{i}]"))
        return read

    def texts(self, name: str) -> tuple[str, ...]:
        """An array of strings; absent is empty."""
        values = self.array(name)
        if values is None:
            return ()
        if not all(isinstance(value, str) for value in values):
            raise self._refusal(name, "an array of strings")
        return tuple(cast("list[str]", values))

    def leftover(self, receipt: Receipt, *, ignored: Collection[str] = ()) -> None:
        """Note every field that nobody took as dropped. Null says nothing, and `ignored` are names that carry no meaning."""
        for name, value in self.rest.items():
            if value is not None and name not in ignored:
                receipt.dropped(self.at(name), "not known")

    def missing(self, name: str) -> NoReturn:
        """Refuse the request for want of a field."""
        path = self.at(name)
        raise GatewayError(
            ErrorKind.INVALID_REQUEST, f"The field '{path}' is missing.", param=path, code="missing_required_parameter"
        )

    def _refusal(self, name: str, expected: str) -> GatewayError:
        return invalid(self.at(name), expected)
