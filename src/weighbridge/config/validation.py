"""The schema's verdict in the operator's words: pydantic's errors as `ConfigProblem`s."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from weighbridge.config.document import Document
from weighbridge.config.problems import ConfigProblem, PathParts, did_you_mean, format_path
from weighbridge.config.schema import Config

_LEFT_OUT: Final = ("targets", "target", "route", "hedge")
_KEY_MARK: Final = "[key]"
"""How pydantic says that a mapping's key is at fault, and not its value."""

_MESSAGES: Final = {
    "missing": "is required",
    "extra_forbidden": "is not a setting",
    "string_type": "must be text; put it in quotes",
    "dict_type": "must be a mapping (lines of `name: value`)",
    "model_type": "must be a mapping (lines of `name: value`)",
    "model_attributes_type": "must be a mapping (lines of `name: value`)",
    "list_type": "must be a list",
    "int_type": "must be a whole number",
    "too_short": "must not be empty",
    "too_long": "has too many items",
}


def validate_config(raw: Mapping[str, object], document: Document, directory: Path) -> Config | list[ConfigProblem]:
    """The checked configuration, or everything that is wrong with it. Paths in it are relative to `directory`."""
    try:
        return Config.model_validate(raw, context={"directory": directory})
    except ValidationError as error:
        # Without inputs: they may be keys.
        details = error.errors(include_url=False, include_input=False)
        return [_problem(detail["type"], detail["loc"], detail["msg"], detail.get("ctx", {}), document) for detail in details]


def _problem(kind: str, location: PathParts, message: str, context: Mapping[str, Any], document: Document) -> ConfigProblem:
    path = location[:-1] if location and location[-1] == _KEY_MARK else location
    suggestion = None
    if kind == "section":
        path = (*path, context["field"])
    elif kind == "extra_forbidden":
        suggestion = did_you_mean(str(path[-1]), _settings_at(path[:-1]))
    path = _as_written(path, document)
    return ConfigProblem(format_path(path), document.line_of(path), _sentence(kind, message), suggestion)


def _as_written(path: PathParts, document: Document) -> PathParts:
    """Without the names that a route's short forms leave out: `targets` of a plain list, `target` of a plain text."""
    if path[:1] != ("routes",) or path in document.lines:
        return path
    written: PathParts = ()
    for part in path:
        if (*written, part) in document.lines or part not in _LEFT_OUT:
            written = (*written, part)
    while written not in document.lines and len(written) > 2 and isinstance(written[-1], int):
        written = written[:-1]
    return written


def _sentence(kind: str, message: str) -> str:
    if kind in _MESSAGES:
        return _MESSAGES[kind]
    return message.removeprefix("Value error, ").replace("Input should be", "must be")


def _settings_at(path: PathParts) -> list[str]:
    """The names of the settings of the section at a path."""
    section: type[BaseModel] = Config
    steps = iter(path)
    for step in steps:
        annotation = section.model_fields[str(step)].annotation
        inner = _section_in(annotation)
        if inner is None:
            return []
        if typing.get_origin(annotation) in (dict, list):
            next(steps, None)
        section = inner
    return list(section.model_fields)


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds: itself, optional, or as the values of a mapping or list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (dict, list, types.UnionType, typing.Union, typing.Annotated):
        found = (_section_in(argument) for argument in typing.get_args(annotation))
        return next((section for section in found if section is not None), None)
    return None
