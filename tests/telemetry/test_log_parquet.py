from __future__ import annotations

import io
from decimal import Decimal

from pyarrow import parquet
from tests.storage.test_ledger_store import attempt, record

from weighbridge.core.codec import encode_json
from weighbridge.telemetry.log_parquet import hour_files
from weighbridge.telemetry.log_rows import LogRow, Redaction, lines_of, row_of

HOUR_NS = 3_600 * 10**9


def lines(*records):
    return b"".join([line + b"\n" for line in lines_of(records, Redaction())])


def rows(file):
    return parquet.read_table(io.BytesIO(file.content)).to_pylist()


def test_a_row_has_every_field_of_the_log_with_its_type():
    told = record(1, attempt(1_500_000_001), tags=("beta", "checkout"), first_byte_ns=-1)
    ((file,), _) = hour_files(lines(told))
    (row,) = rows(file)
    expected = row_of(told)
    assert list(row) == list(LogRow.__struct_fields__)
    assert row.pop("at").isoformat(timespec="microseconds").replace("+00:00", "Z") == expected.at
    assert row.pop("cost_usd") == Decimal("1.500000001")
    assert (row["cost_nanousd"], row["tags"], row["first_byte_ms"]) == (1_500_000_001, ["beta", "checkout"], None)
    for name, value in row.items():
        theirs = getattr(expected, name)
        assert value == (list(theirs) if isinstance(theirs, tuple) else theirs), name


def test_each_hour_has_its_file_and_the_same_lines_give_the_same_files():
    batch = lines(record(1), record(2, start_wall_ns=record(1).start_wall_ns + HOUR_NS), record(3))
    files, _ = hour_files(batch)
    assert [file.folder for file in files] == ["dt=2027-01-15/hour=08", "dt=2027-01-15/hour=09"]
    assert [[row["request_id"] for row in rows(file)] for file in files] == [["req_1", "req_3"], ["req_2"]]
    assert hour_files(batch) == (files, 0)


def test_what_nobody_knows_is_null_and_a_row_of_an_earlier_version_may_lack_a_column():
    (row,) = rows(hour_files(lines(record(1, attempt(None), cost_nanousd=None)))[0][0])
    assert (row["cost_nanousd"], row["cost_usd"]) == (None, None)
    (row,) = rows(hour_files(encode_json({"at": "2026-11-25T13:00:00.000001Z", "status": 200}))[0][0])
    assert (row["status"], row["team"], row["tags"], row["cost_usd"]) == (200, None, None, None)


def test_a_line_that_was_cut_keeps_no_other_waiting_and_is_counted():
    whole = lines(record(1), record(2))
    files, n_unreadable = hour_files(whole + b"[1]\n{}\n" + whole[:-9])
    assert ([row["request_id"] for row in rows(files[0])], n_unreadable) == (["req_1", "req_2", "req_1"], 3)
