"""Tables as Parquet files: the only place that knows pyarrow, which comes with the extra `parquet` and takes 80 ms to import.

Amounts in nano-dollars are 64-bit integers, dollars are decimals with nine places: neither has been a float. Times are microseconds
in UTC, which every reader takes for a point in time (nanoseconds not all of them). Texts are dictionary-encoded and pages
are compressed with zstd and have checksums, by which damage is found.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
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


class Column(NamedTuple):
    """A column; None is null in every one of them."""

    name: str
    kind: Kind


def require_parquet() -> None:
    """Raises `GatewayError` NOT_IMPLEMENTED that says what to install, where Parquet cannot be had."""
    _library("pyarrow.parquet")


def encode_parquet(columns: Sequence[Column], rows: Iterable[Sequence[Any]], facts: Mapping[str, str] | None = None) -> bytes:
    """A whole file. The same rows give the same bytes. `facts` go into its own metadata.

    Raises `GatewayError` NOT_IMPLEMENTED where the extra is not installed.
    """
    arrow, parquet = _library("pyarrow"), _library("pyarrow.parquet")
    by_column = list(zip(*rows, strict=True)) or [() for _ in columns]
    arrays = [_array(arrow, column.kind, values) for column, values in zip(columns, by_column, strict=True)]
    table = arrow.table(arrays, names=[column.name for column in columns])
    return _written(parquet, table.replace_schema_metadata(dict(facts or {})), columns)


def _written(parquet: Any, table: Any, columns: Sequence[Column]) -> bytes:
    repeated = [f"{column.name}.list.element" if column.kind is Kind.TEXTS else column.name for column in columns]
    file = io.BytesIO()
    parquet.write_table(
        table,
        file,
        compression="zstd",
        compression_level=_LEVEL,
        use_dictionary=[name for name, column in zip(repeated, columns, strict=True) if column.kind in (Kind.TEXT, Kind.TEXTS)],
        write_page_checksum=True,
    )
    return file.getvalue()


def _array(arrow: Any, kind: Kind, values: Sequence[Any]) -> Any:
    if kind is Kind.DOLLARS:
        values = [None if value is None else Decimal(value).scaleb(-9) for value in values]
    elif kind is Kind.TIME:
        values = [None if value is None else value // NS_PER_US for value in values]
    return arrow.array(values, type=_type(arrow, kind))


def _type(arrow: Any, kind: Kind) -> Any:
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
    return types[kind]


def _library(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise GatewayError(ErrorKind.NOT_IMPLEMENTED, _MISSING, detail=str(error), param="format", code="extra_missing") from error
