"""YAML text as plain values, with the line of every one of them.

Read by the rules of YAML 1.2 where 1.1 surprises people: `no`, `off` and `yes` are text, `22:30` is not a number to the
base of sixty, and a mapping's keys are always text. Keys may not repeat; anchors, aliases and `<<` work.
https://yaml.org/spec/1.2.2/#103-core-schema
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

import msgspec
import yaml

from weighbridge.config.problems import ConfigError, ConfigProblem, PathParts, format_path

Value = str | int | float | bool | date | list["Value"] | dict[str, "Value"] | None
"""What a document consists of. A `datetime` is a `date` too."""

MAX_NODES: Final = 200_000
"""Ten thousand keys of twenty lines each; stops aliases of aliases, which grow without bound ("billion laughs")."""

_MERGE: Final = "<<"
_TAGS_REFUSED: Final = "has a tag (`!…`); tags are not supported"
_TAG: Final = "tag:yaml.org,2002:"
_TIMESTAMP: Final = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(([Tt]| +)[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?( *(Z|[-+][0-9]{2}(:[0-9]{2})?))?)?"
)
_RESOLVERS: Final = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"0|[-+]?[1-9][0-9]*|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("timestamp", _TIMESTAMP, "0123456789"),
)


class Document(msgspec.Struct, frozen=True):
    """A parsed file. `lines` has the line of each value by its path; that of a mapping's entry is its key's."""

    value: Value
    lines: dict[PathParts, int]

    def line_of(self, path: PathParts) -> int | None:
        """The line of a path or of the nearest thing around it that was written."""
        here: PathParts = ()
        for part in path:
            if (*here, part) in self.lines:
                here = (*here, part)
        return self.lines.get(here)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own way to say which plain scalars are not text


for _name, _pattern, _first in _RESOLVERS:
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), list(_first))


def parse_document(text: str, source: str) -> Document:
    """Read one YAML document. An empty one is an empty mapping. Raises `ConfigError` with `source` as its name."""
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        builder = _Builder(loader)
        value: Value = {} if root is None else builder.build(root, ())
    except yaml.YAMLError as error:
        raise ConfigError(source, [_syntax_problem(error)]) from None
    except RecursionError:
        raise ConfigError(source, [ConfigProblem("", None, "is nested too deeply")]) from None
    if builder.problems:
        raise ConfigError(source, builder.problems)
    return Document(value, builder.lines)


def _syntax_problem(error: yaml.YAMLError) -> ConfigProblem:
    # Never str(error): it quotes the lines around the fault, which may hold keys.
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        return ConfigProblem("", mark.line + 1 if mark else None, f"is not valid YAML: {said}")
    return ConfigProblem("", None, "is not valid YAML: it holds a character that YAML does not allow")


class _Builder:
    """Walks the nodes once, so that values and their lines cannot disagree."""

    def __init__(self, loader: _Loader) -> None:
        self.lines: dict[PathParts, int] = {}
        self.problems: list[ConfigProblem] = []
        self._loader = loader
        self._open: set[int] = set()
        self._n_nodes = 0

    def build(self, node: yaml.Node, path: PathParts) -> Value:
        """The node's value; lines and problems are kept aside."""
        self.lines.setdefault(path, node.start_mark.line + 1)
        self._n_nodes += 1
        if self._n_nodes > MAX_NODES or id(node) in self._open:
            # A syntax error, since what follows would be the same problem again and again.
            raise yaml.MarkedYAMLError(problem="an alias repeats itself, or too much", problem_mark=node.start_mark)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if node.tag not in (_TAG + "map", _TAG + "seq"):
            self._refuse(node, path, _TAGS_REFUSED)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.build(item, (*path, i)) for i, item in enumerate(node.value)]
            return self._mapping(node, path)
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: yaml.ScalarNode, path: PathParts) -> Value:
        is_plain = node.style is None
        implied = self._loader.resolve(yaml.ScalarNode, node.value, (is_plain, not is_plain))  # type: ignore[no-untyped-call]
        if node.tag not in (_TAG + "str", implied):
            self._refuse(node, path, _TAGS_REFUSED)
            return None
        try:
            value: Value = self._loader.construct_object(node)
        except ValueError:
            self._refuse(node, path, "is not a date or number; put it in quotes if it is meant as text")
            return None
        return value

    def _mapping(self, node: yaml.Node, path: PathParts) -> dict[str, Value]:
        own: dict[str, Value] = {}
        merged: dict[str, Value] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(key_node, path, "has a key that is not text")
            elif key_node.value == _MERGE and key_node.style is None:
                merged = {**self._merged(value_node, path), **merged}
            elif key_node.value in own:
                self._refuse(key_node, (*path, key_node.value), "is given twice; keep one")
            else:
                child = (*path, key_node.value)
                self.lines[child] = key_node.start_mark.line + 1
                own[key_node.value] = self.build(value_node, child)
        return {**merged, **own}

    def _merged(self, node: yaml.Node, path: PathParts) -> dict[str, Value]:
        # The earlier of several mappings wins: https://yaml.org/type/merge.html
        value = self.build(node, path)
        merged: dict[str, Value] = {}
        for mapping in value if isinstance(value, list) else [value]:
            if isinstance(mapping, dict):
                merged = {**mapping, **merged}
            else:
                self._refuse(node, path, "has a `<<` that is not followed by a mapping")
        return merged

    def _refuse(self, node: yaml.Node, path: PathParts, message: str) -> None:
        self.problems.append(ConfigProblem(format_path(path), node.start_mark.line + 1, message))
