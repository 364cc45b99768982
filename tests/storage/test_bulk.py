from __future__ import annotations

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, select
from sqlalchemy.exc import IntegrityError

from weighbridge.storage.bulk import add_sums, insert_new, insert_rows, replace_rows
from weighbridge.storage.engine import open_engine

metadata = MetaData()
# A reserved word is a name like any other.
sums = Table(
    "user",
    metadata,
    Column("group", Text, primary_key=True),
    Column("order", BigInteger, primary_key=True),
    Column("n", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
)


@pytest.fixture
def connection(store_url):
    engine = open_engine(store_url)
    with engine.begin() as connection:
        metadata.create_all(connection)
        yield connection
    engine.dispose()


def rows(connection):
    return [tuple(row) for row in connection.execute(select(sums).order_by(sums.c.group, sums.c.order))]


def test_rows_are_inserted_and_a_second_of_a_key_is_refused(connection):
    insert_rows(connection, sums, [("a", 1, 10, "x"), ("a", 2, 20, "100% 'y'")])
    insert_rows(connection, sums, [])
    assert rows(connection) == [("a", 1, 10, "x"), ("a", 2, 20, "100% 'y'")]
    with pytest.raises(IntegrityError), connection.begin_nested():
        insert_rows(connection, sums, [("a", 1, 30, "z")])


def test_what_is_there_stays_where_only_new_rows_are_wanted(connection):
    insert_rows(connection, sums, [("a", 1, 10, "x")])
    insert_new(connection, sums, [("a", 1, 30, "z"), ("b", 1, 5, "y")])
    assert rows(connection) == [("a", 1, 10, "x"), ("b", 1, 5, "y")]


def test_sums_grow_and_other_columns_stay(connection):
    add_sums(connection, sums, ("n",), [("a", 1, 10, "x")])
    add_sums(connection, sums, ("n",), [("a", 1, 7, "z"), ("a", 1, 3, "z"), ("b", 1, 5, "y")])
    assert rows(connection) == [("a", 1, 20, "x"), ("b", 1, 5, "y")]


def test_named_columns_are_replaced_and_others_stay(connection):
    replace_rows(connection, sums, ("note",), [("a", 1, 10, "x")])
    replace_rows(connection, sums, ("note",), [("a", 1, 7, "z")])
    assert rows(connection) == [("a", 1, 10, "z")]
