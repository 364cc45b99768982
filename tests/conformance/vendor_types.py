"""What vendors' own SDKs say of their wire formats, as data: every value that a type allows, and what of a value no type allows.

The SDKs describe what goes over the wire as `TypedDict`s or pydantic models. They check none of it when they run: a request or a
reply that is not as described goes unnoticed until somebody reads the field that is not there.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple, NotRequired, Required, Union, get_args, get_origin

import typing_extensions
from pydantic import BaseModel

_MAX_DEPTH = 8
_MARKS = (Required, NotRequired, typing.Annotated, typing_extensions.Required, typing_extensions.NotRequired)
_REQUIRED = (Required, typing_extensions.Required)
_OPTIONAL = (NotRequired, typing_extensions.NotRequired)
_UNIONS = (Union, types.UnionType)
_LITERALS = (Literal, typing_extensions.Literal)
_LISTS = (list, Iterable, Sequence)
_MAPPINGS = (dict, Mapping)
_SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"], "additionalProperties": False}
_EXAMPLES: dict[str, object] = {
    "arguments": '{"a":1}',
    "data": "aGk=",
    "file_data": "data:application/pdf;base64,aGk=",
    "file_url": "https://example.com/a.pdf",
    "fileUri": "https://example.com/a.pdf",
    "image_url": "https://example.com/a.png",
    "input_schema": _SCHEMA,
    "media_type": "image/png",
    "mimeType": "image/png",
    "model": "m",
    "parameters": _SCHEMA,
    "parametersJsonSchema": _SCHEMA,
    "responseJsonSchema": _SCHEMA,
    "schema": _SCHEMA,
    "source": "https://example.com/a",
    "url": "https://example.com/a.png",
}
"""Where any text or any object would do for the type, and not for whoever reads it."""


class Field(NamedTuple):
    """One member of an object, as it is called on the wire."""

    name: str
    annotation: Any
    is_required: bool


class Variant(NamedTuple):
    """A value, and where in it the one thing stands that makes it differ from the simplest: `[].content[].cache_control.ttl`."""

    path: str
    value: Any


def fields_of(annotation: Any) -> tuple[Field, ...] | None:
    """The members of an object's type; None for what is no object."""
    if not isinstance(annotation, type):
        return None
    if issubclass(annotation, BaseModel):
        return _model_fields(annotation)
    return _typed_fields(annotation) if typing_extensions.is_typeddict(annotation) else None


@cache
def _model_fields(annotation: type[BaseModel]) -> tuple[Field, ...]:
    return tuple(Field(f.alias or name, f.annotation, f.is_required()) for name, f in annotation.model_fields.items())


@cache
def _typed_fields(annotation: Any) -> tuple[Field, ...]:
    totals = dict(_totals(annotation))
    hints = typing_extensions.get_type_hints(annotation, include_extras=True)
    return tuple(Field(name, hint, _is_required(hint, is_total=totals.get(name, True))) for name, hint in hints.items())


def _totals(annotation: Any) -> Iterator[tuple[str, bool]]:
    """Of each member whether its class says `total`. `__required_keys__` is wrong where annotations are texts."""
    for base in types.get_original_bases(annotation) if hasattr(types, "get_original_bases") else annotation.__orig_bases__:
        if typing_extensions.is_typeddict(base):
            yield from _totals(base)
    for name in annotation.__annotations__:
        yield name, annotation.__total__


def _is_required(hint: Any, *, is_total: bool) -> bool:
    origin = get_origin(hint)
    if origin is typing.Annotated:
        return _is_required(get_args(hint)[0], is_total=is_total)
    return origin in _REQUIRED or (is_total and origin not in _OPTIONAL)


def bare(annotation: Any) -> Any:
    """Without marks and aliases."""
    while True:
        if get_origin(annotation) in _MARKS:
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__value__"):
            annotation = annotation.__value__
        else:
            return annotation


def inner(annotation: Any) -> tuple[Any, ...]:
    """What a type is made of: the members of a union, the type of a list's entries, those of an object's fields."""
    annotation = bare(annotation)
    origin = get_origin(annotation)
    if origin in _LITERALS:
        return ()
    if origin in _MAPPINGS:
        return get_args(annotation)[1:]
    if (fields := fields_of(annotation)) is not None:
        return tuple(field.annotation for field in fields)
    return get_args(annotation)


