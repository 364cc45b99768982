from __future__ import annotations

import io
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.telemetry.parquet import (
    Column,
    Kind,
    ParquetDamageError,
    check_parquet,
    encode_parquet,
    require_parquet,
    without_rows,
)

WHOLE = st.integers(-(2**63), 2**63 - 1)
VALUES = {
    Kind.TEXT: st.text(),
    Kind.ID: st.text(),
    Kind.TEXTS: st.lists(st.text(), max_size=3),
    Kind.WHOLE: WHOLE,
    Kind.REAL: st.floats(allow_nan=False),
    Kind.FLAG: st.booleans(),
    Kind.DOLLARS: WHOLE,
    Kind.TIME: st.integers(0, 4 * 10**18),
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read(content):
    return parquet.read_table(io.BytesIO(content))


@given(st.data(), st.sampled_from(list(VALUES)))
def test_what_is_written_is_read_again_to_the_last_digit(data, kind):
    values = data.draw(st.lists(st.none() | VALUES[kind], max_size=5))
    found = read(encode_parquet([Column("it", kind)], [(value,) for value in values]))["it"].to_pylist()
    if kind is Kind.DOLLARS:
        found = [None if value is None else int(value * Decimal(10**9)) for value in found]
    elif kind is Kind.TIME:
        values = [None if value is None else value // 1_000 for value in values]
        found = [None if at is None else (at - EPOCH) // (datetime.resolution) for at in found]
    assert found == values


def test_names_are_dictionaries_pages_are_compressed_and_times_are_of_utc():
    columns = [Column("team", Kind.TEXT), Column("tags", Kind.TEXTS), Column("id", Kind.ID), Column("at", Kind.TIME)]
    content = encode_parquet(columns, [("search", ("a", "b"), f"req_{n}", 10**18) for n in range(100)])
    group = parquet.ParquetFile(io.BytesIO(content)).metadata.row_group(0)
    by_name = {group.column(place).path_in_schema.partition(".")[0]: group.column(place) for place in range(4)}
    assert {name for name, each in by_name.items() if "RLE_DICTIONARY" in each.encodings} == {"team", "tags"}
    assert {each.compression for each in by_name.values()} == {"ZSTD"}
    assert str(read(content).schema.field("at").type) == "timestamp[us, tz=UTC]"


def test_the_same_rows_are_the_same_bytes_and_none_are_a_file_too():
    columns = [Column("team", Kind.TEXT), Column("n", Kind.WHOLE)]
    rows = [("search", 1), (None, None)]
    assert encode_parquet(columns, rows) == encode_parquet(columns, iter(rows))
    assert read(encode_parquet(columns, [])).num_rows == 0


def test_without_the_library_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(GatewayError) as refused:
        require_parquet()
    assert (refused.value.kind, refused.value.param) == (ErrorKind.NOT_IMPLEMENTED, "format")
    assert "weighbridge[parquet]" in refused.value.public


ROWS = [(f"req_{n}", ("ada", "bob", None)[n % 3], [("a", n)] if n % 2 else None) for n in range(9)]
COLUMNS = [
    Column("request_id", Kind.ID),
    Column("user", Kind.TEXT),
    Column("tries", Kind.ROWS, (Column("provider", Kind.TEXT), Column("n", Kind.WHOLE))),
]


def test_rows_within_rows_are_structures_with_dictionaries_of_their_own():
    content = encode_parquet(COLUMNS, ROWS)
    assert read(content)["tries"].to_pylist()[:2] == [None, [{"provider": "a", "n": 1}]]
    group = parquet.ParquetFile(io.BytesIO(content)).metadata.row_group(0)
    assert {group.column(n).path_in_schema for n in range(4) if group.column(n).has_dictionary_page} == {
        "user",
        "tries.list.element.provider",
    }


def test_rows_with_a_value_are_taken_out_and_counted_and_nothing_else_changes():
    content = encode_parquet(COLUMNS, ROWS, {"gone": "2", "first": "1"})
    left, n_gone = without_rows(content, {"user": {"ada"}, "request_id": {"req_1", "req_0"}}, "gone")
    assert n_gone == 4
    stays = [f"req_{n}" for n in (2, 4, 5, 7, 8)]
    assert read(left).to_pylist() == [row for row in read(content).to_pylist() if row["request_id"] in stays]
    checked = check_parquet(left, "request_id")
    assert (checked.n_rows, checked.facts) == (5, {"gone": "6", "first": "1"})
    assert without_rows(left, {"user": {"ada"}}, "gone") == (left, 0)
    none_left, _ = without_rows(left, {"request_id": set(checked.column)}, "gone")
    assert check_parquet(none_left, "request_id").n_rows == 0
    assert read(none_left).schema == read(content).schema.with_metadata(read(none_left).schema.metadata)


@pytest.mark.parametrize("column", ["request_id", "another"])
@pytest.mark.parametrize("damaged", [slice(0, -5), slice(0, 0), slice(0, 900), slice(0, None)])
def test_what_was_damaged_is_told(damaged, column):
    content = bytearray(encode_parquet([Column("request_id", Kind.ID)], [(f"req_{n}",) for n in range(999)]))
    content[500] ^= 1  # within a page
    with pytest.raises(ParquetDamageError):
        check_parquet(bytes(content[damaged]), column)
