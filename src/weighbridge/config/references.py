"""`${NAME}` and `${NAME:-default}` inside the values of a document; `$$` is a plain `$`.

As in a shell, the default also stands in for a variable that is set but empty. A `$` before anything else is itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from weighbridge.config.document import Document, Value
from weighbridge.config.problems import ConfigProblem, PathParts, format_path

_TOKEN: Final = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{")


def expand_references(
    value: Value, document: Document, environ: Mapping[str, str], *, at: PathParts = ()
) -> tuple[Value, dict[PathParts, ConfigProblem]]:
    """The value with every reference replaced, and the problems by path. What cannot be replaced stays as written."""
    expander = _Expander(document, environ)
    return expander.expand(value, at), expander.problems


class _Expander:
    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self.problems: dict[PathParts, ConfigProblem] = {}
        self._document = document
        self._environ = environ

    def expand(self, value: Value, path: PathParts) -> Value:
        """The same value with its texts expanded."""
        if isinstance(value, dict):
            return {key: self.expand(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.expand(item, (*path, i)) for i, item in enumerate(value)]
        if isinstance(value, str) and "$" in value:
            return _TOKEN.sub(lambda match: self._replacement(match, path), value)
        return value

    def _replacement(self, match: re.Match[str], path: PathParts) -> str:
        name, default = match[1], match[2]
        if match[0] == "$$":
            return "$"
        if name is None:
            self._refuse(path, "has a `${` that begins no reference", "write `${NAME}`, `${NAME:-default}`, or `$${` for the text")
        elif default is not None:
            return self._environ.get(name) or default
        elif name in self._environ:
            return self._environ[name]
        else:
            self._refuse(
                path,
                f"the environment variable {name} is not set",
                f"set it, or give it a default: `${{{name}:-…}}`",
            )
        return match[0]

    def _refuse(self, path: PathParts, message: str, suggestion: str) -> None:
        self.problems.setdefault(path, ConfigProblem(format_path(path), self._document.line_of(path), message, suggestion))