class Variants:
    """The variants of one type. A type within it is spelled out where it is nearest to the top, and only there."""

    def __init__(self, annotation: Any) -> None:
        self._annotation = annotation
        self._levels: dict[int, int] = {}
        here, level = [annotation], 0
        while here and level < _MAX_DEPTH:
            objects = [part for each in here for part in self._objects(each)]
            new = [part for part in objects if id(part) not in self._levels]
            self._levels |= {id(part): level for part in new}
            here = [field.annotation for part in new for field in fields_of(part) or ()]
            level += 1

    def __iter__(self) -> Iterator[Variant]:
        return self._of(self._annotation, "", 0)

    def _objects(self, annotation: Any) -> Iterator[Any]:
        annotation = bare(annotation)
        if fields_of(annotation) is not None:
            yield annotation
        else:
            for part in inner(annotation):
                yield from self._objects(part)

    def _of(self, annotation: Any, name: str, level: int) -> Iterator[Variant]:
        annotation = bare(annotation)
        origin = get_origin(annotation)
        if origin in _UNIONS:
            for part in get_args(annotation):
                yield from self._of(part, name, level)
        elif origin in _LITERALS:
            yield from (Variant("", choice) for choice in get_args(annotation))
        elif origin in _LISTS:
            yield from (Variant(f"[]{path}", [value]) for path, value in self._of(get_args(annotation)[0], name, level))
        elif origin in _MAPPINGS:
            yield from (Variant(f"{{}}{path}", {"k": value}) for path, value in self._of(get_args(annotation)[1], name, level))
        elif (fields := fields_of(annotation)) is not None:
            yield from self._of_object(annotation, fields, level)
        elif annotation is not type(None):
            yield from (Variant("", value) for value in _plain(annotation, name))

    def _of_object(self, annotation: Any, fields: tuple[Field, ...], level: int) -> Iterator[Variant]:
        simplest = simplest_of(annotation)
        if simplest:
            yield Variant("", simplest)
        if self._levels.get(id(annotation)) != level:
            return
        for field in fields:
            for path, value in self._of(field.annotation, field.name, level + 1):
                if not field.is_required or value != simplest[field.name]:
                    yield Variant(f".{field.name}{path}", {**simplest, field.name: value})


def simplest_of(annotation: Any, name: str = "") -> Any:
    """A value with nothing but what is required."""
    annotation = bare(annotation)
    origin = get_origin(annotation)
    if origin in _UNIONS:
        return simplest_of(get_args(annotation)[0], name)
    if origin in _LITERALS:
        return get_args(annotation)[0]
    if origin in _LISTS:
        return [simplest_of(get_args(annotation)[0], name)]
    if origin in _MAPPINGS:
        return {}
    if (fields := fields_of(annotation)) is not None:
        return {field.name: simplest_of(field.annotation, field.name) for field in fields if field.is_required}
    return None if annotation is type(None) else _plain(annotation, name)[0]


def _plain(annotation: Any, name: str) -> list[object]:
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return [member.value for member in annotation]
    if annotation is bool:
        return [True, False]
    if annotation is int:
        return [7]
    if annotation is float:
        return [0.7]
    if annotation is str:
        example = _EXAMPLES.get(name)
        return [example if isinstance(example, str) else f"some {name}"]
    return [_EXAMPLES.get(name, "aGk=")]


def faults(value: object, annotation: Any, path: str = "") -> list[str]:
    """What about a value is not as the type says: members that are missing or that nobody knows, and values of another type."""
    annotation = bare(annotation)
    origin = get_origin(annotation)
    if origin in _UNIONS:
        return _faults_in_union(value, get_args(annotation), path)
    if origin in _LITERALS:
        return [] if value in get_args(annotation) else [f"{path} is {value!r}"]
    if origin in _LISTS:
        if not isinstance(value, list):
            return [f"{path} is no list"]
        return [fault for entry in value for fault in faults(entry, get_args(annotation)[0], f"{path}[]")]
    if origin in _MAPPINGS:
        if not isinstance(value, dict):
            return [f"{path} is no object"]
        return [fault for entry in value.values() for fault in faults(entry, get_args(annotation)[1], f"{path}{{}}")]
    if (fields := fields_of(annotation)) is not None:
        return _faults_of_object(value, fields, path)
    return _faults_of_plain(value, annotation, path)


def _faults_in_union(value: object, parts: tuple[Any, ...], path: str) -> list[str]:
    """None if the value is one of any part. Else those of the part that it was to be: that is told by words, and tried first."""
    found: list[list[str]] = []
    for part in sorted(parts, key=lambda part: not _is_meant(value, part)):
        if not (wrong := faults(value, part, path)):
            return []
        found.append(wrong)
    return found[0]


def _faults_of_object(value: object, fields: tuple[Field, ...], path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path} is no object"]
    known = {field.name: field.annotation for field in fields}
    found = [f"{path}.{field.name} is missing" for field in fields if field.is_required and field.name not in value]
    for name, member in value.items():
        found += faults(member, known[name], f"{path}.{name}") if name in known else [f"{path}.{name} is not known"]
    return found


def _faults_of_plain(value: object, annotation: Any, path: str) -> list[str]:
    if not isinstance(annotation, type) or annotation in (object, Any):
        return []
    if issubclass(annotation, enum.Enum):
        return [] if value in [member.value for member in annotation] else [f"{path} is {value!r}"]
    expected = {float: (int, float), bytes: (str,)}.get(annotation, (annotation,))
    is_right = isinstance(value, expected) and (annotation is bool or not isinstance(value, bool))
    return [] if is_right else [f"{path} is {value!r}"]


def _is_meant(value: object, annotation: Any) -> bool:
    """Whether a value that fits no member of a union was to be this one, by the words that tell them apart."""
    fields = fields_of(bare(annotation))
    if fields is None or not isinstance(value, dict):
        return fields is None and not isinstance(value, dict)
    words = [(field.annotation, value[field.name]) for field in fields if field.name in ("type", "role") and field.name in value]
    return all(not faults(word, told) for told, word in words)
