"""Arguments of a call that Vertex streams in pieces (`streamFunctionCallArguments`).

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling#streaming-fc. Each piece names its place
(`$.steps[0].name`) and holds a value, or a part of a text that goes on in later pieces.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from weighbridge.wire.gemini_generate.vocabulary import json_text
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.loose_json import as_object, as_text

_STEP: Final = re.compile(r"""\.([^.\[\]]+)|\[(\d+)\]|\[(?:'([^']*)'|"([^"]*)")\]""")
_MAX_INDEX: Final = 10_000
"""A place in an array far beyond what was filled is a provider's bug, and would fill the memory."""


class PartialArguments:
    """The arguments in the making."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: JsonObject = {}

    def add(self, piece: object) -> None:
        """One entry of `partialArgs`; an entry that makes no sense is left out."""
        given = as_object(piece)
        steps = _steps(as_text(given.get("jsonPath")))
        if not steps:
            return
        if "stringValue" in given:
            self._put(steps, as_text(given["stringValue"]), is_text=True)
        elif "numberValue" in given:
            self._put(steps, given["numberValue"], is_text=False)
        elif "boolValue" in given:
            self._put(steps, given["boolValue"], is_text=False)
        elif "nullValue" in given:
            self._put(steps, None, is_text=False)

    def text(self) -> str:
        """The arguments so far, as JSON."""
        return json_text(self._root) if self._root else "{}"

    def _put(self, steps: list[str | int], value: Json, *, is_text: bool) -> None:
        holder: Json = self._root
        for step, following in pairwise(steps):
            inner: Json = [] if isinstance(following, int) else {}
            holder = _entered(holder, step, inner)
            if holder is None:
                return
        last = steps[-1]
        if isinstance(holder, dict) and isinstance(last, str):
            before = holder.get(last)
            holder[last] = before + value if is_text and isinstance(before, str) and isinstance(value, str) else value
        elif isinstance(holder, list) and isinstance(last, int) and last <= _MAX_INDEX:
            holder.extend([None] * (last + 1 - len(holder)))
            before = holder[last]
            holder[last] = before + value if is_text and isinstance(before, str) and isinstance(value, str) else value


def _entered(holder: Json, step: str | int, inner: Json) -> Json:
    """What stands at a step, made if it is missing; None where the step does not fit."""
    if isinstance(holder, dict) and isinstance(step, str):
        return holder.setdefault(step, inner)
    if isinstance(holder, list) and isinstance(step, int) and step <= _MAX_INDEX:
        holder.extend([None] * (step + 1 - len(holder)))
        if holder[step] is None:
            holder[step] = inner
        return holder[step]
    return None


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    for match in _STEP.finditer(path):
        name, index, single, double = match.groups()
        steps.append(int(index) if index is not None else name or single or double or "")
    return steps
