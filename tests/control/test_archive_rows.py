from __future__ import annotations

import io

from pyarrow import parquet
from tests.storage.test_ledger_store import attempt, settled

from weighbridge.control.archive_rows import COLUMNS, day_files
from weighbridge.core.terms import Provenance, Usage

DAY_NS = 86_400 * 10**9


def files(store, clock, *items):
    store.ledger.move("j_1", 0, 100, items)
    batch = store.archives.next_batch(clock.wall_ns() + DAY_NS)
    return day_files(batch, store.archives.requests(batch))


def rows(file):
    return parquet.read_table(io.BytesIO(file.content)).to_pylist()


def test_a_day_has_its_file_and_the_same_requests_give_the_same_files(store, clock):
    now = clock.wall_ns()
    (before, today) = files(store, clock, *(settled(n, start_wall_ns=now - n * DAY_NS) for n in (1, 0)))
    assert (before.name, today.name) == (
        "dt=2027-01-14/000000000001-000000000002.parquet",
        "dt=2027-01-15/000000000001-000000000002.parquet",
    )
    assert ([row["number"] for row in rows(before)], before.request_ids) == ([1], {"req_1"})
    batch = store.archives.next_batch(now)
    assert day_files(batch, store.archives.requests(batch)) == [before, today]


def test_what_nobody_knows_is_null_and_every_attempt_has_its_own_figures(store, clock):
    guess = Usage(input=3, output=4, provenance=Provenance.ESTIMATED)
    tried = (attempt(None), attempt(7, usage=guess))
    (file,) = files(store, clock, settled(1, *tried, start_wall_ns=clock.wall_ns(), first_byte_ns=-1, finish_reason=None))
    (row,) = rows(file)
    assert list(row) == [column.name for column in COLUMNS]
    assert (row["first_byte_ms"], row["finish_reason"], row["error"], row["cost_nanousd"]) == (None, None, None, 7)
    assert [each["cost_nanousd"] for each in row["attempts"]] == [None, 7]
    assert [each["usage_provenance"] for each in row["attempts"]] == ["reported", "estimated"]
    assert row["attempts"][1]["output_tokens"] == 4


def test_a_request_without_its_record_says_what_its_row_says(store, clock):
    store.ledger.move("j_1", 0, 100, [settled(1, start_wall_ns=clock.wall_ns())])
    batch = store.archives.next_batch(clock.wall_ns() + DAY_NS)
    (asked,) = store.archives.requests(batch)
    (row,) = rows(day_files(batch, [asked._replace(record=None)])[0])
    assert (row["request_id"], row["team"], row["cost_nanousd"]) == ("req_1", "search", 1_000)
    assert [row[name] for name in ("attempts", "edits", "method", "detail", "trace")] == [None] * 5
