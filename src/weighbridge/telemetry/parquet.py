"""Tables as Parquet files: the only place that knows pyarrow, which comes with the extra `parquet` and takes 80 ms to import.

Amounts in nano-dollars are 64-bit integers, dollars are decimals with nine places: neither has been a float. Times are microseconds
in UTC, which every reader takes for a point in time (nanoseconds not all of them). Texts are dictionary-encoded and pages
are compressed with zstd and have checksums, by which damage is found.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from importlib import import_module
from typing import Any, Final, NamedTuple

from weighbridge.core.clock import NS_PER_US
from weighbridge.core.errors import ErrorKind, GatewayError

MEDIA_TYPE: Final = "application/vnd.apache.parquet"
_MISSING: Final = "Parquet needs the extra `parquet`: pip install 'weighbridge[parquet]'."
_DOLLAR_DIGITS: Final = (38, 9)
"""As ClickHouse's table has them: sums of whole warehouses fit."""
_LEVEL: Final = 3
"""zstd's own default: a tenth of the rows' JSON, at 100 MB/s."""


class Kind(Enum):
    """What a column holds, and what is given for it."""

    TEXT = "text"
    """One of few."""
    ID = "id"
    """A text that no other row has."""
    TEXTS = "texts"
    WHOLE = "whole"
    """An `int`; nano-dollars among them, with their unit in the column's name."""
    REAL = "real"
    FLAG = "flag"
    DOLLARS = "dollars"
    """An `int` of nano-dollars, told as dollars."""
    TIME = "time"
    """An `int` of Unix nanoseconds."""
    ROWS = "rows"
    """A sequence of rows, of columns of their own (other than `DOLLARS`, `TIME` and `ROWS`)."""


class Column(NamedTuple):
    """A column; None is null in every one of them."""

    name: str
    kind: Kind
    columns: tuple[Column, ...] = ()
    """Of `ROWS`."""


class ParquetDamageError(Exception):
    """A file cannot be read, or is not what was written."""


class Checked(NamedTuple):
    """A file all of whose pages could be read. `facts` are those that it was written with."""

    n_rows: int
    facts: Mapping[str, str]
    column: Sequence[Any]
    """The values of the column that was asked for."""


def require_parquet() -> None:
    """Raises `GatewayError` NOT_IMPLEMENTED that says what to install, where Parquet cannot be had."""
    _library("pyarrow.parquet")


def encode_parquet(columns: Sequence[Column], rows: Iterable[Sequence[Any]], facts: Mapping[str, str] | None = None) -> bytes:
    """A whole file. The same rows give the same bytes. `facts` go into its own metadata.

    Raises `GatewayError` NOT_IMPLEMENTED where the extra is not installed.
    """
    arrow, parquet = _library("pyarrow"), _library("pyarrow.parquet")
    by_column = list(zip(*rows, strict=True)) or [() for _ in columns]
    arrays = [_array(arrow, column, values) for column, values in zip(columns, by_column, strict=True)]
    table = arrow.table(arrays, names=[column.name for column in columns])
    return _written(parquet, table.replace_schema_metadata(dict(facts or {})), [name for each in columns for name in _texts(each)])


def check_parquet(content: bytes, column: str) -> Checked:
    """Read all of a file, and compare its checksums. Raises `ParquetDamageError`, and `GatewayError` as `encode_parquet` does."""
    file = _opened(content)
    try:
        table = file.read(use_threads=False)
        return Checked(table.num_rows, _facts(table), table[column].to_pylist())
    except (OSError, ValueError, KeyError) as error:
        raise ParquetDamageError(f"it cannot be read ({type(error).__name__})") from None


def without_rows(content: bytes, gone: Mapping[str, Collection[str]], count: str) -> tuple[bytes, int]:
    """A file without the rows that have one of these values in one of these columns, and how many those were; the fact `count` is
    how many have ever gone from it. The same file where there are none. Raises as `check_parquet` does."""
    arrow, compute, parquet = _library("pyarrow"), _library("pyarrow.compute"), _library("pyarrow.parquet")
    file = _opened(content)
    try:
        table = file.read(use_threads=False)
        stays = arrow.array([True] * table.num_rows, type=arrow.bool_())
        for name, values in gone.items():
            is_one = compute.is_in(table[name], value_set=arrow.array(sorted(values), type=arrow.string()))
            stays = compute.and_(stays, compute.invert(is_one))
    except (OSError, ValueError, KeyError) as error:
        raise ParquetDamageError(f"it cannot be read ({type(error).__name__})") from None
    left = table.filter(stays)
    n_gone = table.num_rows - left.num_rows
    if not n_gone:
        return content, 0
    facts = _facts(table)
    facts[count] = str(int(facts.get(count, "0")) + n_gone)
    return _written(parquet, left.replace_schema_metadata(facts), _dictionaries(file)), n_gone


def _opened(content: bytes) -> Any:
    parquet = _library("pyarrow.parquet")
    try:
        return parquet.ParquetFile(io.BytesIO(content), page_checksum_verification=True)
    except (OSError, ValueError) as error:
        raise ParquetDamageError(f"it cannot be read ({type(error).__name__})") from None


def _facts(table: Any) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in (table.schema.metadata or {}).items()}


def _dictionaries(file: Any) -> list[str]:
    """Columns whose values a file has in dictionaries."""
    groups = [file.metadata.row_group(place) for place in range(file.metadata.num_row_groups)]
    columns = [group.column(place) for group in groups for place in range(group.num_columns)]
    return sorted({column.path_in_schema for column in columns if column.has_dictionary_page})


def _written(parquet: Any, table: Any, dictionaries: Sequence[str]) -> bytes:
    file = io.BytesIO()
    parquet.write_table(
        table, file, compression="zstd", compression_level=_LEVEL, use_dictionary=list(dictionaries), write_page_checksum=True
    )
    return file.getvalue()


def _texts(column: Column, path: str = "") -> Iterator[str]:
    """Where texts of few values stand, as Parquet names those places."""
    own = f"{path}{column.name}"
    if column.kind is Kind.TEXT:
        yield own
    elif column.kind is Kind.TEXTS:
        yield f"{own}.list.element"
    for each in column.columns:
        yield from _texts(each, f"{own}.list.element.")


def _array(arrow: Any, column: Column, values: Sequence[Any]) -> Any:
    kind = column.kind
    if kind is Kind.DOLLARS:
        values = [None if value is None else Decimal(value).scaleb(-9) for value in values]
    elif kind is Kind.TIME:
        values = [None if value is None else value // NS_PER_US for value in values]
    elif kind is Kind.ROWS:
        names = [each.name for each in column.columns]
        values = [None if rows is None else [dict(zip(names, row, strict=True)) for row in rows] for rows in values]
    return arrow.array(values, type=_type(arrow, column))


def _type(arrow: Any, column: Column) -> Any:
    if column.kind is Kind.ROWS:
        return arrow.list_(arrow.struct([(each.name, _type(arrow, each)) for each in column.columns]))
    types = {
        Kind.TEXT: arrow.string(),
        Kind.ID: arrow.string(),
        Kind.TEXTS: arrow.list_(arrow.string()),
        Kind.WHOLE: arrow.int64(),
        Kind.REAL: arrow.float64(),
        Kind.FLAG: arrow.bool_(),
        Kind.DOLLARS: arrow.decimal128(*_DOLLAR_DIGITS),
        Kind.TIME: arrow.timestamp("us", tz="UTC"),
    }
    return types[column.kind]


def _library(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise GatewayError(ErrorKind.NOT_IMPLEMENTED, _MISSING, detail=str(error), param="format", code="extra_missing") from error
