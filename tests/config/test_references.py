from __future__ import annotations

import pytest

from weighbridge.config.document import parse_document
from weighbridge.config.references import expand_references


def expand(text: str, **environ: str) -> tuple[object, dict[str, str]]:
    document = parse_document(text, "f")
    value, problems = expand_references(document.value, document, environ)
    return value, {problem.path: f"{problem.line}: {problem.message}; {problem.suggestion}" for problem in problems.values()}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("${A}", "1"),
        ("Bearer ${A}-${B}", "Bearer 1-2"),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY}", ""),
        ("${UNSET:-}", ""),
        ("${UNSET:-http://h:1/a}", "http://h:1/a"),
        ("${A:-x}", "1"),
        ("$${A}", "${A}"),
        ("$$$$", "$$"),
        ("cost $5 and $A", "cost $5 and $A"),
    ],
)
def test_references_are_replaced_anywhere_in_a_value(written: str, read: str) -> None:
    assert expand(f"a: '{written}'", A="1", B="2", EMPTY="") == ({"a": read}, {})


def test_what_a_variable_holds_is_not_expanded_again() -> None:
    assert expand("a: ${A}", A="${B} $$") == ({"a": "${B} $$"}, {})


def test_keys_are_not_expanded() -> None:
    assert expand("'${A}': 1", A="x") == ({"${A}": 1}, {})


def test_an_unset_variable_is_an_error_with_path_line_and_what_to_do() -> None:
    _, problems = expand("a:\n  - x\n  - ${NOPE}\n")
    assert problems == {"a[1]": "3: the environment variable NOPE is not set; set it, or give it a default: `${NOPE:-…}`"}


@pytest.mark.parametrize("written", ["${", "${}", "${1A}", "${A", "${A:x}", "${A-b}"])
def test_a_reference_that_is_none_is_refused(written: str) -> None:
    _, problems = expand(f"a: '{written}'", A="1")
    assert "`${` that begins no reference" in problems["a"]
