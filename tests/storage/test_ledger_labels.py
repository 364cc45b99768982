from __future__ import annotations

import pytest

from weighbridge.storage.ledger_labels import Labels, known_labels, texts_of


@pytest.fixture
def connection(migrated):
    with migrated.begin() as opened:
        yield opened


def test_a_text_keeps_its_number(connection):
    first = dict(Labels().of(connection, ["a", "b", "a", ""]))
    again = Labels().of(connection, ["c", "b", "a"])
    assert first[""] == 0
    assert {again["a"], again["b"], again["c"]} == {1, 2, 3}
    assert (again["a"], again["b"]) == (first["a"], first["b"])


def test_numbers_become_texts_again_however_many(connection):
    numbers = Labels().of(connection, [f"text {n}" for n in range(1_200)])
    assert texts_of(connection, numbers.values()) == {number: text for text, number in numbers.items()}
    assert known_labels(connection, ["text 7", "nobody", ""]) == {"text 7": numbers["text 7"], "": 0}


def test_a_series_keeps_its_number(connection):
    one, other = ("k", "t", "", "", "r", "p", "m"), ("k", "t", "", "", "r", "p", "n")
    labels = Labels()
    labels.of(connection, [*one, *other])
    first = dict(labels.series(connection, [one, other, one]))
    fresh = Labels()
    fresh.of(connection, [*one, *other])
    assert dict(fresh.series(connection, [other, one])) == first
    assert len(set(first.values())) == 2


def test_what_was_forgotten_is_read_anew(connection):
    labels = Labels()
    number = labels.of(connection, ["a"])["a"]
    labels.forget()
    assert labels.of(connection, ["b", "a"])["a"] == number
