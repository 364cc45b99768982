"""The reference page of the configuration, made from the schema, so that no setting is undocumented."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel, WithJsonSchema
from pydantic.fields import FieldInfo

from weighbridge.config.meanings import meanings_of
from weighbridge.config.schema import Config

_PLAIN: Final = {bool: "boolean", int: "number", float: "number"}

_HEAD: Final = """\
# Configuration

One YAML file. `weighbridge init` writes a first one, `weighbridge check-config` checks one. This page is made from the
schema. Which providers there are is told on [a page of its own](providers.md).

## How values are written

| kind | written as |
|---|---|
| boolean | `true` or `false`; `yes` and `no` are text |
| number | `2000000`; where it counts something also `2_000_000` |
| duration | a number and a unit: `250ms`, `5s`, `30m`, `2h`, `1d` |
| size | a number of bytes, or with a unit of 1024: `64kB`, `64MB`, `1GB` |
| path | relative to the directory of the file |
| secret | text; it is never shown in an error, a log or a screen |
| date or time | `2027-01-31` (midnight UTC, at its beginning) or `2027-01-31T12:00:00Z` |

`${NAME}` in any value is the environment variable of that name, and an error if it is not set. `${NAME:-default}` has a
default for one that is not set or empty. `$$` is a plain `$`.

Unknown settings and keys given twice are errors. All errors are told at once, with line and path. Words such as `no`, `off`
and `22:30` are text. Anchors and aliases work; top-level keys that begin with `x-` are ignored and a place for them.

## Without a file

Every provider of the catalogue whose usual environment variable is set is on, and so is `demo`. Of providers that share a key
only the first is on, and a cloud only if the parts of its address are set as well. `OPENAI_BASE_URL`,
`ANTHROPIC_BASE_URL` and `GOOGLE_GEMINI_BASE_URL` replace those providers' addresses. With a file, an entry that names neither
a key nor an address takes its key from the usual variable, and addresses come from the file alone.

## Proxies

`HTTPS_PROXY` and `HTTP_PROXY` (or in lower case) lead to providers with `https://` and `http://` addresses, except to the
hosts that `NO_PROXY` lists: names (with everything below them), IP addresses, networks such as `10.0.0.0/8`, each with or
without a port, or `*`. Loopback addresses are always reached directly. A provider's `proxy` goes before all of these.
"""


def reference_markdown() -> str:
    """The page `docs/reference/configuration.md`."""
    return "\n".join([_HEAD, *_sections(Config, "")])


def _sections(section: type[BaseModel], path: str) -> Iterator[str]:
    title = f"`{path}`" if path else "Top level"
    yield f"## {title}\n\n{_one_line(section.__doc__ or '')}\n\n| setting | kind | default | meaning |\n|---|---|---|---|"
    inner: list[tuple[str, type[BaseModel]]] = []
    meanings = meanings_of(section)
    for name, field in section.model_fields.items():
        yield f"| `{name}` | {_kind(field)} | {_default(field)} | {_one_line(meanings.get(name, ''))} |"
        child, suffix = _child(field.annotation)
        if child is not None:
            inner.append((f"{path}.{name}{suffix}".removeprefix("."), child))
    yield ""
    for child_path, child in inner:
        yield from _sections(child, child_path)


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _kind(field: FieldInfo) -> str:
    return _kind_of(field.annotation, field.metadata)


def _kind_of(annotation: Any, metadata: list[Any]) -> str:
    for mark in metadata:
        if isinstance(mark, WithJsonSchema) and mark.json_schema is not None:
            return str(mark.json_schema["title"])
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _kind_of(arguments[0], list(arguments[1:]))
    if origin in (types.UnionType, typing.Union):
        return _kind_of(next(argument for argument in arguments if argument is not type(None)), [])
    if origin is list:
        return f"list of {_kind_of(arguments[0], [])}"
    if origin is dict:
        return f"mapping to {_kind_of(arguments[1], [])}"
    if origin is typing.Literal:
        return " or ".join(f"`{choice}`" for choice in arguments)
    return "section" if isinstance(annotation, type) and issubclass(annotation, BaseModel) else _PLAIN.get(annotation, "text")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None or field.default in (None, [], {}):
        return ""
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def _child(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    origin = typing.get_origin(annotation)
    suffix = ".<name>" if origin is dict else "[]" if origin is list else ""
    for argument in typing.get_args(annotation):
        child, _ = _child(argument)
        if child is not None:
            return child, suffix
    return None, ""
