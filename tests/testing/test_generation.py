"""The simulated model is a pure function."""

from __future__ import annotations

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.testing.generation import Prompt, count_tokens, fragments, generate, instance_of, vector


@given(st.text())
def test_streamed_words_add_up_to_the_text_and_its_tokens(text):
    generation = generate(Prompt(user_text=text))
    assert generation.text == text
    counts = [tokens for _, tokens in generation.text_with_tokens()]
    assert counts == sorted(counts)
    assert (counts or [0])[-1] == generation.tokens == count_tokens(text)


@given(st.text(), st.integers(1, 50))
def test_a_limit_of_tokens_is_kept(text, limit):
    generation = generate(Prompt(user_text=text, max_tokens=limit))
    assert generation.tokens <= limit
    assert text.startswith(generation.text)


@given(st.text())
def test_fragments_add_up(text):
    assert "".join(fragments(text)) == text


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "string", "minLength": 9}, "b": {"type": "integer", "minimum": 5}}},
        {"type": "array", "items": {"type": "number"}, "minItems": 3},
        {"anyOf": [{"type": "null"}, {"type": "string"}]},
        {"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {"k": {"enum": ["x"]}}, "required": ["k"]}}},
        {"type": ["boolean", "null"]},
        {"const": 7},
    ],
)
def test_instances_satisfy_their_schema(schema):
    jsonschema.validate(instance_of(schema, "text"), schema)


def test_a_vector_depends_on_the_text_alone():
    assert vector("a", 20) == vector("a", 20) != vector("b", 20)
    assert len(vector("a", 20)) == 20
    assert vector("a", 20)[:3] == vector("a", 3)
