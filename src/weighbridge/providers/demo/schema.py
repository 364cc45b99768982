"""The smallest plain value that satisfies a JSON Schema: arguments for tool calls, and structured output.

Understands `type`, `enum`, `const`, `properties`, `required`, `items`, `prefixItems`, `anyOf`, `oneOf`, `allOf`, local
`$ref`, bounds on numbers, lengths and counts, `uniqueItems`, common `format`s, and Gemini's upper-case types. Of `pattern`,
`not`, `if` and `dependent*` it knows nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import unquote

from weighbridge.providers.demo.exchange import DemoError

MAX_STEPS: Final = 10_000
"""Values made and schemas merged. Definitions that each use the next one twice grow exponentially, so a small schema can ask
for any number."""
MAX_DEPTH: Final = 64
"""Nesting of one instance; keeps recursion well inside Python's limit."""
MAX_STRING: Final = 10_000
SMALLEST_MULTIPLE: Final = 1e-9
"""A smaller `multipleOf` is taken for none: a bound divided by it may have no float."""
_FORMATS: Final[Mapping[str, str]] = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "P1D",
    "email": "demo@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


class _UnsatisfiableError(Exception):
    """No finite value fits this branch; another may."""


def minimal_instance(schema: object) -> object:
    """A value that satisfies `schema`. Raises `DemoError` 400 where none is found within the limits."""
    try:
        return _Sampler(schema).value(schema, at=0)
    except _UnsatisfiableError as error:
        raise DemoError(400, f"Invalid schema: {error}", param="schema") from None


