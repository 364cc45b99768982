from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.routing.conditions import VARIABLES, compile_condition

VALUES = {
    "metadata": {"tier": "gold"},
    "headers": {"x-plan": "pro-7"},
    "key": "k",
    "team": "",
    "user": "ann",
    "model": "gpt-5",
    "request_bytes": 200_000,
    "input_tokens": 50_000,
    "stream": False,
    "tools": True,
    "images": False,
    "operation": "chat",
    "dialect": "openai",
    "hour": 13,
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("tools", True),
        ("!tools || request_bytes > 100000", True),
        ('metadata.tier == "gold" && !stream', True),
        ('metadata["tier"] in ["silver", "bronze"]', False),
        ('headers["x-plan"].startsWith("pro")', True),
        ("hour >= 9 && hour < 17", True),
        ('["ann", "bob"].exists(one, one == user)', True),
        ('metadata.unheard_of == "x"', False),
        ('has(metadata.unheard_of) && metadata.unheard_of == "x"', False),
        ("request_bytes", False),
        ('user + 1 == "x"', False),
    ],
)
def test_what_holds(text, holds):
    assert compile_condition(text).holds(VALUES) is holds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tools ||", "is no condition in CEL: Syntax error: mismatched input '<EOF>' (at character 9)"),
        ("tool && stream", "knows no `tool`; it may name: metadata"),
        ("  ", "must be a condition"),
        ("x" * 2001, "must be a condition"),
    ],
)
def test_a_condition_that_is_none_is_told_so_with_its_place(text, said):
    with pytest.raises(ValueError) as caught:
        compile_condition(text)
    assert str(caught.value).startswith(said)


def test_a_condition_names_what_it_needs():
    assert compile_condition('tools && metadata.a == "b"').names == {"tools", "metadata"}
    assert VALUES.keys() == VARIABLES.keys()


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_refused(text):
    with suppress(ValueError):
        assert compile_condition(text).holds(VALUES) in (True, False)
