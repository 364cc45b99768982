from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.config import document
from weighbridge.config.document import parse_document
from weighbridge.config.problems import ConfigError


def problems(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_document(text, "f")
    return str(caught.value)


@pytest.mark.parametrize("word", ["no", "yes", "on", "off", "NO", "y", "22:30", "1_000", "0123", ".inf", "089"])
def test_words_that_yaml_1_1_takes_for_something_else_are_text(word: str) -> None:
    assert parse_document(f"a: {word}", "f").value == {"a": word}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("12", 12),
        ("-3", -3),
        ("1.50", 1.5),
        ("null", None),
        ("~", None),
        ("", None),
        ("2027-01-31", date(2027, 1, 31)),
        ("2027-01-31T12:00:00Z", datetime(2027, 1, 31, 12, tzinfo=UTC)),
        ("'12'", "12"),
        ("!!str 12", "12"),
    ],
)
def test_other_scalars_are_what_they_look_like(text: str, value: object) -> None:
    assert parse_document(f"a: {text}", "f").value == {"a": value}


def test_keys_are_text_whatever_they_look_like() -> None:
    assert parse_document("{no: 1, 12: 2, null: 3}", "f").value == {"no": 1, "12": 2, "null": 3}


def test_every_value_has_its_line() -> None:
    parsed = parse_document("a:\n  b: 1\n  c:\n    - x\n    - y: 2\n", "f")
    assert parsed.line_of(("a", "b")) == 2
    assert parsed.line_of(("a", "c", 1, "y")) == 5


def test_a_path_that_was_not_written_has_the_line_of_what_is_around_it() -> None:
    parsed = parse_document("a:\n  b: 1\nr:\n  fast:\n    - x\n", "f")
    assert parsed.line_of(("a", "missing")) == 1
    assert parsed.line_of(("r", "fast", "targets", 0)) == 5
    assert parsed.line_of(("elsewhere",)) == 1


def test_an_empty_file_is_an_empty_mapping() -> None:
    assert parse_document("# nothing yet\n", "f").value == {}


def test_a_key_given_twice_is_refused_with_its_line() -> None:
    assert problems("a: 1\nb: 2\na: 3\n") == "f:3: a: is given twice; keep one"


def test_anchors_aliases_and_merges_work_and_what_is_written_wins() -> None:
    text = "x: &base {a: 1, b: 2}\ny:\n  b: 3\n  <<: *base\nz: *base\nm:\n  <<: [{a: 7}, *base]\n"
    parsed = parse_document(text, "f").value
    assert parsed == {"x": {"a": 1, "b": 2}, "y": {"a": 1, "b": 3}, "z": {"a": 1, "b": 2}, "m": {"a": 7, "b": 2}}


def test_an_alias_of_itself_is_refused() -> None:
    assert "f:1: is not valid YAML: an alias repeats itself" in problems("a: &x [*x]\n")


def test_aliases_of_aliases_cannot_grow_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_NODES", 1000)
    levels = "\n".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 9))
    assert "or too much" in problems(f"l0: &l0 [x]\n{levels}\n")


@pytest.mark.parametrize("value", ["!!python/object/apply:os.system [ls]", "!!binary aGk=", "!thing {}", "!!timestamp x"])
def test_tags_are_refused(value: str) -> None:
    assert "f:1: a: has a tag" in problems(f"a: {value}")


def test_a_date_that_does_not_exist_is_refused() -> None:
    assert "f:1: a: is not a date or number" in problems("a: 2027-13-45")


def test_a_syntax_error_names_the_line_and_never_quotes_it() -> None:
    said = problems("a: 1\nkey: 'sk-secret\nb: 2\n")
    assert said.startswith("f:")
    assert "is not valid YAML" in said
    assert "sk-secret" not in said


@pytest.mark.slow
def test_deep_nesting_is_refused() -> None:
    assert problems("[" * 5_000) == "f: is nested too deeply"


def test_control_characters_are_refused() -> None:
    assert "a character that YAML does not allow" in problems("a: \x00")


@given(st.text(max_size=60) | st.text(alphabet="ab:-[]{}&*!<'\"#\n 0129.TZ|>?,%@", max_size=40))
def test_no_text_breaks_the_parser(text: str) -> None:
    # Any other exception fails the test.
    with contextlib.suppress(ConfigError):
        assert all(1 <= line <= len(text) + 1 for line in parse_document(text, "f").lines.values())
