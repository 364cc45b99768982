"""Conditions on requests in CEL, the Common Expression Language: `tools && request_bytes > 100000`. https://cel.dev

CEL ends always, in bounded time, and reaches nothing but its variables. What a condition cannot find (a member of `metadata` that
this request does not have) makes it false, never an error for the caller.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

VARIABLES: Final = {
    "metadata": "the request's metadata, with what the header `x-weighbridge-metadata` (a JSON object) says over it; texts by name",
    "headers": "header values by lower-case name, without keys",
    "key": "the virtual key's name",
    "team": "the virtual key's team",
    "user": "the end user that the request names",
    "model": "the model that was asked for",
    "request_bytes": "the size of the body",
    "input_tokens": "an estimate: the size by four",
    "stream": "whether a stream is asked for",
    "tools": "whether the model is offered tools",
    "images": "whether pictures are sent along",
    "operation": "`chat`, `responses`, `messages`, `generate`, `embeddings`, …",
    "dialect": "`openai`, `anthropic` or `gemini`",
    "hour": "of the day in UTC, 0 to 23",
}
"""What a condition may name."""

_MAX_CHARACTERS: Final = 2000
_BOUND: Final = re.compile(r"\.(?:all|exists|exists_one|filter|map)\(\s*(\w+)\s*,")
"""Names that a condition makes up for the items of a list: https://github.com/google/cel-spec/blob/master/doc/langdef.md#macros"""


class Condition:
    """A compiled condition. `names` are the variables that it needs."""

    __slots__ = ("_execute", "names", "text")

    def __init__(self, text: str, names: frozenset[str], execute: Callable[[dict[str, object]], object]) -> None:
        self.text = text
        self.names = names
        self._execute = execute

    def holds(self, values: dict[str, object]) -> bool:
        """Whether it holds for a request. What cannot be evaluated does not."""
        try:
            return self._execute(values) is True
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
            return False


def compile_condition(text: str) -> Condition:
    """Raises `ValueError` with a sentence for the operator."""
    if not text.strip() or len(text) > _MAX_CHARACTERS:
        raise ValueError(f"must be a condition of 1 to {_MAX_CHARACTERS} characters")
    # Here, since it takes a seventh of a second and most gateways have no conditions.
    from cel import compile as compile_cel  # noqa: PLC0415

    try:
        program = compile_cel(text)
    except ValueError as error:
        raise ValueError(_sentence(str(error))) from None
    bound = {found[1] for found in _BOUND.finditer(text)}
    named = set(program.variables()) - bound
    unknown = sorted(named - VARIABLES.keys())
    if unknown:
        raise ValueError(f"knows no `{unknown[0]}`; it may name: {', '.join(VARIABLES)}")
    return Condition(text, frozenset(named), program.execute)


def _sentence(said: str) -> str:
    """`Failed to parse expression 'tools ||': ERROR: <input>:1:9: Syntax error: …` -> position and reason."""
    _, _, position = said.partition("<input>:")
    place, _, reason = position.splitlines()[0].partition(": ") if position else ("", "", said.splitlines()[0])
    column = place.rpartition(":")[2]
    reason = reason.partition(" expecting ")[0].strip()
    return f"is no condition in CEL: {reason}" + (f" (at character {column})" if column.isdigit() else "")
