"""What settings mean, from the docstrings below them in their sections' source.

Pydantic reads them itself if asked to (`use_attribute_docstrings`), but whenever a class is made: 170 ms of every start and of
every command, for what only the reference page and the editors' JSON Schema show.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise

from pydantic import BaseModel


def meanings_of(section: type[BaseModel]) -> dict[str, str]:
    """Each field's docstring (PEP 257, attribute docstrings); those of the classes that it inherits from as well."""
    found: dict[str, str] = {}
    for each in reversed(section.__mro__):
        if issubclass(each, BaseModel) and each is not BaseModel:
            found |= _written_in(each)
    return found


def _written_in(section: type) -> dict[str, str]:
    found: dict[str, str] = {}
    for field, below in pairwise(_body_of(section)):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = inspect.cleandoc(text)
    return found


def _body_of(section: type) -> list[ast.stmt]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(section))).body
    return tree.body if isinstance(tree, ast.ClassDef) else []
