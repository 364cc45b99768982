"""What is wrong with a configuration: every problem at once, each with its place, a sentence and a suggestion.

A message never quotes a value of the file: the value may be a key that stands in the wrong place.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

PathParts = tuple[str | int, ...]
"""A place in the document: mapping keys and list positions."""

_CLOSE_ENOUGH: Final = 0.6
"""difflib's own default: one or two typing errors in a word of six letters."""


class ConfigProblem(msgspec.Struct, frozen=True):
    """One problem. `path` is like `providers.openai.api_keys[0]`, empty for the whole file; `line` counts from 1."""

    path: str
    line: int | None
    message: str
    suggestion: str | None = None

    def render(self, source: str) -> str:
        """One line, `file:line: path: message`, which editors and terminals turn into a link."""
        place = source if self.line is None else f"{source}:{self.line}"
        subject = f"{self.path}: " if self.path else ""
        hint = f"; {self.suggestion}" if self.suggestion else ""
        return f"{place}: {subject}{self.message}{hint}"


class ConfigError(Exception):
    """The configuration cannot be used. `problems` is never empty; `source` is the file's name or what stands for it."""

    def __init__(self, source: str, problems: Sequence[ConfigProblem]) -> None:
        super().__init__(source, problems)
        self.source = source
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line or 0))

    def __str__(self) -> str:
        return "\n".join(problem.render(self.source) for problem in self.problems)


def format_path(path: PathParts) -> str:
    """`("keys", 0, "name")` as `keys[0].name`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def did_you_mean(written: str, known: Iterable[str]) -> str | None:
    """A suggestion for a name that is not known, or None if nothing is like it."""
    matches = difflib.get_close_matches(written, list(known), n=1, cutoff=_CLOSE_ENOUGH)
    return f"did you mean `{matches[0]}`?" if matches else None
