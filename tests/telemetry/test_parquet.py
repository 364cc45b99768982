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
from weighbridge.telemetry.parquet import Column, Kind, encode_parquet, require_parquet

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


@given(st.data(), st.sampled_from(list(Kind)))
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