class _Sampler:
    """One walk through a schema. `_active` are the references being followed, so that a recursive type ends."""

    def __init__(self, root: object) -> None:
        self._root = root
        self._active: list[str] = []
        self._steps = 0
        self._depth = 0
        self._by_type: Mapping[str, Callable[[Mapping[str, object], int], object]] = {
            "object": self._object,
            "array": self._array,
            "string": _string,
            "integer": _integer,
            "number": _number,
            "boolean": lambda _, at: at % 2 == 0,
            "null": lambda _, __: None,
        }

    def value(self, schema: object, *, at: int) -> object:
        """A value; different `at` give different values where the schema has several (for `uniqueItems`)."""
        self._spend(1)
        if self._depth >= MAX_DEPTH:
            raise _UnsatisfiableError(f"its instances nest deeper than {MAX_DEPTH} levels")
        self._depth += 1
        try:
            return self._any(schema, at)
        finally:
            self._depth -= 1

    def _spend(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise DemoError(400, f"Invalid schema: its smallest instance takes more than {MAX_STEPS} steps.", param="schema")

    def _any(self, schema: object, at: int) -> object:
        if schema is False:
            raise _UnsatisfiableError("`false` allows no value")
        if not isinstance(schema, Mapping):
            return "demo"
        if "const" in schema:
            return schema["const"]
        if isinstance(options := schema.get("enum"), list) and options:
            return options[at % len(options)]
        if isinstance(ref := schema.get("$ref"), str):
            return self._reference(ref, at)
        for keyword in ("anyOf", "oneOf"):
            if isinstance(branches := schema.get(keyword), list) and branches:
                return self._first_that_fits(branches, schema, at)
        if isinstance(parts := schema.get("allOf"), list) and parts:
            return self.value(self._merged(schema, parts), at=at)
        maker = self._by_type.get(_type_of(schema))
        return maker(schema, at) if maker else "demo"

    def _reference(self, ref: str, at: int) -> object:
        if ref in self._active:
            raise _UnsatisfiableError(f"`{ref[:100]}` contains itself without end")
        self._active.append(ref)
        try:
            return self.value(self._resolve(ref), at=at)
        finally:
            self._active.pop()

    def _resolve(self, ref: str) -> object:
        if len(ref) > MAX_STRING:
            raise _UnsatisfiableError(f"a reference is longer than {MAX_STRING} characters")
        found = self._root
        for step in unquote(ref).removeprefix("#").split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and key.isascii() and key.isdigit() and len(key) < 6 and int(key) < len(found):
                found = found[int(key)]
            elif isinstance(found, Mapping) and key in found:
                found = found[key]
            else:
                raise _UnsatisfiableError(f"`{ref[:100]}` leads nowhere")
        return found

    def _first_that_fits(self, branches: list[object], schema: Mapping[str, object], at: int) -> object:
        siblings = {key: value for key, value in schema.items() if key in {"properties", "required"}}
        failure = _UnsatisfiableError("no branch fits")
        for branch in branches:
            try:
                return self.value(self._merged(siblings, [branch]) if siblings else branch, at=at)
            except _UnsatisfiableError as error:
                failure = error
        raise failure

    def _merged(self, schema: Mapping[str, object], parts: list[object]) -> Mapping[str, object]:
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        properties: dict[str, object] = dict(_mapping(schema.get("properties")))
        required = list(_sequence(schema.get("required")))
        self._spend(len(parts) + len(properties) + len(required))
        for part in parts:
            flat = _mapping(self._flattened(part))
            merged.update(flat)
            properties.update(_mapping(flat.get("properties")))
            required += _sequence(flat.get("required"))
        if properties:
            merged["properties"] = properties
        if required:
            merged["required"] = required
        return merged

    def _flattened(self, part: object) -> object:
        """A part of `allOf` with its reference followed; a chain of references is as long as the depth limit at most."""
        for _ in range(MAX_DEPTH):
            ref = part.get("$ref") if isinstance(part, Mapping) else None
            if not isinstance(ref, str):
                return part
            part = self._resolve(ref)
        raise _UnsatisfiableError("its references form a circle")

    def _object(self, schema: Mapping[str, object], _at: int) -> object:
        properties = _mapping(schema.get("properties"))
        names = [name for name in _sequence(schema.get("required")) if isinstance(name, str)]
        declared = set(names)
        optional = (name for name in properties if name not in declared)
        missing = _bound(schema, "minProperties", 0) - len(names)
        names += [name for name, _ in zip(optional, range(max(0, missing)), strict=False)]
        return {name: self.value(properties.get(name, True), at=0) for name in names}

    def _array(self, schema: Mapping[str, object], at: int) -> object:
        first = list(_sequence(schema.get("prefixItems")))
        rest = schema.get("items", True)
        total = _bound(schema, "minItems", 0)
        is_unique = schema.get("uniqueItems") is True
        made: list[object] = []
        while len(made) < total:
            index = len(made)
            made.append(self.value(first[index] if index < len(first) else rest, at=at + index if is_unique else at))
        return made


def _type_of(schema: Mapping[str, object]) -> str:
    declared = schema.get("type")
    if isinstance(declared, list):
        declared = next((kind for kind in declared if kind != "null"), "null")
    if isinstance(declared, str):
        return declared.lower()
    implied = {"properties": "object", "required": "object", "items": "array", "prefixItems": "array", "minimum": "number"}
    return next((kind for key, kind in implied.items() if key in schema), "string")


def _string(schema: Mapping[str, object], at: int) -> str:
    known = _FORMATS.get(str(schema.get("format")))
    if known is not None:
        return known
    text = "demo" if at == 0 else f"demo{at}"
    shortest = _bound(schema, "minLength", 0)
    if shortest > MAX_STRING:
        raise _UnsatisfiableError(f"`minLength` is over {MAX_STRING}")
    return text.ljust(shortest, ".")[: _bound(schema, "maxLength", MAX_STRING)]


def _integer(schema: Mapping[str, object], at: int) -> int:
    return math.ceil(_number(schema, at, step=1))


def _number(schema: Mapping[str, object], at: int, *, step: float = 0.5) -> float:
    """The allowed number nearest to zero, moved away from zero `at` times."""
    low, above = _float(schema.get("minimum")), _float(schema.get("exclusiveMinimum"))
    high, below = _float(schema.get("maximum")), _float(schema.get("exclusiveMaximum"))
    multiple = _float(schema.get("multipleOf"))
    unit = multiple if multiple is not None and multiple > SMALLEST_MULTIPLE else step
    floor = max([bound for bound in (low, None if above is None else above + unit * 1e-6) if bound is not None], default=-math.inf)
    ceiling = min(
        [bound for bound in (high, None if below is None else below - unit * 1e-6) if bound is not None], default=math.inf
    )
    if floor <= 0 <= ceiling:
        value = at * unit
    elif floor > 0:
        value = (math.ceil(floor / unit) + at) * unit
    else:
        value = (math.floor(ceiling / unit) - at) * unit
    # Bounds closer together than a step leave room between its multiples, which only `multipleOf` would forbid.
    return value if floor <= value <= ceiling else max(floor, min(ceiling, value))


def _float(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
    return float(value) if is_number and isinstance(value, int | float) else None


def _bound(schema: Mapping[str, object], key: str, default: int) -> int:
    value = schema.get(key)
    # Gemini's schemas spell 64-bit integers as strings.
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: object) -> list[object]:
    return value if isinstance(value, list) else []
